"""What every client may rely on, in each protocol, streamed and not: the cases in which other proxies fail."""

import json
from typing import Any

import pytest

from nebulus.core.answers import FinishReason, ModelAnswer, ModelRequest, OneCall, RawCall, Usage
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.testing.backends import ScriptedBackend, calls, says
from tests.e2e.proxy.faces import FACES, Face, Seen
from tests.e2e.proxy.serving import proxied, scripted

pytestmark = pytest.mark.e2e

PARIS = calls("weather", city="Paris")
ASKED_BEFORE = [("user", "How warm is it?"), ("assistant", "", [("a", "weather", {"city": "Paris"})])]


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> Face:
    return FACES[request.param]


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def several(*made: ModelAnswer) -> ModelAnswer:
    return ModelAnswer(calls=tuple(call for each in made for call in each.calls), finish=FinishReason.CALLS)


def is_typed_error(seen: Seen) -> bool:
    """An error with our text and the account, and no answer that looks like one."""
    return bool(seen.error) and bool(seen.account["attempts"]) and not seen.text and not seen.calls


@pytest.mark.parametrize("choice", ["", "none"])
async def test_a_text_answer_costs_one_model_call(face: Face, stream: bool, choice: str) -> None:
    async with scripted([says("It is warm.")]) as (client, model):
        seen = await face.ask(client, tools=True, choice=choice, stream=stream)
    assert (seen.status, seen.text, seen.finish, len(model.requests)) == (200, "It is warm.", "stop", 1)


@pytest.mark.parametrize("empty", [says(""), says(" \n"), ModelAnswer(reasoning="Hm. What now?")])
async def test_an_answer_with_nothing_in_it_is_asked_for_again_and_then_an_error(
    face: Face, stream: bool, empty: ModelAnswer
) -> None:
    async with scripted(lambda _: empty) as (client, model):
        seen = await face.ask(client, tools=True, stream=stream)
    assert seen.status >= 400
    assert is_typed_error(seen)
    assert 1 < len(model.requests) <= 3


async def test_an_unknown_tool_for_ever_is_an_error_with_the_account(face: Face, stream: bool) -> None:
    async with scripted(lambda _: calls("nope")) as (client, model):
        seen = await face.ask(client, tools=True, stream=stream)
    assert seen.status >= 400
    assert is_typed_error(seen)
    assert seen.attempts == ["unknown_tool"] * len(model.requests)


async def test_arguments_that_can_not_be_read_are_an_error_in_the_end(face: Face, stream: bool) -> None:
    broken = ModelAnswer(calls=(RawCall("weather", '{"city": ]'),), finish=FinishReason.CALLS)
    async with scripted(lambda _: broken) as (client, model):
        seen = await face.ask(client, tools=True, stream=stream)
    assert is_typed_error(seen)
    assert len(model.requests) == 3


async def test_a_batch_with_one_unknown_tool_is_asked_for_again_as_a_whole(face: Face, stream: bool) -> None:
    async with scripted([several(PARIS, calls("nope")), several(PARIS)]) as (client, _):
        seen = await face.ask(client, tools=True, stream=stream)
    assert seen.calls == [("weather", {"city": "Paris"})]
    assert seen.attempts == ["unknown_tool", "accepted"]


@pytest.mark.parametrize(
    "wrong",
    [{}, {"city": 3}, {"city": "Paris", "unit": "Kelvin"}, {"city": "Paris", "day": "Monday"}],
    ids=["missing", "type", "enum", "extra"],
)
async def test_arguments_that_the_schema_forbids_never_reach_the_client(
    face: Face, stream: bool, wrong: dict[str, Any]
) -> None:
    async with scripted([calls("weather", **wrong), PARIS]) as (client, model):
        seen = await face.ask(client, tools=True, stream=stream)
    assert seen.calls == [("weather", {"city": "Paris"})]
    assert seen.attempts == ["invalid_arguments", "accepted"]
    assert model.requests[1].form == OneCall("weather"), "the second attempt is constrained"
    assert "not used" in model.requests[1].messages[-1].content, "and is told why"


@pytest.mark.parametrize("choice", ["weather", "required"])
async def test_a_required_call_is_constrained_and_a_text_is_not_taken_for_it(
    face: Face, stream: bool, choice: str
) -> None:
    async with scripted([says("It is warm."), PARIS]) as (client, model):
        seen = await face.ask(client, tools=True, choice=choice, stream=stream)
    assert seen.calls == [("weather", {"city": "Paris"})]
    assert seen.text == ""
    assert all(isinstance(request.form, OneCall) for request in model.requests)


async def test_a_call_is_not_passed_on_where_the_client_wants_none(face: Face, stream: bool) -> None:
    async with scripted([PARIS, says("I would look it up.")]) as (client, model):
        seen = await face.ask(client, tools=True, choice="none", stream=stream)
    assert (seen.text, seen.calls) == ("I would look it up.", [])
    assert model.requests[0].tools == ()


async def test_a_client_that_takes_one_call_gets_the_first_and_a_note(face: Face, stream: bool) -> None:
    async with scripted([several(PARIS, calls("weather", city="Rome"))]) as (client, _):
        seen = await face.ask(client, tools=True, parallel=False, stream=stream)
    assert seen.calls == [("weather", {"city": "Paris"})]
    assert any("only one call" in note for note in seen.account["notes"])


async def test_parallel_calls_have_ids_of_their_own(face: Face, stream: bool) -> None:
    async with scripted([several(PARIS, calls("weather", city="Rome"))]) as (client, _):
        seen = await face.ask(client, tools=True, stream=stream)
    assert [given["city"] for _, given in seen.calls] == ["Paris", "Rome"]
    assert len(set(seen.ids)) == 2
    assert seen.finish == "calls"


async def test_identical_calls_of_one_answer_are_one_call(face: Face, stream: bool) -> None:
    async with scripted([several(PARIS, PARIS, PARIS)]) as (client, _):
        seen = await face.ask(client, tools=True, stream=stream)
    assert len(seen.calls) == 1
    assert any("identical" in note for note in seen.account["notes"])


async def test_words_before_a_call_are_kept(face: Face, stream: bool) -> None:
    answer = ModelAnswer(text="I will look.", calls=PARIS.calls, finish=FinishReason.CALLS)
    async with scripted([answer]) as (client, _):
        seen = await face.ask(client, tools=True, stream=stream)
    assert (seen.text, seen.calls, seen.finish) == ("I will look.", [("weather", {"city": "Paris"})], "calls")


async def test_usage_is_the_sum_of_all_attempts(face: Face, stream: bool) -> None:
    def answer(made: ModelAnswer) -> ModelAnswer:
        return ModelAnswer(calls=made.calls, finish=made.finish, usage=Usage(10, 5))

    async with scripted([answer(calls("nope")), answer(calls("weather")), answer(PARIS)]) as (client, _):
        seen = await face.ask(client, tools=True, stream=stream)
    assert seen.usage == (30, 15)
    assert len(seen.attempts) == 3


async def test_a_call_in_text_is_a_call_with_its_arguments(face: Face, stream: bool) -> None:
    async with scripted([says('{"name": "weather", "parameters": {"city": "Paris"}}')]) as (client, _):
        seen = await face.ask(client, tools=True, stream=stream)
    assert (seen.text, seen.calls) == ("", [("weather", {"city": "Paris"})])


async def test_fences_in_the_arguments_of_a_call_in_text_are_kept(face: Face, stream: bool) -> None:
    city = "```python\nprint('Paris')\n```\n"
    text = f"<tool_call>{json.dumps({'name': 'weather', 'arguments': {'city': city}})}</tool_call>"
    async with scripted([says(text)]) as (client, _):
        seen = await face.ask(client, tools=True, stream=stream)
    assert seen.calls == [("weather", {"city": city})]


async def test_a_quoted_call_in_prose_is_text(face: Face, stream: bool) -> None:
    text = 'One writes `{"name": "weather", "arguments": {"city": "Paris"}}` for that, but you need not.'
    async with scripted([says(text)]) as (client, model):
        seen = await face.ask(client, tools=True, stream=stream)
    assert (seen.text, seen.calls, len(model.requests)) == (text, [], 1)


async def test_a_call_that_was_cut_is_never_passed_on(face: Face, stream: bool) -> None:
    cut = ModelAnswer(
        text="I look.", calls=(RawCall("weather", '{"city": "Par'),), finish=FinishReason.LENGTH
    )
    async with scripted([cut]) as (client, model):
        seen = await face.ask(client, tools=True, stream=stream, max_tokens=50)
    assert (seen.text, seen.calls, seen.finish, len(model.requests)) == ("I look.", [], "length", 1)


async def test_a_text_that_the_clients_own_cap_cut_is_passed_on_as_cut(face: Face, stream: bool) -> None:
    async with scripted([says("one two three four five six")]) as (client, _):
        seen = await face.ask(client, tools=True, stream=stream, max_tokens=4)
    assert (seen.text, seen.finish) == ("one two three four five six", "length")


async def test_adjacent_messages_of_one_role_and_empty_ones_are_accepted(face: Face, stream: bool) -> None:
    turns = [("user", "First."), ("user", "Second."), ("assistant", "", []), ("assistant", "", [])]
    async with scripted([says("Yes.")]) as (client, model):
        seen = await face.ask(client, [*turns, ("user", "Third.")], stream=stream)
    assert seen.text == "Yes."
    assert [message.role for message in model.requests[0].messages] == ["user"]
    assert model.requests[0].messages[0].content == "First.\n\nSecond.\n\nThird."


async def test_a_history_with_calls_reaches_the_model_as_calls_and_results(face: Face, stream: bool) -> None:
    async with scripted([says("12 degrees.")]) as (client, model):
        seen = await face.ask(client, [*ASKED_BEFORE, ("tool", "a", "12 °C")], tools=True, stream=stream)
    assert seen.text == "12 degrees."
    _, made, result = model.requests[0].messages
    assert made.calls == (RawCall("weather", '{"city": "Paris"}', "a"),) or json.loads(
        made.calls[0].arguments
    ) == {"city": "Paris"}
    assert (result.role, result.content, result.call_id) == ("tool", "12 °C", "a")


async def test_a_call_that_was_never_answered_gets_a_result_that_says_so(face: Face, stream: bool) -> None:
    async with scripted([says("So?")]) as (client, model):
        await face.ask(client, [*ASKED_BEFORE, ("user", "Never mind.")], tools=True, stream=stream)
    roles = [message.role for message in model.requests[0].messages]
    assert roles == ["user", "assistant", "tool", "user"]


async def test_a_dead_server_is_an_error_that_is_not_worth_a_second_request(face: Face, stream: bool) -> None:
    dead = Failure(kind=FailureKind.TRANSIENT, fault=Fault.BACKEND, what="no server at http://127.0.0.1:1")
    async with scripted(lambda _: dead) as (client, _):
        seen = await face.ask(client, stream=stream)
    assert is_typed_error(seen)
    assert "no server at" in seen.error
    assert seen.told is not None
    assert seen.told.headers["x-should-retry"] == "false"


async def test_a_throttled_server_is_told_with_a_wait_that_clients_keep(face: Face, stream: bool) -> None:
    busy = Failure(
        kind=FailureKind.THROTTLED, fault=Fault.BACKEND, what="too many requests", retry_after_s=40
    )
    async with scripted(lambda _: busy) as (client, model):
        seen = await face.ask(client, stream=stream)
    assert seen.told is not None
    assert (seen.status, seen.told.headers["Retry-After"], len(model.requests)) == (429, "40", 1)


async def test_a_prompt_beyond_the_window_is_refused_with_numbers(face: Face, stream: bool) -> None:
    async with scripted([says("never")]) as (client, _):
        seen = await face.ask(client, [("user", "word " * 40_000)], stream=stream)
    assert seen.status == 400
    assert "8192" in seen.error


async def test_the_next_tier_answers_where_the_first_gave_up_and_the_answer_says_so(
    face: Face, stream: bool
) -> None:
    small, large = ScriptedBackend(lambda _: calls("nope")), ScriptedBackend([PARIS])
    async with proxied(small, large) as client:
        seen = await face.ask(client, tools=True, stream=stream, model="nebulus")
    assert seen.calls == [("weather", {"city": "Paris"})]
    assert seen.account["attempts"][-1]["tier"] == "large"


async def test_a_model_that_is_named_is_never_replaced_by_another(face: Face, stream: bool) -> None:
    small, large = ScriptedBackend(lambda _: calls("nope")), ScriptedBackend([PARIS])
    async with proxied(small, large) as client:
        seen = await face.ask(client, tools=True, stream=stream, model="small")
        unknown = await face.ask(client, stream=stream, model="gpt-9")
    assert is_typed_error(seen)
    assert large.requests == []
    assert (unknown.status, "gpt-9" in unknown.error) == (404, True)


async def test_fields_that_nobody_knows_are_tolerated(face: Face, stream: bool) -> None:
    async with scripted([says("Yes.")]) as (client, _):
        seen = await face.ask(client, stream=stream, store=False, metadata={"a": 1}, _forge={"x": []})
    assert seen.text == "Yes."


async def test_conversations_never_mix(face: Face, stream: bool) -> None:
    import asyncio

    def echo(request: ModelRequest) -> ModelAnswer:
        return says(f"You said: {request.messages[-1].content}")

    async with scripted(echo) as (client, _):
        asked = [f"number {n}" for n in range(40)]
        seen = await asyncio.gather(*(face.ask(client, [("user", text)], stream=stream) for text in asked))
    assert [each.text for each in seen] == [f"You said: {text}" for text in asked]


async def test_a_server_that_failed_too_often_is_told_at_once_and_not_as_a_reason_to_wait(
    face: Face, stream: bool
) -> None:
    dead = Failure(kind=FailureKind.TRANSIENT, fault=Fault.BACKEND, what="no server there")
    async with scripted(lambda _: dead) as (client, model):
        await face.ask(client, stream=stream)
        asked_first = len(model.requests)
        seen = await face.ask(client, stream=stream)
    assert asked_first == 5
    assert len(model.requests) == asked_first
    assert "not tried for now" in seen.error
    assert seen.told is not None
    assert seen.told.headers["x-should-retry"] == "false"
