"""Delegation: work is handed over by contract, with authority that only narrows."""
