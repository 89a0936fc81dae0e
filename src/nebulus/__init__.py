"""Nebulus: a runtime that lets small local language models do real agent work."""

__version__ = "0.1.0"
