"""What decoding a text raises that somebody else wrote."""

import msgspec

UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""It is not JSON or not of the type that is wanted, is not UTF-8, or is nested more deeply than can be followed."""
