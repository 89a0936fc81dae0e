"""Answers without an end: what a hostile or broken model server may send in place of one.

Use it with a scripted server: `Reply(flood=Flood("gzip bomb"))`.
"""

import asyncio
import zlib
from collections.abc import Iterator
from typing import Literal, TypeAlias

from aiohttp import web
from msgspec import Struct

FloodKind: TypeAlias = Literal[
    "gzip bomb", "body", "values", "error", "events", "line", "comments", "calls", "slow events"
]
CHUNK_BYTES = 64 * 1024
PAUSE_S = 0.02

_EVENTS = {
    "/completion": b'data: {"content":"word "}\n\n',
    "/v1/chat/completions": b'data: {"choices":[{"delta":{"content":"word "}}]}\n\n',
    "/v1/messages": b'data: {"type":"content_block_delta","delta":{"text":"word "}}\n\n',
    "/api/chat": b'{"message":{"content":"word "}}\n',
}
_CALLS = {
    "/completion": _EVENTS["/completion"],  # this route has no calls
    "/v1/chat/completions": b'data: {"choices":[{"delta":{"tool_calls":[{"id":"%d"}]}}]}\n\n',
    "/v1/messages": b'data: {"type":"content_block_start","index":%d}\n\n',
    "/api/chat": b'{"message":{"tool_calls":[{"id":"%d"}]}}\n',
}
_BODIES = {
    "/completion": b'{"content":"',
    "/v1/chat/completions": b'{"choices":[{"message":{"content":"',
    "/v1/messages": b'{"content":[{"type":"text","text":"',
    "/api/chat": b'{"message":{"content":"',
}


class Flood(Struct, frozen=True):
    """An answer that does not end before it has `most_bytes`, counted before any compression."""

    kind: FloodKind
    most_bytes: int = 1 << 31


async def send_flood(request: web.Request, flood: Flood) -> web.StreamResponse:
    """Send a flood until the client hangs up."""
    headers = {"Content-Type": "application/json" if flood.kind in _WHOLE else "text/event-stream"}
    if flood.kind == "gzip bomb":
        headers["Content-Encoding"] = "gzip"
    response = web.StreamResponse(status=500 if flood.kind == "error" else 200, headers=headers)
    await response.prepare(request)
    for chunk in _chunks(flood, request.path):
        await response.write(chunk)
        await asyncio.sleep(PAUSE_S if flood.kind == "slow events" else 0)
    return response


_WHOLE = frozenset({"gzip bomb", "body", "values", "error"})


def _chunks(flood: Flood, path: str) -> Iterator[bytes]:
    plain = _plain_chunks(flood, path)
    if flood.kind != "gzip bomb":
        yield from plain
        return
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    for chunk in plain:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()


def _plain_chunks(flood: Flood, path: str) -> Iterator[bytes]:
    sent = number = 0
    first, unit = _units(flood.kind, path)
    yield first
    while sent < flood.most_bytes:
        if flood.kind == "slow events":
            chunk = unit
        elif b"%d" in unit:
            chunk = b"".join(unit % at for at in range(number, number + 1000))
            number += 1000
        else:
            chunk = unit * (CHUNK_BYTES // len(unit))
        yield chunk
        sent += len(chunk)


def _units(kind: FloodKind, path: str) -> tuple[bytes, bytes]:
    """Return what a flood begins with, and what it repeats."""
    match kind:
        case "events" | "slow events":
            return b"", _EVENTS[path]
        case "calls":
            return b"", _CALLS[path]
        case "comments":
            return b"", b": ping\n\n"
        case "line":
            return _EVENTS[path].partition(b"word ")[0], b"x"
        case "values":
            return b'{"choices":[', b"{},"
        case "gzip bomb" | "body":
            return _BODIES[path], b"x"
        case "error":
            return b'{"error":{"message":"', b"x"
