"""Bodies of every protocol are understood, refused by name, or tolerated; none of them breaks the reader."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.proxy.asked import ChoiceKind, ClientRequest
from nebulus.proxy.chat_wire import ChatWire
from nebulus.proxy.messages_wire import MessagesWire
from nebulus.proxy.reply import NoReply
from nebulus.proxy.responses_wire import ResponsesWire
from nebulus.proxy.wire import ClientWire, read_request

WIRES: dict[str, ClientWire] = {"chat": ChatWire(), "messages": MessagesWire(), "responses": ResponsesWire()}
TURN = [{"role": "user", "content": "Hello?"}]
BODY: dict[str, Any] = {"model": "m", "messages": TURN, "input": TURN}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PART = st.dictionaries(st.sampled_from(["type", "text", "content", "id", "name", "input", "is_error"]), JSON)
FIELDS = (
    "messages", "input", "system", "instructions", "tools", "tool_choice", "max_tokens", "stop", "stop_sequences",
    "response_format", "text", "stream_options", "temperature", "output_config", "metadata", "store",
)  # fmt: skip


def asked(wire: ClientWire, **more: Any) -> ClientRequest:
    found = wire.read(json.dumps(BODY | more).encode())
    assert isinstance(found, ClientRequest), found
    return found


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
@given(field=st.sampled_from(FIELDS), value=JSON)
def test_any_value_of_any_field_is_understood_or_refused(wire: ClientWire, field: str, value: Any) -> None:
    found = wire.read(json.dumps(BODY | {field: value}).encode())
    assert isinstance(found, ClientRequest | Failure)
    if isinstance(found, Failure):
        assert (found.kind, found.fault) == (FailureKind.INVALID_ARGUMENTS, Fault.CONTRACT)


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
@given(
    item=st.dictionaries(st.sampled_from(["role", "type", "content", "tool_calls", "call_id", "id"]), JSON)
)
def test_any_message_is_understood_or_refused(wire: ClientWire, item: dict[str, Any]) -> None:
    found = wire.read(json.dumps(BODY | {"messages": [*TURN, item], "input": [*TURN, item]}).encode())
    assert isinstance(found, ClientRequest | Failure)


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
@given(part=PART, kind=st.sampled_from(["text", "tool_use", "tool_result", "image", "thinking", "function"]))
def test_any_part_and_any_tool_is_understood_or_refused(
    wire: ClientWire, part: dict[str, Any], kind: str
) -> None:
    parts = [{"type": kind, **part}, part]
    turn = [{"role": "user", "content": parts}, {"type": "function_call_output", "output": parts}]
    for body in (BODY | {"messages": turn, "input": turn, "system": parts}, BODY | {"tools": parts}):
        assert isinstance(wire.read(json.dumps(body).encode()), ClientRequest | Failure)


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
@given(body=st.binary(max_size=60))
def test_bytes_that_are_no_request_are_refused(wire: ClientWire, body: bytes) -> None:
    assert isinstance(wire.read(body), Failure)


@pytest.mark.parametrize(
    ("name", "choice", "kind"),
    [
        ("chat", "none", ChoiceKind.NONE),
        ("chat", "required", ChoiceKind.REQUIRED),
        ("chat", {"type": "function", "function": {"name": "t"}}, ChoiceKind.NAMED),
        ("messages", {"type": "any"}, ChoiceKind.REQUIRED),
        ("messages", {"type": "tool", "name": "t"}, ChoiceKind.NAMED),
        ("messages", {"type": "none"}, ChoiceKind.NONE),
        ("responses", {"type": "function", "name": "t"}, ChoiceKind.NAMED),
        ("responses", "auto", ChoiceKind.AUTO),
    ],
)
def test_a_choice_of_tools_means_the_same_in_every_protocol(name: str, choice: Any, kind: ChoiceKind) -> None:
    tool = {"type": "function", "name": "t", "input_schema": {"type": "object"}}
    tool = {"type": "function", "function": {"name": "t"}} if name == "chat" else tool
    tool = {"name": "t", "input_schema": {"type": "object"}} if name == "messages" else tool
    assert asked(WIRES[name], tools=[tool], tool_choice=choice).choice.kind is kind


def test_caps_stops_and_schemas_are_read_where_each_protocol_has_them() -> None:
    schema = {"type": "object", "properties": {}}
    chat = asked(
        WIRES["chat"],
        max_completion_tokens=7,
        stop="END",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
    )
    messages = asked(
        WIRES["messages"],
        max_tokens=7,
        stop_sequences=["END"],
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    responses = asked(
        WIRES["responses"], max_output_tokens=7, text={"format": {"type": "json_schema", "schema": schema}}
    )
    assert [each.max_tokens for each in (chat, messages, responses)] == [7, 7, 7]
    assert [each.schema for each in (chat, messages, responses)] == [schema] * 3
    assert chat.stops == messages.stops == ("END",)


TOO_LARGE = Failure(
    kind=FailureKind.PROMPT_TOO_LARGE,
    fault=Fault.BUDGET,
    what="too much",
    value="12345 tokens > 8192",
    fix="less",
)


def test_a_prompt_that_is_too_large_is_told_in_the_words_that_clients_look_for() -> None:
    chat = WIRES["chat"].refusal(NoReply(failure=TOO_LARGE))
    messages = WIRES["messages"].refusal(NoReply(failure=TOO_LARGE))
    assert (chat.status, chat.body["error"]["code"]) == (400, "context_length_exceeded")
    told = messages.body["error"]["message"]
    assert (messages.status, told.startswith("prompt is too long: 12345 tokens > 8192 maximum")) == (
        400,
        True,
    )


@pytest.mark.parametrize(("name", "status"), [("chat", 422), ("messages", 500), ("responses", 400)])
def test_what_no_second_request_can_help_is_marked_so(name: str, status: int) -> None:
    failure = Failure(kind=FailureKind.MALFORMED_ANSWER, fault=Fault.MODEL, what="it is broken")
    refusal = WIRES[name].refusal(NoReply(failure=failure))
    assert (refusal.status, refusal.headers["x-should-retry"]) == (status, "false")
    assert "it is broken" in str(refusal.body)


NESTED = b"[" * 20_000 + b"]" * 20_000
HOSTILE = {
    "nested in a known field": b'{"messages": %s}' % NESTED,
    "nested in an unknown field": b'{"messages": [], "x": %s}' % NESTED,
    "nested in a tool": b'{"messages": [{"role": "user", "content": "x"}], "tools": [{"x": %s}]}' % NESTED,
    "not UTF-8": b'{"messages": [{"role": "user", "content": "\xff"}]}',
    "half a surrogate pair": b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    "a number out of range": b'{"messages": [], "temperature": 1e999}',
    "two million values": b'{"messages": [%s[]]}' % (b"[]," * 1_000_000),
    "a hundred stops": b'{"messages": [{"role": "user", "content": "x"}], "stop": ["a"%s], "stop_sequences": ["a"%s]}'
    % (b',"b"' * 100, b',"b"' * 100),
    "a long stop": b'{"messages": [{"role": "user", "content": "x"}], "stop": ["%s"], "stop_sequences": ["%s"]}'
    % (b"a" * 5000, b"a" * 5000),
    "a long name": b'{"model": "%s", "messages": [{"role": "user", "content": "x"}], "input": "x"}'
    % (b"a" * 100_000),
}


@pytest.mark.parametrize("wire", [ChatWire(), MessagesWire(), ResponsesWire()])
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_body_is_refused_in_a_few_words(wire: ClientWire, body: bytes) -> None:
    asked = read_request(wire, body)
    assert isinstance(asked, Failure)
    assert asked.kind is FailureKind.INVALID_ARGUMENTS
    assert len(asked.sentence()) < 600
