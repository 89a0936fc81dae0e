"""A proxy in front of a model server that fails on purpose, by a seed, in the same way for every client.

`http://127.0.0.1:PORT/429 without/0.3/7` is the server behind it with 30 % of its answers failing in that
way, by the plan of seed 7. Only requests for an answer fail; requests for the server's properties don't.
`/_plan` after that address returns how many answers were requested, and restarts the plan.

Invariants: the same address and the same requests give the same faults; a request that fails before the server
(429, 5xx, time-out) does not reach it; one that fails after it does.
"""

import asyncio
from urllib.parse import quote, unquote

import aiohttp
import msgspec
from aiohttp import web

from nebulus.testing.faults import PAGE, Fault, FaultPlan

ANSWERING = ("/completion", "/completions", "/chat/completions", "/messages", "/api/chat")
"""The endings of paths that request an answer."""
RETRY_AFTER_S = 1
SILENCE_S = 60.0
"""How long a request that times out is kept open."""
_STATUS = {
    Fault.THROTTLED_TOLD: 429,
    Fault.THROTTLED: 429,
    Fault.SERVER_ERROR: 500,
    Fault.UNAVAILABLE: 503,
}
_KEPT = ("content-type",)


class FaultyProxy:
    """One proxy; use it as an asynchronous context manager."""

    def __init__(self, upstream: str, *, silence_s: float = SILENCE_S) -> None:
        self._upstream, self._silence_s = upstream.rstrip("/"), silence_s
        self._plans: dict[str, FaultPlan] = {}
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self.url = ""

    async def __aenter__(self) -> "FaultyProxy":
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{fault}/{rate}/{seed}/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        connector = aiohttp.TCPConnector(force_close=True)  # an idle connection may be gone when it is used
        self._session = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def at(self, fault: Fault, *, rate: float, seed: int) -> str:
        """Return the address under which answers fail in this way."""
        return f"{self.url}/{quote(fault.value)}/{rate}/{seed}"

    def forget(self, url: str) -> int:
        """Restart the plan of an address; return how many answers were requested at it."""
        plan = self._plans.pop(unquote(url.removeprefix(f"{self.url}/")), None)
        return plan.calls if plan else 0

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        about = request.match_info
        where, path = "/".join(about[name] for name in ("fault", "rate", "seed")), f"/{about['path']}"
        if path == "/_plan":
            told = {"answers": self.forget(where)}
            return web.Response(body=msgspec.json.encode(told), content_type="application/json")
        fault = self._drawn(about, where) if path.endswith(ANSWERING) and request.method == "POST" else None
        if fault in _STATUS:
            headers = {"Retry-After": str(RETRY_AFTER_S)} if fault is Fault.THROTTLED_TOLD else {}
            return web.json_response(
                {"error": {"message": fault.value}}, status=_STATUS[fault], headers=headers
            )
        if fault is Fault.TIMEOUT:
            await asyncio.sleep(self._silence_s)
        return await self._answered(request, path, fault)

    def _drawn(self, about: web.UrlMappingMatchInfo, where: str) -> Fault | None:
        plan = self._plans.get(where)
        if plan is None:
            fault = Fault(unquote(about["fault"]))
            plan = FaultPlan([fault], rate=float(about["rate"]), seed=int(about["seed"]))
            self._plans[where] = plan
        drawn = plan.draw()
        return drawn.fault if drawn is not None else None

    async def _answered(self, request: web.Request, path: str, fault: Fault | None) -> web.StreamResponse:
        assert self._session is not None
        headers = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        async with self._session.request(
            request.method, f"{self._upstream}{path}", data=await request.read(), headers=headers
        ) as answer:
            body, status = await answer.read(), answer.status
            kept = {name: value for name, value in answer.headers.items() if name.lower() in _KEPT}
        if fault is None or status != 200:
            return web.Response(body=body, status=status, headers=kept)
        if fault is Fault.RESET:
            return await _reset(request, body, kept)
        if fault is Fault.HTML:
            return web.Response(body=PAGE.encode(), content_type="text/html")
        return web.Response(body=_broken(body, fault), headers=kept)


def _broken(body: bytes, fault: Fault) -> bytes:
    match fault:
        case Fault.TRUNCATED:
            return body[: max(1, len(body) * 2 // 3)]
        case Fault.MALFORMED:
            return body.replace(b'"', b"'", 1)
        case Fault.NOTHING:
            return b""
        case _:
            return b'{"data": {"items": [], "next": null}}'


async def _reset(request: web.Request, body: bytes, headers: dict[str, str]) -> web.StreamResponse:
    """Send half of the answer and hang up."""
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.abort()
    return response
