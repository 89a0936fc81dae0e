"""Constraints in code: everything between a proposal and its effect.

Invariants: deny is the default; nothing depends on the model remembering a rule; an error while deciding is a
refusal.
"""
