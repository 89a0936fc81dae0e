"""Tiered routing: every step goes to the smallest tier that may do it, and climbs on evidence."""
