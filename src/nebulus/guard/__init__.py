"""Constraints in code: what stands between a proposal and its effect.

Laws: deny is the default; nothing depends on the model remembering a rule; an error while deciding is a
refusal.
"""
