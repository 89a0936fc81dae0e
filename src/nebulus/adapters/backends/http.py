"""One HTTP session to one server: bytes in, bytes out, and every failure as a `BackendError`.

Invariants: no retries, no redirects (a key never follows one); a cancelled request closes its connection, so
that the server stops working on it; what is read is bounded (`bounds`), and so is the time of all requests
that belong to one answer (`deadline`).
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress

import aiohttp

from nebulus.adapters.backends.bounds import ContentDecoder, check_items, over_limit
from nebulus.adapters.backends.faults import failure, of_status
from nebulus.adapters.backends.settings import DEFAULT_LIMITS, AnswerLimits
from nebulus.core.errors import BackendError
from nebulus.core.failure import FailureKind

KEEPALIVE_S = 4.0
"""llama.cpp's server closes idle connections after 5 s and answers nothing on them.

Source: its `Keep-Alive: timeout=5` header.
"""

_HANG_UP = {"Connection": "close"}
"""llama.cpp's server hangs up after a stream without announcing it, so a connection is used for one only."""


def base_url(url: str) -> str:
    """Return the root of a server's address: "localhost:8080/v1/" is "http://localhost:8080"."""
    root = url if "://" in url else f"http://{url}"
    return root.rstrip("/").removesuffix("/v1").rstrip("/")


class HttpClient:
    """Requests to one server. Belongs to the event loop that made its first request."""

    def __init__(
        self,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        timeout_s: float,
        connect_timeout_s: float,
        limits: AnswerLimits = DEFAULT_LIMITS,
    ) -> None:
        self.root = base_url(url)
        self.limits = limits
        self._credentials = tuple(
            value.removeprefix("Bearer ").encode() for value in (headers or {}).values()
        )
        self._headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",  # compression gains nothing here, and can hide any size
            **(headers or {}),
        }
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=connect_timeout_s)
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str) -> bytes:
        """Return the body of a 2xx answer.

        Raises:
            BackendError: anything else.
        """
        return await self._ask("GET", path, None)

    async def post(self, path: str, body: bytes) -> bytes:
        """Send JSON, return the body of a 2xx answer.

        Raises:
            BackendError: anything else.
        """
        return await self._ask("POST", path, body)

    async def stream(self, path: str, body: bytes, on_chunk: Callable[[bytes], None]) -> None:
        """Send JSON and hand over each chunk of a 2xx answer as it comes. What `on_chunk` raises ends it.

        Raises:
            BackendError: any other answer, or a connection that broke.
        """
        await self._ask("POST", path, body, on_chunk=on_chunk)

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """Bound all that happens inside by `timeout_s` together, whatever number of requests it takes.

        Raises:
            BackendError: the time is over.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except TimeoutError as error:
            raise self._late(self.root) from error

    async def close(self) -> None:
        """Let go of the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(
        self, method: str, path: str, body: bytes | None, *, on_chunk: Callable[[bytes], None] | None = None
    ) -> bytes:
        where = f"{self.root}{path}"
        headers = None if on_chunk is None else _HANG_UP
        whole = bytearray()
        take = on_chunk or whole.extend
        try:
            async with self._open().request(
                method, where, data=body, headers=headers, allow_redirects=False
            ) as response:
                if not 200 <= response.status < 300:
                    raw = await self._start_of(response)
                    raise BackendError(of_status(response.status, response.headers, raw, now_s=time.time()))
                async with aclosing(self._pieces(response)) as pieces:
                    async for piece in pieces:
                        take(piece)
                check_items(whole)
                return bytes(whole)
        except TimeoutError as error:
            raise self._late(where) from error
        except aiohttp.InvalidURL as error:
            raise BackendError(failure(FailureKind.PERMANENT, "not a URL", value=where)) from error
        except aiohttp.ClientSSLError as error:
            raise BackendError(
                failure(FailureKind.PERMANENT, f"no trusted connection to {self.root}")
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise BackendError(
                failure(
                    FailureKind.TRANSIENT, f"no server at {self.root}", fix="start it, or correct the URL"
                )
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise BackendError(
                failure(
                    FailureKind.TRANSIENT, f"the connection to {self.root} broke", value=type(error).__name__
                )
            ) from error

    async def _pieces(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        """Yield the body, decompressed, up to its limit.

        Raises:
            BackendError: it is longer.
        """
        decoder = ContentDecoder(response.headers.get("Content-Encoding", ""))
        limit_bytes, sent, read = self.limits.max_answer_bytes, 0, 0
        async for chunk in response.content.iter_any():
            sent += len(chunk)
            for piece in decoder.feed(chunk):
                read += len(piece)
                if max(sent, read) > limit_bytes:
                    raise over_limit("max_answer_bytes", limit_bytes)
                yield piece

    async def _start_of(self, response: aiohttp.ClientResponse) -> bytes:
        """Return an error body without our credentials, cut at its limit; what was read of it where it is damaged."""
        limit_bytes, start = self.limits.max_error_bytes, bytearray()
        with suppress(BackendError):  # The status says more than a damaged body does.
            async with aclosing(self._pieces(response)) as pieces:
                async for piece in pieces:
                    start += piece
                    if len(start) >= limit_bytes:
                        break
        for credential in self._credentials:
            start = start.replace(credential, b"[credential]")
        return bytes(start[:limit_bytes])

    def _late(self, where: str) -> BackendError:
        return BackendError(
            failure(
                FailureKind.TIMEOUT,
                f"no answer from {where} in time",
                value=f"{self._timeout_s:g} s",
                fix="raise timeout_s, or use a faster model or server",
            )
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S, ttl_dns_cache=300)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session
