"""A proxy on a socket in front of a scripted model, and a client that asks it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
from msgspec import Struct, field

from nebulus.core.limits import Limits
from nebulus.core.tiers import Tier
from nebulus.ports.backend import BackendInfo, ModelBackend
from nebulus.proxy.access import Access
from nebulus.proxy.server import ProxyServer
from nebulus.proxy.upstream import ServedTier, Upstream
from nebulus.testing.backends import SCRIPTED, Script, ScriptedBackend

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
    "required": ["city"],
}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "Look up.", "parameters": WEATHER}}
]


class Told(Struct):
    """What came back: a status, headers, a body, or the events of a stream with their names."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, Any]] = field(default_factory=list)
    raw: str = ""


def served(backend: ModelBackend, *, name: str = "small", info: BackendInfo = SCRIPTED) -> ServedTier:
    return ServedTier(tier=Tier(name=name, window_tokens=info.window_tokens), backend=backend, info=info)


class Client:
    """Asks a proxy as a client of any protocol does."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self._session = url, session

    async def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Told:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self._session.post(f"{self.url}{path}", data=data, headers=headers) as response:
            raw = await response.text()
            told = Told(response.status, response.headers, raw=raw)
            if response.content_type == "text/event-stream":
                told.events = events_of(raw)
            else:
                told.body = json.loads(raw)
            return told

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Told:
        async with self._session.get(f"{self.url}{path}", headers=headers) as response:
            raw = await response.text()
            return Told(response.status, response.headers, json.loads(raw), raw=raw)

    def stream(self, path: str, body: Any) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._session.post(f"{self.url}{path}", json=body)

    async def chat(self, text: str = "Hello?", **more: Any) -> Told:
        body = {"model": "small", "messages": [{"role": "user", "content": text}], **more}
        return await self.post("/v1/chat/completions", body)


def events_of(raw: str) -> list[tuple[str, Any]]:
    """The events of a stream; comments are left out."""
    found = []
    for block in raw.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "data" in lines:
            data = lines["data"]
            found.append((lines.get("event", ""), data if data == "[DONE]" else json.loads(data)))
    return found


def joined(told: Told) -> dict[str, Any]:
    """The message that the chunks of a chat completion add up to."""
    message: dict[str, Any] = {"content": "", "tool_calls": [], "finish": None}
    for _, chunk in told.events:
        if chunk == "[DONE]" or not chunk.get("choices"):
            continue
        choice = chunk["choices"][0]
        message["content"] += choice["delta"].get("content") or ""
        message["finish"] = choice["finish_reason"] or message["finish"]
        for piece in choice["delta"].get("tool_calls", ()):
            if piece["index"] == len(message["tool_calls"]):
                message["tool_calls"].append({**piece, "function": dict(piece["function"])})
            else:
                function = message["tool_calls"][piece["index"]]["function"]
                function["arguments"] += piece["function"]["arguments"]
    return message


@asynccontextmanager
async def proxied(
    *backends: ModelBackend,
    keep_alive_s: float = 10.0,
    token: str = "",
    limits: Limits | None = None,
    folds: bool = False,
) -> AsyncIterator[Client]:
    """Serve the backends as tiers, from small to large."""
    names = ("small", "large", "largest")
    tiers = {name: served(backend, name=name) for name, backend in zip(names, backends, strict=False)}
    quick = limits or Limits(first_wait_s=0.001, longest_wait_s=0.002)
    access = Access(token)
    async with serving_of(
        Upstream(tiers, limits=quick, folds=folds), keep_alive_s=keep_alive_s, access=access
    ) as client:
        yield client


@asynccontextmanager
async def serving_of(upstream: Upstream, **options: Any) -> AsyncIterator[Client]:
    """Serve what is behind a proxy, and give a client of it."""
    async with ProxyServer(upstream, **options) as server, aiohttp.ClientSession() as session:
        yield Client(server.url, session)


@asynccontextmanager
async def scripted(script: Script, **options: Any) -> AsyncIterator[tuple[Client, ScriptedBackend]]:
    """Serve one scripted model."""
    backend = ScriptedBackend(script)
    async with proxied(backend, **options) as client:
        yield client, backend
