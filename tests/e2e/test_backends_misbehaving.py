"""Servers that misbehave, in every way that real ones were seen to: each comes back as what it is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendKind, BackendSettings
from nebulus.core.answers import FinishReason, Message, ModelAnswer, ModelRequest, OneCall, RawCall, Shape
from nebulus.core.errors import BackendError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.tools import ToolSpec
from nebulus.ports.backend import ModelBackend
from nebulus.testing.server import Flavour, Reply, ScriptedServer

SPEAKERS: dict[str, tuple[BackendKind, Flavour]] = {
    "llama.cpp": ("llama.cpp", "llama.cpp"),
    "openai": ("openai", "openai"),
    "ollama": ("openai", "ollama"),
    "vllm": ("openai", "vllm"),
    "anthropic": ("anthropic", "openai"),
}
READ = ToolSpec(
    name="read_file",
    description="Read a file of the workspace and give back all of its text.",
    parameters={"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
)
ASK = ModelRequest(
    messages=(Message("user", "Please read the file notes.txt, then say what it holds."),), max_tokens=50
)
CALL = replace(ASK, tools=(READ,), form=OneCall())
SHAPE = replace(
    ASK, form=Shape({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
)

every_speaker = pytest.mark.parametrize("speaker", SPEAKERS)
both_ways = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])


@asynccontextmanager
async def speaking(
    speaker: str, *replies: Reply, has_tools: bool = True
) -> AsyncIterator[tuple[ModelBackend, ScriptedServer]]:
    kind, flavour = SPEAKERS[speaker]
    async with ScriptedServer(replies, flavour=flavour, has_tools=has_tools) as server:
        backend = open_backend(BackendSettings(kind=kind, url=server.url, window_tokens=4096, timeout_s=5))
        try:
            yield backend, server
        finally:
            await backend.close()


async def answered(
    speaker: str, reply: Reply, request: ModelRequest = ASK, *, is_streamed: bool = False
) -> ModelAnswer:
    on_text: Callable[[str], None] | None = (lambda piece: None) if is_streamed else None
    async with speaking(speaker, reply) as (backend, _):
        return await backend.answer(request, on_text)


async def failed(
    speaker: str, reply: Reply, request: ModelRequest = ASK, *, is_streamed: bool = False
) -> Failure:
    with pytest.raises(BackendError) as caught:
        await answered(speaker, reply, request, is_streamed=is_streamed)
    return caught.value.failure


@every_speaker
@both_ways
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(status=429, headers={"Retry-After": "7"}, raw="{}"), FailureKind.THROTTLED),
        (Reply(status=503, headers={"Retry-After": "7"}, raw="{}"), FailureKind.THROTTLED),
        (Reply(status=503, raw='{"error": {"message": "Loading model"}}'), FailureKind.TRANSIENT),
        (Reply(status=500, raw="oops"), FailureKind.TRANSIENT),
        (Reply(status=401, raw='{"error": {"message": "bad key"}}'), FailureKind.PERMISSION),
        (Reply(status=404, raw='{"error": {"message": "model not found"}}'), FailureKind.NOT_FOUND),
        (Reply(status=400, raw='{"error": {"message": "no such field"}}'), FailureKind.PERMANENT),
        (
            Reply(status=400, raw='{"error": {"code": "context_length_exceeded"}}'),
            FailureKind.PROMPT_TOO_LARGE,
        ),
        (Reply(status=302, headers={"Location": "http://127.0.0.1:9/"}, raw="moved"), FailureKind.PERMANENT),
    ],
    ids=lambda value: str(getattr(value, "status", value)),
)
async def test_a_refusal_is_of_its_kind(
    speaker: str, is_streamed: bool, reply: Reply, kind: FailureKind
) -> None:
    failure = await failed(speaker, reply, is_streamed=is_streamed)
    assert failure.kind is kind
    assert failure.fault is Fault.BACKEND
    assert failure.retry_after_s == (7.0 if "Retry-After" in reply.headers else 0.0)


@every_speaker
@both_ways
@pytest.mark.parametrize(
    "raw", ["<!doctype html><html>gateway</html>", "{not json", "[]", '"text"', '{"choices": 3}']
)
async def test_a_body_that_is_no_answer_is_malformed(speaker: str, is_streamed: bool, raw: str) -> None:
    if speaker == "ollama" and raw == '{"choices": 3}':
        pytest.skip("Ollama's reply may lack anything; it then counts as broken off")
    failure = await failed(speaker, Reply(raw=raw), is_streamed=is_streamed)
    assert failure.kind is FailureKind.MALFORMED_ANSWER
    assert "gateway" not in failure.sentence()


@pytest.mark.parametrize("speaker", ["llama.cpp", "openai", "anthropic"])
async def test_a_server_that_does_not_stream_when_asked_to_is_read_all_the_same(speaker: str) -> None:
    wholes = {
        "llama.cpp": '{"content": "fine", "stop_type": "eos"}',
        "openai": '{"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}]}',
        "anthropic": '{"content": [{"type": "text", "text": "fine"}], "stop_reason": "end_turn"}',
    }
    assert (await answered(speaker, Reply(raw=wholes[speaker]), is_streamed=True)).text == "fine"


@every_speaker
async def test_a_body_that_echoes_a_key_does_not_carry_it_on(speaker: str) -> None:
    leak = '{"error": {"message": "Incorrect API key provided: sk-verysecret123456. Authorization: Bearer abc.def"}}'
    failure = await failed(speaker, Reply(status=401, raw=leak + " " * 10_000))
    assert "verysecret" not in failure.sentence()
    assert "abc.def" not in failure.sentence()
    assert len(failure.value) <= 200


@every_speaker
async def test_a_stream_that_breaks_off_is_transient_and_no_answer(speaker: str) -> None:
    failure = await failed(speaker, Reply(text="one two three four five", breaks_after=2), is_streamed=True)
    assert failure.kind is FailureKind.TRANSIENT


@pytest.mark.parametrize(
    ("speaker", "raw"),
    [
        ("llama.cpp", 'data: {"content": "half"}\n\n'),
        ("openai", 'data: {"choices": [{"delta": {"content": "half"}}]}\n\ndata: [DONE]\n\n'),
        ("ollama", '{"message": {"content": "half"}, "done": false}\n'),
        ("anthropic", 'data: {"type": "content_block_delta", "delta": {"text": "half"}}\n\n'),
    ],
)
async def test_a_stream_that_ends_without_its_last_event_is_no_answer(speaker: str, raw: str) -> None:
    failure = await failed(speaker, Reply(raw=raw), is_streamed=True)
    assert failure.kind is FailureKind.TRANSIENT
    assert failure.value == "after 4 characters"


@every_speaker
async def test_an_error_in_mid_stream_is_a_failure_and_no_answer(speaker: str) -> None:
    failure = await failed(speaker, Reply(text="one two three four five", error_after=2), is_streamed=True)
    assert failure.kind is FailureKind.TRANSIENT
    assert "scripted error" in failure.value


@every_speaker
@both_ways
async def test_a_completion_at_its_cap_is_cut_whatever_the_server_says(
    speaker: str, is_streamed: bool
) -> None:
    reply = Reply(text='{"half": ', finish="stop", completion_tokens=50)
    assert (await answered(speaker, reply, is_streamed=is_streamed)).finish is FinishReason.LENGTH


@every_speaker
@both_ways
async def test_a_prompt_of_which_half_was_read_is_a_cut_prompt(speaker: str, is_streamed: bool) -> None:
    long = replace(ASK, messages=(Message("system", "rule " * 1000), Message("user", "go")))
    failure = await failed(speaker, Reply(text="fine", prompt_tokens=400), long, is_streamed=is_streamed)
    assert failure.kind is FailureKind.PROMPT_CUT
    assert "400" in failure.value


@pytest.mark.parametrize("speaker", ["llama.cpp", "vllm"])
@pytest.mark.parametrize("missing", [0, 1])
async def test_an_exact_count_convicts_a_cut_of_one_token(speaker: str, missing: int) -> None:
    kind, flavour = SPEAKERS[speaker]
    true_tokens = 0
    async with ScriptedServer(
        lambda body: Reply(text="fine", prompt_tokens=true_tokens - missing), flavour=flavour
    ) as server:
        backend = open_backend(BackendSettings(kind=kind, url=server.url))
        counted = await backend.count(ASK)
        true_tokens = counted.tokens
        assert counted.is_exact
        try:
            await backend.answer(ASK)
        except BackendError as error:
            assert missing
            assert error.failure.kind is FailureKind.PROMPT_CUT
        else:
            assert not missing
        await backend.close()


@every_speaker
async def test_an_honest_prompt_of_any_density_is_no_cut_prompt(speaker: str) -> None:
    dense = Message("user", "  \n" * 500 + "{}[]:,;" * 100 + "word " * 300 + "漢字" * 40)
    assert (await answered(speaker, Reply(text="fine"), replace(ASK, messages=(dense,)))).text == "fine"


@pytest.mark.parametrize("speaker", ["openai", "anthropic"])
async def test_tools_that_never_reached_the_prompt_are_noticed(speaker: str) -> None:
    tools = tuple(replace(READ, name=f"read_file_{n}", description="Reads text. " * 20) for n in range(5))
    async with speaking(speaker, Reply(text="fine"), has_tools=False) as (backend, _):
        with pytest.raises(BackendError) as caught:
            await backend.answer(replace(ASK, tools=tools))
    assert caught.value.failure.kind is FailureKind.TOOLS_DROPPED
    assert "tool_form" in caught.value.failure.fix


async def test_even_one_small_tool_is_missed_in_a_rendered_prompt() -> None:
    async with ScriptedServer(has_tools=False, flavour="llama.cpp") as server:
        settings = BackendSettings(kind="llama.cpp", url=server.url, tool_form="template")
        backend = open_backend(settings)
        with pytest.raises(BackendError) as caught:
            await backend.answer(replace(ASK, tools=(replace(READ, name="stat", description=""),)))
        await backend.close()
    assert caught.value.failure.kind is FailureKind.TOOLS_DROPPED


@pytest.mark.parametrize("speaker", ["llama.cpp", "ollama", "vllm"])
@both_ways
@pytest.mark.parametrize(
    "text",
    [
        "Sure, I will read it.",
        '{"name": "read_file"}',
        '{"name": "rm", "arguments": {}}',
        '{"name": "read_file", "arguments": "x"}',
        "",
    ],
)
async def test_a_promised_call_that_is_none_is_an_ignored_form(
    speaker: str, is_streamed: bool, text: str
) -> None:
    failure = await failed(speaker, Reply(text=text), CALL, is_streamed=is_streamed)
    assert failure.kind is FailureKind.FORM_IGNORED


@pytest.mark.parametrize("speaker", ["openai", "anthropic"])
async def test_where_no_call_was_promised_the_text_goes_on_to_the_reader(speaker: str) -> None:
    text = 'I will.\n<tool_call>{"name": "read_file", "arguments": {"path": "a"}}</tool_call>'
    assert (await answered(speaker, Reply(text=text), CALL)).text == text


@pytest.mark.parametrize("speaker", ["openai", "vllm", "anthropic"])
async def test_a_call_of_another_tool_than_the_named_one_is_an_ignored_form(speaker: str) -> None:
    other = replace(READ, name="list_files")
    request = replace(CALL, tools=(READ, other), form=OneCall("list_files"))
    failure = await failed(speaker, Reply(calls=(RawCall("read_file", "{}", "c1"),)), request)
    assert failure.kind is FailureKind.FORM_IGNORED


@every_speaker
@both_ways
@pytest.mark.parametrize("text", ["Seven, I think.", '{"n": "seven"}', '{"n": 7', "{}"])
async def test_a_shape_that_is_not_its_schema_is_an_ignored_form(
    speaker: str, is_streamed: bool, text: str
) -> None:
    assert (
        await failed(speaker, Reply(text=text), SHAPE, is_streamed=is_streamed)
    ).kind is FailureKind.FORM_IGNORED


@pytest.mark.parametrize("speaker", ["openai", "ollama", "anthropic"])
@both_ways
@pytest.mark.parametrize("is_index_shared", [False, True], ids=["own index", "index 0"])
@pytest.mark.parametrize("names_repeat", [False, True], ids=["name once", "name in each piece"])
async def test_parallel_calls_are_never_glued(
    speaker: str, is_streamed: bool, is_index_shared: bool, names_repeat: bool
) -> None:
    calls = (
        RawCall("read_file", '{"path":"first.txt"}', "c1"),
        RawCall("read_file", '{"path":"second.txt"}', "c2"),
    )
    reply = Reply(calls=calls, is_index_shared=is_index_shared, names_repeat=names_repeat)
    answer = await answered(speaker, reply, replace(ASK, tools=(READ,)), is_streamed=is_streamed)
    assert [(call.name, call.arguments) for call in answer.calls] == [
        (call.name, call.arguments) for call in calls
    ]


@every_speaker
@both_ways
async def test_cached_tokens_are_reported_and_the_prompt_is_whole(speaker: str, is_streamed: bool) -> None:
    if speaker == "ollama":
        pytest.skip("Ollama does not tell what it had cached")
    answer = await answered(
        speaker, Reply(text="fine", prompt_tokens=120, cached_tokens=100), is_streamed=is_streamed
    )
    assert answer.usage.prompt_tokens == 120
    assert answer.usage.cached_tokens == 100


@every_speaker
@both_ways
async def test_a_cancelled_request_hangs_up_so_that_the_server_stops(speaker: str, is_streamed: bool) -> None:
    async with speaking(speaker, Reply(hangs=True)) as (backend, server):
        asked = asyncio.create_task(backend.answer(ASK, (lambda piece: None) if is_streamed else None))
        async with asyncio.timeout(5):
            while not server.hanging:
                await asyncio.sleep(0.01)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            while not server.disconnects:
                await asyncio.sleep(0.01)


@every_speaker
async def test_a_server_that_does_not_answer_in_time_is_a_timeout(speaker: str) -> None:
    kind, flavour = SPEAKERS[speaker]
    async with ScriptedServer([Reply(hangs=True)], flavour=flavour) as server:
        backend = open_backend(BackendSettings(kind=kind, url=server.url, window_tokens=4096, timeout_s=0.3))
        with pytest.raises(BackendError) as caught:
            await backend.answer(ASK)
        await backend.close()
    assert caught.value.failure.kind is FailureKind.TIMEOUT
    assert caught.value.failure.is_retryable


@every_speaker
async def test_no_server_at_all_is_transient_and_says_where(speaker: str, unused_tcp_port: int) -> None:
    backend = open_backend(BackendSettings(kind=SPEAKERS[speaker][0], url=f"127.0.0.1:{unused_tcp_port}"))
    with pytest.raises(BackendError) as caught:
        await backend.describe()
    await backend.close()
    assert caught.value.failure.kind is FailureKind.TRANSIENT
    assert str(unused_tcp_port) in caught.value.failure.what


@every_speaker
async def test_a_failed_answer_is_never_tried_again_here(speaker: str) -> None:
    async with speaking(speaker, Reply(status=500, raw="no"), Reply(text="fine")) as (backend, _):
        await backend.describe()
        with pytest.raises(BackendError):
            await backend.answer(ASK)
        assert (await backend.answer(ASK)).text == "fine"
