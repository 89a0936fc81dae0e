"""Sockets: what the runtime needs of the world. Adapters plug in; `nebulus.testing` holds a fake of each."""
