"""What every model backend promises, whatever stands behind it."""

import asyncio
import json
from collections.abc import AsyncIterator

import jsonschema_rs
import pytest
from msgspec.structs import replace

from nebulus.core.answers import FinishReason, Message, ModelRequest, Shape
from nebulus.core.errors import BackendError
from nebulus.core.failure import FailureKind
from nebulus.ports.backend import ModelBackend
from tests.contract.backend_cases import CASES, MESSAGES, TOOLS, missing, one_call

SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["done", "continue"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["verdict", "count"],
    "additionalProperties": False,
}
FREE = ModelRequest(messages=MESSAGES, max_tokens=64)


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.e2e if "real" in name else ()) for name in CASES]
)
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[ModelBackend]:
    if why := missing(request.param):
        pytest.skip(why)
    async with CASES[request.param]() as opened:
        yield opened


async def test_it_says_which_model_it_is_and_what_fits(backend: ModelBackend) -> None:
    info = await backend.describe()
    assert info.name
    assert info.model
    assert info.window_tokens > 0
    assert await backend.describe() == info


async def test_a_count_covers_messages_and_tools_and_says_whether_it_is_exact(backend: ModelBackend) -> None:
    info = await backend.describe()
    bare = await backend.count(FREE)
    with_tools = await backend.count(replace(FREE, tools=TOOLS))
    longer = await backend.count(replace(FREE, messages=(*MESSAGES, Message("user", "more " * 50))))
    assert 0 < bare.tokens < with_tools.tokens
    assert bare.tokens + 40 < longer.tokens
    assert bare.is_exact == info.counts_exactly


async def test_an_exact_count_is_what_the_server_then_evaluates(backend: ModelBackend) -> None:
    counted = await backend.count(FREE)
    answer = await backend.answer(FREE)
    if counted.is_exact:
        assert answer.usage.prompt_tokens == counted.tokens
    assert answer.usage.prompt_tokens > 0


async def test_a_streamed_answer_is_the_answer(backend: ModelBackend) -> None:
    pieces: list[str] = []
    whole = await backend.answer(FREE)
    streamed = await backend.answer(FREE, pieces.append)
    assert "".join(pieces) == streamed.text
    assert (streamed.text, streamed.calls, streamed.finish) == (whole.text, whole.calls, whole.finish)
    assert streamed.usage.completion_tokens == whole.usage.completion_tokens


async def test_one_call_is_a_call_of_an_offered_tool_where_that_is_promised(backend: ModelBackend) -> None:
    info = await backend.describe()
    answer = await backend.answer(one_call())
    if info.constrains_calls and answer.finish is not FinishReason.LENGTH:
        (call,) = answer.calls
        tool = next(tool for tool in TOOLS if tool.name == call.name)
        arguments = json.loads(call.arguments)
        assert set(tool.parameters["required"]) <= set(arguments)
        assert answer.finish is FinishReason.CALLS
    assert answer.is_constrained == (info.constrains_calls and bool(answer.calls))


@pytest.mark.parametrize("tool", [tool.name for tool in TOOLS])
async def test_a_named_tool_is_the_one_that_is_called(backend: ModelBackend, tool: str) -> None:
    info = await backend.describe()
    try:
        answer = await backend.answer(one_call(tool))
    except BackendError as error:
        assert error.failure.kind is FailureKind.FORM_IGNORED
        assert not info.constrains_calls
    else:
        assert {call.name for call in answer.calls} <= {tool}


async def test_a_shape_is_json_of_its_schema(backend: ModelBackend) -> None:
    info = await backend.describe()
    request = replace(FREE, form=Shape(SCHEMA), max_tokens=200)
    try:
        answer = await backend.answer(request)
    except BackendError as error:
        assert error.failure.kind is FailureKind.FORM_IGNORED
        assert not info.constrains_json
    else:
        if answer.finish is not FinishReason.LENGTH:
            jsonschema_rs.validator_for(SCHEMA).validate(json.loads(answer.text))


async def test_a_streamed_form_is_the_form(backend: ModelBackend) -> None:
    whole, streamed = await backend.answer(one_call()), await backend.answer(one_call(), lambda piece: None)
    assert [(call.name, json.loads(call.arguments)) for call in streamed.calls] == [
        (call.name, json.loads(call.arguments)) for call in whole.calls
    ]


async def test_an_answer_at_its_cap_says_so(backend: ModelBackend) -> None:
    answer = await backend.answer(replace(FREE, max_tokens=2))
    assert answer.finish is FinishReason.LENGTH


async def test_a_form_that_hits_the_cap_is_no_call(backend: ModelBackend) -> None:
    answer = await backend.answer(one_call(max_tokens=2))
    assert answer.finish is FinishReason.LENGTH


async def test_a_prompt_that_does_not_fit_is_refused_with_its_size(backend: ModelBackend) -> None:
    window = (await backend.describe()).window_tokens
    huge = replace(FREE, messages=(Message("user", "word " * 4 * window),))
    with pytest.raises(BackendError) as caught:
        await backend.answer(huge)
    assert caught.value.failure.kind is FailureKind.PROMPT_TOO_LARGE
    assert caught.value.failure.value


async def test_a_history_with_calls_and_results_is_taken(backend: ModelBackend) -> None:
    call = (await backend.answer(one_call())).calls
    asked = Message("assistant", "", tuple(replace(one, call_id="c1") for one in call[:1]))
    history = (*MESSAGES, asked, Message("tool", "the notes", call_id="c1")) if call else MESSAGES
    answer = await backend.answer(replace(FREE, messages=history, tools=TOOLS))
    assert answer.usage.completion_tokens > 0


async def test_it_answers_several_at_a_time_and_after_a_cancelled_one(backend: ModelBackend) -> None:
    first = asyncio.create_task(backend.answer(FREE))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    answers = await asyncio.gather(*(backend.answer(FREE) for _ in range(3)))
    assert len({answer.text for answer in answers}) == 1


async def test_closing_twice_is_closing(backend: ModelBackend) -> None:
    await backend.describe()
    await backend.close()
    await backend.close()
