"""Folders that runs work in, reached without ever leaving them."""
