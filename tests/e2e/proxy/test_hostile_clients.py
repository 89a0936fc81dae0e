"""Clients that send too much, too slowly, or nothing that can be meant: each is refused, and others are served."""

import asyncio
import gzip
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nebulus.proxy.server import MOST_BODY_BYTES
from nebulus.proxy.upstream import Upstream
from nebulus.testing.backends import ScriptedBackend, says
from tests.e2e.proxy.serving import Client, proxied, scripted, served, serving_of

pytestmark = pytest.mark.e2e

PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses")
PAGE = {"Origin": "null", "Content-Type": "text/plain"}


async def is_serving(client: Client) -> bool:
    return (await client.chat()).status == 200


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_that_is_larger_than_allowed_once_unpacked_is_refused(path: str) -> None:
    bomb = gzip.compress(bytes(MOST_BODY_BYTES + 1))
    async with scripted([says("Hi.")]) as (client, _):
        told = await client.post(path, bomb, {"Content-Encoding": "gzip"})
        assert told.status == 400
        assert "too large" in told.raw
        assert await is_serving(client)


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_that_nobody_can_mean_is_refused_in_the_clients_own_terms(path: str) -> None:
    async with scripted([says("Hi.")]) as (client, backend):
        for body in (
            b"[" * 100_000,
            b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"messages": ["\xff"]}',
        ):
            told = await client.post(path, body)
            assert told.status == 400, told.raw
            assert "defect" not in told.raw
            assert "broke" not in told.raw
        assert backend.requests == []
        assert await is_serving(client)


async def test_a_page_that_a_browser_keeps_apart_makes_no_request_to_a_model() -> None:
    async with scripted([says("Hi.")]) as (client, backend):
        told = await client.post(
            "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}, PAGE
        )
        assert told.status == 401
        assert backend.requests == []


async def test_a_request_that_is_sent_too_slowly_is_answered_and_ended() -> None:
    upstream = Upstream({"small": served(ScriptedBackend([says("Hi.")]))})
    async with serving_of(upstream, longest_body_s=0.05) as client:
        where = urlsplit(client.url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
        )
        answer = await asyncio.wait_for(reader.read(2000), 30)
        assert b" 400 " in answer
        assert b"in time" in answer
        writer.close()
        assert await is_serving(client)


async def test_what_a_server_says_of_our_key_reaches_no_client(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from nebulus.adapters.backends.factory import open_backend
    from nebulus.adapters.backends.settings import BackendSettings
    from nebulus.testing.server import ScriptedServer
    from nebulus.testing.server_faces import Reply

    key = "q7Zt4w9LmX2vB8nRc5Yd"
    monkeypatch.setenv("OTHER_KEY", key)
    said = json.dumps({"error": {"message": f"the key {key} is not valid here"}})
    async with ScriptedServer([Reply(status=401, raw=said)] * 3) as server:
        settings = BackendSettings(kind="openai", url=server.url, api_key_env="OTHER_KEY", window_tokens=4096)
        backend = open_backend(settings)
        async with proxied(backend) as client:
            told = await client.chat()
        await backend.close()
    assert told.status >= 400
    assert key not in told.raw
    assert key not in str(told.headers)
