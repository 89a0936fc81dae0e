"""Context discipline: what the model is shown is rebuilt from state at every step.

Invariant: the transcript is a record, never the memory; the size of a prompt does not depend on how many
steps came before.
"""
