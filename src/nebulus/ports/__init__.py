"""Protocols for what the runtime needs from the world. Adapters implement them; `nebulus.testing` has a fake of each."""
