"""People who decide, and their absence."""
