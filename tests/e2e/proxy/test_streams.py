"""Streams as they come: text before the end, signs of life while nothing can be said, and clients that go away."""

import asyncio
import json

import aiohttp
import pytest

from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.errors import BackendError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.ports.backend import BackendInfo, OnText, TokenCount
from nebulus.testing.backends import SCRIPTED, ScriptedBackend, calls, says
from nebulus.testing.server import ScriptedServer
from nebulus.testing.server_faces import Reply
from tests.e2e.proxy.faces import FACES
from tests.e2e.proxy.serving import TOOLS, Client, events_of, proxied, scripted

pytestmark = pytest.mark.e2e

TURN = [{"role": "user", "content": "Hello?"}]
HELLO = {"model": "small", "messages": TURN, "input": TURN, "stream": True, "max_tokens": 100}
"""A request in every protocol: what the others do not know, they tolerate."""
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
PINGS = {"chat": b": ping", "messages": b"event: ping", "responses": b"response.in_progress"}


class SteppedBackend:
    """Writes one piece, and the rest when it is told to; or waits in silence."""

    def __init__(self, *pieces: str, fails: bool = False) -> None:
        self.goes_on = asyncio.Event()
        self.was_cancelled = False
        self._pieces, self._fails = pieces, fails

    async def describe(self) -> BackendInfo:
        return SCRIPTED

    async def count(self, request: ModelRequest) -> TokenCount:
        return TokenCount(1, is_exact=False)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        assert on_text is not None
        for piece in self._pieces[:1]:
            on_text(piece)
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        if self._fails:
            raise BackendError(Failure(kind=FailureKind.PERMANENT, fault=Fault.BACKEND, what="it broke off"))
        for piece in self._pieces[1:]:
            on_text(piece)
        return says("".join(self._pieces))

    async def close(self) -> None:
        self.goes_on.set()


async def until(response: aiohttp.ClientResponse, sought: bytes) -> bytes:
    read = b""
    while sought not in read:
        chunk = await response.content.readany()
        assert chunk, f"the stream ended without {sought!r}: {read!r}"
        read += chunk
    return read


@pytest.mark.parametrize("name", FACES)
async def test_text_arrives_before_the_answer_is_complete(name: str) -> None:
    model = SteppedBackend("It is ", "warm.")
    body = {**HELLO, "tools": []}
    async with proxied(model) as client, client.stream(PATHS[name], body) as response:
        first = await until(response, b"It is")
        assert b"warm" not in first
        model.goes_on.set()
        await until(response, b"warm.")


@pytest.mark.parametrize("name", FACES)
async def test_a_silent_model_is_bridged_by_signs_of_life(name: str) -> None:
    model = SteppedBackend()
    async with proxied(model, keep_alive_s=0.02) as client, client.stream(PATHS[name], HELLO) as response:
        await until(response, PINGS[name])
        await until(response, PINGS[name])
        model.goes_on.set()
        rest = (await response.read()).decode()
    assert "empty" in rest, "an error after the stream has begun is an event of it"


@pytest.mark.parametrize("name", FACES)
async def test_an_error_after_some_text_is_an_event_with_our_text_and_the_end(name: str) -> None:
    model = SteppedBackend("It is ", fails=True)
    async with proxied(model) as client, client.stream(PATHS[name], HELLO) as response:
        await until(response, b"It is")
        model.goes_on.set()
        rest = (await response.read()).decode()
    assert "it broke off" in json.dumps(events_of(rest))
    assert "[DONE]" not in rest


@pytest.mark.parametrize("name", FACES)
@pytest.mark.parametrize("pieces", [(), ("It is ",)])
async def test_a_defect_of_ours_is_an_error_of_the_protocol_before_and_in_a_stream(
    name: str, pieces: tuple[str, ...]
) -> None:
    class Broken(SteppedBackend):
        async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
            for piece in pieces if on_text is not None else ():
                on_text(piece)
            await asyncio.sleep(0)
            raise KeyError("a defect")

    async with proxied(Broken()) as client:
        told = await client.post(PATHS[name], HELLO)
        whole = await client.post(PATHS[name], {**HELLO, "stream": False})
    assert (told.status == 200) == bool(pieces)
    for raw in (told.raw, whole.raw):
        assert "the proxy itself broke" in raw
        assert "KeyError" in raw
    assert whole.status >= 400


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_client_that_hangs_up_frees_the_slot_of_the_model_server(is_stream: bool) -> None:
    async with ScriptedServer([Reply(hangs=True)]) as server:
        backend = open_backend(BackendSettings(kind="openai", url=server.url, window_tokens=8192))
        async with proxied(backend) as client, aiohttp.ClientSession() as session:
            body = {**HELLO, "stream": is_stream}
            asking = asyncio.create_task(session.post(f"{client.url}{PATHS['chat']}", json=body))
            while not server.hanging:
                await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await session.close()
            for _ in range(500):
                if server.disconnects:
                    break
                await asyncio.sleep(0.01)
            await backend.close()
    assert server.disconnects == 1


async def test_a_call_is_held_until_it_is_valid_and_words_are_not() -> None:
    text = 'I will look.\n<tool_call>{"name": "weather", "arguments": {"town": "Paris"}}</tool_call>'
    async with scripted([says(text), calls("weather", city="Paris")]) as (client, _):
        told = await client.chat(tools=TOOLS, stream=True)
    assert "tool_call>" not in told.raw
    assert "town" not in json.dumps([chunk for _, chunk in told.events if "nebulus" not in chunk])
    assert "I will look." in told.raw


async def test_a_stop_sequence_ends_the_text_and_is_not_part_of_it() -> None:
    async with scripted([says("one\ntwo\nEND\nthree\n")] * 2) as (client, _):
        whole = await client.chat(stop=["END"])
        told = await client.chat(stop="END", stream=True)
    assert whole.body["choices"][0]["message"]["content"] == "one\ntwo\n"
    assert "three" not in told.raw
    assert "END" not in told.raw


async def test_json_of_a_schema_is_asked_for_in_its_form() -> None:
    schema = {"type": "object", "properties": {"warm": {"type": "boolean"}}, "required": ["warm"]}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    model = ScriptedBackend()
    async with proxied(model) as client:
        told = await client.chat(response_format=form)
    assert json.loads(told.body["choices"][0]["message"]["content"]) == {"warm": True}


async def test_garbage_is_refused_in_the_protocols_own_terms() -> None:
    async with scripted([]) as (client, model):
        for body in (b"", b"{", b"[]", b'{"messages": 3}', b'{"messages": []}', b"\xff\xfe"):
            told = await client.post("/v1/chat/completions", body)
            assert (told.status, told.body["error"]["type"]) == (400, "invalid_request_error"), body
    assert model.requests == []


async def test_what_can_not_be_passed_on_is_refused_and_named() -> None:
    image = [{"type": "image_url", "image_url": {"url": "data:…"}}]
    async with scripted([]) as (client, _):
        told = await client.post("/v1/chat/completions", {"messages": [{"role": "user", "content": image}]})
        several = await client.chat(n=2)
        choice = await client.chat(
            tools=TOOLS, tool_choice={"type": "function", "function": {"name": "other"}}
        )
    assert "image_url" in told.body["error"]["message"]
    assert "n=2" in several.body["error"]["message"]
    assert "other" in choice.body["error"]["message"]


async def test_the_account_is_in_the_headers_of_an_answer_that_is_not_streamed() -> None:
    async with scripted([calls("nope"), calls("weather", city="Paris")]) as (client, _):
        told = await client.chat(tools=TOOLS)
    assert (told.headers["x-nebulus-attempts"], told.headers["x-nebulus-tier"]) == ("2", "small")


async def test_tokens_are_counted_where_an_anthropic_client_asks() -> None:
    async with scripted([]) as (client, _):
        told = await client.post("/v1/messages/count_tokens", {"model": "small", "messages": TURN})
        wrong = await client.post("/v1/messages/count_tokens", {"model": "other", "messages": TURN})
    assert told.body["input_tokens"] > 0
    assert (wrong.status, wrong.body["type"]) == (404, "error")


async def test_a_system_block_that_changes_with_every_request_does_not_reach_the_model() -> None:
    system = [
        {"type": "text", "text": "x-anthropic-billing-header: cch=123;"},
        {"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}},
    ]
    async with scripted([says("Yes.")]) as (client, model):
        await client.post(
            "/v1/messages", {**HELLO, "stream": False, "system": system, "thinking": {"type": "adaptive"}}
        )
    assert model.requests[0].messages[0].content == "You are an agent."


async def test_a_failed_tool_of_an_anthropic_client_is_shown_as_an_error() -> None:
    turns = [
        *TURN,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "weather", "input": {}}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "no such city", "is_error": True},
                {"type": "text", "text": "Try again."},
            ],
        },
    ]
    async with scripted([says("Yes.")]) as (client, model):
        await client.post("/v1/messages", {**HELLO, "stream": False, "messages": turns})
    assert [(m.role, m.content) for m in model.requests[0].messages[2:]] == [
        ("tool", "Error: no such city"),
        ("user", "Try again."),
    ]


async def test_tools_of_a_namespace_and_tools_that_take_text_go_back_in_their_own_form() -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    tools = [
        {
            "type": "namespace",
            "name": "mcp__shop",
            "tools": [{"type": "function", "name": "find", "parameters": schema}],
        },
        {"type": "custom", "name": "patch", "description": "Apply a patch.", "format": {"type": "grammar"}},
    ]
    found = {
        "type": "function_call",
        "call_id": "a",
        "name": "find",
        "namespace": "mcp__shop",
        "arguments": "{}",
    }
    items = [*TURN, found, {"type": "function_call_output", "call_id": "a", "output": "3"}]
    script = [calls("mcp__shop__find", q="tea"), calls("patch", input="*** Begin")]
    async with scripted(script) as (client, model):
        body = {**HELLO, "stream": False, "input": items, "tools": tools}
        first = await client.post("/v1/responses", body)
        second = await client.post("/v1/responses", {**body, "stream": True})
    call = first.body["output"][0]
    assert (call["name"], call["namespace"], call["arguments"]) == ("find", "mcp__shop", '{"q":"tea"}')
    assert model.requests[0].messages[1].calls[0].name == "mcp__shop__find"
    patch = second.events[-1][1]["response"]["output"][0]
    assert (patch["type"], patch["name"], patch["input"]) == ("custom_tool_call", "patch", "*** Begin")


async def test_a_response_that_is_not_stored_can_not_be_continued_by_its_id() -> None:
    async with scripted([]) as (client, _):
        told = await client.post("/v1/responses", {"input": "Hello?", "previous_response_id": "resp_1"})
    assert (told.status, "resp_1" in told.body["error"]["message"]) == (400, True)


async def test_models_and_health_are_listed() -> None:
    async with proxied(ScriptedBackend(), ScriptedBackend()) as client:
        models = await client.get("/v1/models")
        health = await client.get("/health")
        nothing = await client.get("/v2/nothing")
    assert [each["id"] for each in models.body["data"]] == ["nebulus", "small", "large"]
    assert health.body["status"] == "ok"
    assert nothing.status == 404
    assert "/v2/nothing" in nothing.body["error"]["message"]


async def ask(client: Client, headers: dict[str, str]) -> int:
    return (await client.post("/v1/chat/completions", {**HELLO, "stream": False}, headers)).status


async def test_a_proxy_with_a_token_serves_only_who_knows_it() -> None:
    token = "a-token-of-some-length"
    async with proxied(ScriptedBackend(lambda _: says("Yes.")), token=token) as client:
        assert await ask(client, {}) == 401
        assert await ask(client, {"Authorization": "Bearer something else"}) == 401
        assert await ask(client, {"Authorization": f"Bearer {token}"}) == 200
        assert await ask(client, {"x-api-key": token}) == 200


async def test_a_proxy_without_a_token_serves_no_web_page_and_no_other_name() -> None:
    async with proxied(ScriptedBackend(lambda _: says("Yes."))) as client:
        assert await ask(client, {"Origin": "https://evil.example"}) == 401
        assert await ask(client, {"Host": "evil.example"}) == 401
        assert await ask(client, {"Origin": "http://localhost:3000"}) == 200
        assert await ask(client, {"Authorization": "Bearer anything"}) == 200
