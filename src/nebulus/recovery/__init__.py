"""Decides how to react to a finding or a failure, by its class and by what was tried before.

Invariants: every retry changes something or waits; each class has its own budget; when nothing is left to try, the
run stops with a failure that says what was tried.
"""
