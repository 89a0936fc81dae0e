"""One HTTP session to one server: bytes in, bytes out, and every failure in our words.

Laws: no retries, no redirects (a key never follows one); a cancelled request closes its connection, so
that the server stops working on it.
"""

import time
from collections.abc import Callable

import aiohttp

from nebulus.adapters.backends.faults import failure, of_status
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
        self, url: str, *, headers: dict[str, str] | None = None, timeout_s: float, connect_timeout_s: float
    ) -> None:
        self.root = base_url(url)
        self._headers = {"Content-Type": "application/json", **(headers or {})}
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
        try:
            async with self._open().request(
                method, where, data=body, headers=headers, allow_redirects=False
            ) as response:
                if not 200 <= response.status < 300:
                    raw = await response.read()
                    raise BackendError(of_status(response.status, response.headers, raw, now_s=time.time()))
                if on_chunk is None:
                    return await response.read()
                async for chunk in response.content.iter_any():
                    on_chunk(chunk)
                return b""
        except TimeoutError as error:
            raise BackendError(
                failure(
                    FailureKind.TIMEOUT, f"no answer from {where} in time", value=f"{self._timeout_s:g} s"
                )
            ) from error
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

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S, ttl_dns_cache=300)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
                trust_env=False,
            )
        return self._session
