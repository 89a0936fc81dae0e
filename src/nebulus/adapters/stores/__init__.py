"""Where large values are kept, by content."""
