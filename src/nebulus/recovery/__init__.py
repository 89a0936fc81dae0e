"""This error, this strategy: what is done about a finding or a failure, decided by its class and history.

Laws: every retry changes something or waits; each class has its own budget; when nothing is left to
try, the run stops loudly with the account of what was tried.
"""
