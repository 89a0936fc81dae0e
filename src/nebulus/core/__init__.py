"""The words that every other floor speaks: frozen values, no behaviour beyond their own invariants."""
