"""The vocabulary of every other floor: frozen values without behaviour beyond their own invariants."""
