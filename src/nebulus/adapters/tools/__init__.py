"""Functions as tools, and the tools that come with a workspace."""
