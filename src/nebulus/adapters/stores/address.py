"""The address of a content: the SHA-256 of its UTF-8, as 64 hex digits. Pure."""

import hashlib
import re

from nebulus.core.errors import StoreError

_ADDRESS = re.compile(r"[0-9a-f]{64}")


def encoded(content: str) -> bytes:
    """Return `content` as UTF-8.

    Raises:
        StoreError: it contains half of a surrogate pair, which UTF-8 can't encode.
    """
    try:
        return content.encode()
    except UnicodeEncodeError as error:
        raise StoreError(f"an artifact is not Unicode text: {error.reason} at {error.start}") from error


def address_of(data: bytes) -> str:
    """Return the address of `data`."""
    return hashlib.sha256(data).hexdigest()


def is_address(text: str) -> bool:
    """Whether `text` has the form of an address."""
    return _ADDRESS.fullmatch(text) is not None
