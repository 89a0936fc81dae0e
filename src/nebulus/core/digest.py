"""Digests of values in one canonical encoding, so that equal values have equal digests on every machine."""

import hashlib
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="sorted")


def canonical(value: Any) -> bytes:
    """Return the canonical JSON of a value: keys sorted, no spaces, UTF-8."""
    return _encoder.encode(value)


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, as 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def short_digest(value: Any) -> str:
    """Return the first 16 hex digits of `digest`: enough to name a thing within one run."""
    return digest(value)[:16]
