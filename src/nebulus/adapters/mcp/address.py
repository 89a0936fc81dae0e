"""The address of a server: an HTTP client whose answers are bounded, and which sends secrets to one host alone."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from nebulus.adapters.mcp.program import MESSAGE_BYTES

_CONNECT_S = 10.0
_SILENCE_S = 300.0
"""How long a stream may be silent; a call has its own limit."""


class _BoundedBody(httpx2.AsyncByteStream):
    """A body that ends in an error where it becomes longer than a message may be."""

    def __init__(self, body: Any) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._body:
            size += len(part)
            if size > MESSAGE_BYTES:
                raise httpx2.ReadError(f"the server sent more than {MESSAGE_BYTES:,} bytes")
            yield part

    async def aclose(self) -> None:
        await self._body.aclose()


class _BoundedTransport(httpx2.AsyncHTTPTransport):
    """Bounds the body of each answer; a stream of events is bounded event by event instead."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            response.stream = _BoundedBody(response.stream)
        return response


@asynccontextmanager
async def reached(url: str, headers: Mapping[str, str]) -> AsyncIterator[tuple[Any, Any]]:
    """Yield the streams of the messages of the server at `url`, as the SDK expects of a transport.

    `headers` go with every request to that host; a redirect to another one is not followed.
    """
    timeout = httpx2.Timeout(_SILENCE_S, connect=_CONNECT_S)
    async with (
        httpx2.AsyncClient(headers=dict(headers), timeout=timeout, transport=_BoundedTransport()) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=MESSAGE_BYTES) as streams,
    ):
        yield streams
