"""Settings, and the one place where adapters are named."""
