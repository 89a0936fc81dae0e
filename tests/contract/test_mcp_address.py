"""Servers at an address: what is sent to whom, and answers without an end."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from nebulus.adapters.mcp.settings import McpServerSettings
from nebulus.core.errors import ConfigError
from nebulus.core.failure import Failure
from nebulus.ports.tool import ToolOutput
from tests.contract.mcp_homes import READS, START_S, accept_all, tools_of

LOOK = {"name": "look", "description": "Look.", "inputSchema": {"type": "object"}}


class Host:
    """A host that speaks the protocol of 2025-11-25; `answer` makes the response to a call."""

    def __init__(self, answer: Callable[[Any], web.StreamResponse] | None = None, redirect: str = "") -> None:
        self.seen: list[dict[str, str]] = []
        self.url = ""
        self._answer, self._redirect = answer, redirect

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(dict(request.headers))
        if self._redirect:
            return web.Response(status=307, headers={"Location": self._redirect})
        if request.method != "POST":
            return web.Response(status=405)
        message = json.loads(await request.text())
        match message.get("method"):
            case "initialize":
                info = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
                result: dict[str, Any] = {**info, "serverInfo": {"name": "host", "version": "1"}}
            case "tools/list":
                result = {"tools": [LOOK]}
            case "tools/call" if self._answer is not None:
                return self._answer(message["id"])
            case "tools/call":
                result = {"content": [{"type": "text", "text": "seen"}]}
            case _ if "id" not in message:
                return web.Response(status=202)
            case _:
                return web.json_response(
                    {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "unknown"}}
                )
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": result})


@asynccontextmanager
async def serving(host: Host) -> AsyncIterator[Host]:
    application = web.Application()
    application.router.add_route("*", "/mcp", host.handle)
    runner = web.AppRunner(application, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host.url = f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    try:
        yield host
    finally:
        await runner.cleanup()


def at(host: Host, **settings: Any) -> McpServerSettings:
    return McpServerSettings(url=host.url, start_timeout_s=START_S, tools={"look": READS}, **settings)


async def test_secrets_are_sent_as_headers_to_their_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "the-token")
    monkeypatch.setenv("TEAM", "the-team")
    async with (
        serving(Host()) as host,
        tools_of(at(host, api_key_env="TOKEN", secrets={"X-Team": "TEAM"}), tmp_path) as tools,
    ):
        assert isinstance(await tools["one_look"].run({}, "key"), ToolOutput)
        assert {headers["Authorization"] for headers in host.seen} == {"Bearer the-token"}
        assert {headers["X-Team"] for headers in host.seen} == {"the-team"}


async def test_a_redirect_to_another_host_is_not_followed_with_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "the-token")
    async with serving(Host()) as other, serving(Host(redirect=other.url)) as host:
        with pytest.raises(ConfigError, match="can't be used"):
            await accept_all(at(host, api_key_env="TOKEN"), tmp_path)
        assert host.seen
        assert other.seen == []


def whole(number: Any, size: int) -> bytes:
    """A valid result of a size."""
    result = {"content": [{"type": "text", "text": "x" * size}]}
    return json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode()


def as_json(size: int) -> Callable[[Any], web.StreamResponse]:
    return lambda number: web.Response(body=whole(number, size), content_type="application/json")


def as_event(size: int) -> Callable[[Any], web.StreamResponse]:
    return lambda number: web.Response(
        body=b"data: " + whole(number, size) + b"\n\n", content_type="text/event-stream"
    )


@pytest.mark.parametrize("form", [as_json, as_event])
async def test_an_answer_is_read_up_to_a_bound(
    tmp_path: Path, form: Callable[[int], Callable[[Any], web.StreamResponse]]
) -> None:
    async with serving(Host(form(3 << 20))) as host, tools_of(at(host), tmp_path) as tools:
        result = await tools["one_look"].run({}, "key")
        assert isinstance(result, ToolOutput)
        assert len(result.text) == 3 << 20
    async with serving(Host(form(20 << 20))) as host, tools_of(at(host), tmp_path) as tools:
        result = await tools["one_look"].run({}, "key")
        assert isinstance(result, Failure)


@pytest.mark.parametrize("status", [401, 404, 500])
async def test_an_error_of_the_host_is_a_failure_with_words(tmp_path: Path, status: int) -> None:
    async with (
        serving(Host(lambda number: web.Response(status=status))) as host,
        tools_of(at(host), tmp_path) as tools,
    ):
        result = await tools["one_look"].run({}, "key")
    assert isinstance(result, Failure), result
    assert result.sentence()
