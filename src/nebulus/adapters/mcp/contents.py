"""What a call of a foreign tool returned, as a text and values; what is not text is stored as an artifact."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)

from nebulus.core.errors import StoreError
from nebulus.core.scalars import Scalar, scalar_of
from nebulus.core.text import KEPT_CHARS, bounded, clean, message_of

STORED_BYTES = 8 << 20
"""The largest image, sound or file that is stored."""

Store = Callable[[str], str]
"""Stores a text without the secrets in it, and returns its address."""


def text_of(result: CallToolResult, store: Store) -> str:
    """Return all of a result as a text; images and files are named by the address of their artifact."""
    parts = [_block_text(block, store) for block in result.content]
    if not any(part.strip() for part in parts) and result.structured_content is not None:
        return _json(result.structured_content)
    return bounded(clean("\n".join(parts)), KEPT_CHARS)


def fields_of(result: CallToolResult) -> dict[str, Scalar]:
    """Return the scalars at the top of the structured part of a result."""
    found = result.structured_content
    if not isinstance(found, dict):
        return {}
    return {
        clean(name): scalar
        for name, value in found.items()
        if (scalar := scalar_of(value)) is not None and isinstance(name, str)
    }


def _block_text(block: Any, store: Store) -> str:
    match block:
        case TextContent(text=text):
            return text
        case ImageContent(data=data, mime_type=kind):
            return _stored(data, kind, what="image", store=store)
        case AudioContent(data=data, mime_type=kind):
            return _stored(data, kind, what="sound", store=store)
        case ResourceLink(uri=uri, name=name):
            return f"[link to {name}: {uri}]"
        case EmbeddedResource(resource=BlobResourceContents(blob=data, mime_type=kind, uri=uri)):
            return _stored(data, kind or "application/octet-stream", what=f"file {uri}", store=store)
        case EmbeddedResource(resource=resource):
            return f"[{resource.uri}]\n{getattr(resource, 'text', '')}"
        case _:
            return f"[{type(block).__name__}: not text]"


def _stored(data: str, kind: str, *, what: str, store: Store) -> str:
    """Store what is not text, and return a line about it."""
    try:
        size = len(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return f"[{what} of type {kind} that is not valid base64: not kept]"
    if size > STORED_BYTES:
        return f"[{what} of type {kind} with {size:,} bytes: not kept, {STORED_BYTES:,} are the most]"
    try:
        address = store(f"data:{kind};base64,{data}")
    except StoreError as error:
        return f"[{what} of type {kind} with {size:,} bytes: not kept, {message_of(error)}]"
    return f"[{what} of type {kind} with {size:,} bytes, stored as artifact {address[:16]}]"


def _json(value: Any) -> str:
    return bounded(clean(msgspec.json.encode(value).decode()), KEPT_CHARS)
