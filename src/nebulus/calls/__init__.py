"""Reads what a model wrote: calls that are certainly meant and certainly valid, or one precise finding."""

from nebulus.calls.reader import DEFAULT, ReaderProfile, read

__all__ = ["DEFAULT", "ReaderProfile", "read"]
