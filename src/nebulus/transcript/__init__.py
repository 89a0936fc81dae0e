"""Somebody else's history, made to fit a window.

Invariants: pure; what a history becomes depends on its beginning alone, so a server's prefix cache keeps its use and
nothing has to be remembered between requests; what a person or a program instructed is never shortened.
"""
