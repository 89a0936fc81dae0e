"""The form of an answer: learnt from the model's own template, sent as a schema, proven afterwards."""

import json
from typing import Any

import jsonschema_rs
import pytest

from nebulus.adapters.backends.forms import (
    PLAIN,
    PROBE_ARGUMENTS,
    PROBE_NAME,
    CallStyle,
    call_schema,
    guided,
    read_call,
    shape_failure,
    style_of,
)
from nebulus.core.answers import OneCall, RawCall
from nebulus.core.failure import Failure, FailureKind
from nebulus.core.tools import ToolSpec

MARK = "MARK"
READ = ToolSpec(name="read_file", parameters={"type": "object", "properties": {"path": {"type": "string"}}})
LIST = ToolSpec(name="list_files")
TOOLS = (READ, LIST)


def spelled(call: Any, **spacing: Any) -> str:
    return json.dumps(call, **spacing)


CALL = {"name": PROBE_NAME, "arguments": PROBE_ARGUMENTS}
PARAMETERS = {"name": PROBE_NAME, "parameters": PROBE_ARGUMENTS}
TIGHT = {"separators": (",", ":")}


@pytest.mark.parametrize(
    ("before_call", "call", "before_text", "style"),
    [
        (
            "U<|im_start|>assistant\n",
            f"<tool_call>\n{spelled(CALL)}\n</tool_call>",
            "U<|im_start|>assistant\n",
            CallStyle(opener="<tool_call>\n"),
        ),
        (
            "U<|im_start|>assistant\n",
            f"<tool_call>{spelled(CALL)}</tool_call>",
            "U<|im_start|>assistant\n<think>\n\n</think>\n\n",
            CallStyle(opener="<tool_call>"),
        ),
        ("U<|assistant|>", spelled(PARAMETERS), "U<|assistant|>", CallStyle(arguments_key="parameters")),
        (
            "U[/INST]",
            f"[TOOL_CALLS] [{spelled(CALL, **TIGHT)}]</s>",
            "U[/INST] ",
            CallStyle(opener="[TOOL_CALLS] [", item_separator=",", key_separator=":"),
        ),
        (
            "U<a>",
            "<function=probe_tool_name>\n<parameter=probe_argument>probe value</parameter>",
            "U<a>",
            PLAIN,
        ),
        ("U<a>", f"{PROBE_NAME}(probe_argument='probe value')", "U<a>", PLAIN),
        ("U<a>", "", "U<a>", PLAIN),
        ("U<a>", spelled({"name": PROBE_NAME, "arguments": spelled(PROBE_ARGUMENTS)}), "U<a>", PLAIN),
    ],
    ids=["hermes", "qwen3", "llama 3", "mistral", "xml", "pythonic", "no calls", "arguments as text"],
)
def test_a_template_s_own_spelling_is_found(
    before_call: str, call: str, before_text: str, style: CallStyle
) -> None:
    tools = f'<tools>{{"name": "{PROBE_NAME}"}}</tools>'
    assert style_of(f"{tools}{before_call}{call}<end>", f"{tools}{before_text}{MARK}<end>", MARK) == style


def test_a_template_that_shows_no_text_has_no_spelling() -> None:
    assert style_of(spelled(CALL), "nothing", MARK) == PLAIN


def test_the_schema_of_a_call_accepts_calls_of_the_offered_tools_alone() -> None:
    validator = jsonschema_rs.validator_for(call_schema(TOOLS, OneCall()).schema)
    assert validator.is_valid({"name": "read_file", "arguments": {"path": "a"}})
    assert validator.is_valid({"name": "list_files", "arguments": {}})
    assert not validator.is_valid({"name": "remove", "arguments": {}})
    assert not validator.is_valid({"name": "read_file", "arguments": {"path": "a", "invented": 1}})
    assert not validator.is_valid({"name": "read_file"})
    assert not jsonschema_rs.validator_for(call_schema(TOOLS, OneCall("list_files")).schema).is_valid(
        {"name": "read_file", "arguments": {}}
    )


def test_the_model_s_own_separators_go_along_and_the_schema_is_left_alone() -> None:
    schema = {"type": "integer"}
    sent = guided(schema, CallStyle(item_separator=",", key_separator=":"))
    assert (sent["x-guidance"]["item_separator"], sent["x-guidance"]["key_separator"]) == (",", ":")
    assert schema == {"type": "integer"}


def test_arguments_come_out_verbatim() -> None:
    text = ' {"name": "read_file", "arguments": {"path":  "a\\u00e9" ,"n":1e2}} '
    assert read_call(text, TOOLS, OneCall()) == RawCall("read_file", '{"path":  "a\\u00e9" ,"n":1e2}')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "read_file",
        "[]",
        '{"name": "read_file", "arguments": {}',
        '{"name": "read_file", "arguments": []}',
        '{"name": "read_file", "parameters": {}}',
        '{"name": "remove", "arguments": {}}',
        '{"name": 3, "arguments": {}}',
        '{"name": "read_file", "arguments": {}, "more": 1}',
        '{"name": "read_file", "arguments": {}} and so on',
    ],
)
def test_anything_but_one_call_is_an_ignored_form(text: str) -> None:
    failure = read_call(text, TOOLS, OneCall())
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.FORM_IGNORED


def test_a_call_of_another_tool_than_the_named_one_is_an_ignored_form() -> None:
    text = '{"name": "read_file", "arguments": {}}'
    assert isinstance(read_call(text, TOOLS, OneCall("list_files")), Failure)
    assert read_call(text, TOOLS, OneCall("read_file")) == RawCall("read_file", "{}")


def test_a_shape_is_proven_by_its_schema() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]}
    assert shape_failure('{"n": 9}', schema) is None
    for text in ('{"n": 10}', "{}", "nine", '{"n": 9', ""):
        failure = shape_failure(text, schema)
        assert failure is not None
        assert failure.kind is FailureKind.FORM_IGNORED
