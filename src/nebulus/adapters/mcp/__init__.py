"""MCP servers as tools: how they are reached, which of their tools were accepted, and what their calls return."""
