"""The run as a machine without I/O: events in, commands out."""
