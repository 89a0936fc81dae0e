"""Parts of the siege."""
