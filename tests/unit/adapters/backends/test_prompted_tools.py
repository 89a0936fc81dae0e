"""Tools as text: short, complete, and the same in every prompt."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nebulus.adapters.backends.prompted_tools import as_shape, signature, tool_form_of, tools_text, written
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.core.answers import FreeForm, Message, ModelRequest, OneCall, RawCall, Shape
from nebulus.core.tools import ToolSpec

READ = ToolSpec(
    name="read_file",
    description="Read a text file.",
    parameters={
        "type": "object",
        "properties": {"path": {"type": "string"}, "start": {"type": "integer", "default": 1}},
        "required": ["path"],
    },
)
ASK = ModelRequest(
    messages=(Message("system", "You are an agent."), Message("user", "Read a.txt.")), tools=(READ,)
)


def test_a_signature_is_one_line() -> None:
    assert signature(READ) == "read_file(path: string, start?: integer = 1): Read a text file."
    assert signature(ToolSpec(name="now")) == "now()"


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"enum": ["r", "w"]}, '"r" | "w"'),
        ({"const": 3}, "3"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer | null"),
        ({"type": "array", "items": {"type": "string"}}, "string[]"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, '("a" | "b")[]'),
        ({"type": "array"}, "any[]"),
        ({"type": "object"}, "object"),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "number"}, "b": {"type": "string"}},
                "required": ["a"],
            },
            "{a: number, b?: string}",
        ),
        ({}, "any"),
        (True, "any"),
        ({"$ref": "#/$defs/x"}, '{"$ref": "#/$defs/x"}'),
    ],
)
def test_every_schema_has_a_short_type_or_is_written_out(schema: object, text: str) -> None:
    tool = ToolSpec(name="t", parameters={"properties": {"p": schema}, "required": ["p"]})
    assert signature(tool) == f"t(p: {text})"


def test_a_description_of_a_parameter_has_a_line_of_its_own() -> None:
    parameters = {"properties": {"path": {"type": "string", "description": "Where\nthe file is."}}}
    assert (
        signature(ToolSpec(name="t", parameters=parameters)) == "t(path?: string)\n  path: Where the file is."
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
KEYWORDS = st.sampled_from(
    ["type", "enum", "const", "anyOf", "oneOf", "items", "properties", "required", "default"]
)


@given(st.dictionaries(KEYWORDS, JSON, max_size=4))
def test_any_schema_is_written_somehow(schema: dict[str, object]) -> None:
    assert signature(ToolSpec(name="t", parameters={"properties": {"p": schema}})).startswith("t(p?: ")


def test_a_schema_without_an_end_is_cut() -> None:
    schema: dict[str, object] = {"type": "array"}
    schema["items"] = schema
    assert signature(ToolSpec(name="t", parameters={"properties": {"p": schema}})).endswith(
        "any[][][][][][][][])"
    )


@pytest.mark.parametrize("form", ["signatures", "schemas"])
def test_tools_are_in_the_system_message_whatever_form_is_asked_for(form: str) -> None:
    first, *others = (
        written(replace(ASK, form=asked), form)  # type: ignore[arg-type]
        for asked in (FreeForm(), OneCall(), OneCall("read_file"), Shape({"type": "string"}))
    )
    assert first.tools == ()
    assert first.messages[0].role == "system"
    assert first.messages[0].content.startswith("You are an agent.\n\nTools:\n")
    assert first.messages[1:] == ASK.messages[1:]
    assert all(other.messages == first.messages for other in others)


def test_the_whole_schema_is_there_in_the_form_of_schemas() -> None:
    line = tools_text((READ,), "schemas").splitlines()[1]
    assert json.loads(line) == {
        "name": READ.name,
        "description": READ.description,
        "parameters": READ.parameters,
    }


def test_without_a_system_message_one_is_put_in_front_and_without_tools_nothing_is_added() -> None:
    bare = replace(ASK, messages=ASK.messages[1:])
    assert [message.role for message in written(bare, "signatures").messages] == ["system", "user"]
    assert written(replace(bare, tools=()), "signatures").messages == bare.messages
    assert written(ASK, "template") is ASK


def test_calls_and_results_in_the_history_become_text_and_roles_alternate() -> None:
    called = RawCall("read_file", '{"path": "a.txt"}', "c1")
    history = (
        *ASK.messages,
        Message("assistant", "I will.", (called,)),
        Message("tool", "the text", call_id="c1"),
        Message("user", "And now?"),
    )
    messages = written(replace(ASK, messages=history), "signatures").messages
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[2].content == 'I will.\n{"name": "read_file", "arguments": {"path": "a.txt"}}'
    assert messages[3].content == "Result of read_file:\nthe text\n\nAnd now?"
    assert not any(message.calls for message in messages)


def test_one_call_is_asked_for_as_json_of_its_schema() -> None:
    shaped = as_shape(replace(ASK, form=OneCall()), (READ,))
    assert isinstance(shaped.form, Shape)
    assert shaped.form.schema["anyOf"][0]["properties"]["name"] == {"const": "read_file"}
    assert as_shape(ASK, (READ,)) is ASK


def test_the_template_is_used_where_it_takes_tools_and_the_settings_say_nothing_else() -> None:
    auto, fixed = BackendSettings(kind="auto"), BackendSettings(kind="auto", tool_form="schemas")
    assert tool_form_of(auto, takes_tools=True) == "template"
    assert tool_form_of(auto, takes_tools=False) == "signatures"
    assert tool_form_of(fixed, takes_tools=True) == "schemas"
