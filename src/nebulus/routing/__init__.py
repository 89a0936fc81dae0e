"""Chooses which model is asked: by what a step demands, what was measured, and what an error would cost.

Invariants: everything is computed by code, before or after a model was asked, never by asking one; no text is rejected
because of what is counted here; a tier is never chosen without a reason.
"""
