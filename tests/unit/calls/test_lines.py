"""A raw answer becomes a line that programs read, and an account that people read."""

import json
from typing import Any

import pytest

from nebulus.calls import explain, read_line, tool_spec, tool_specs
from nebulus.core.errors import ConfigError, ToolDefinitionError
from tests.unit.calls.samples import CLEAN, TOOLS, said

DEFINITION = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = {"name": "get_weather", "arguments": {"city": "Oslo"}}


def test_a_text_becomes_calls_with_edits() -> None:
    line = {"id": 7, "text": "{'name': 'get-weather', 'arguments': {'city': 'Oslo'}}", "tools": [DEFINITION]}
    read = read_line(line)
    assert (read["id"], read["calls"], read["dialect"], read["finding"]) == (7, [CALL], "json", None)
    assert [edit["name"] for edit in read["edits"]] == ["single quotes", "name spelled as declared"]
    json.dumps(read)


@pytest.mark.parametrize("arguments", ['{"city": "Oslo"}', {"city": "Oslo"}])
def test_a_message_with_the_servers_calls_is_read(arguments: Any) -> None:
    message = {
        "content": None,
        "tool_calls": [{"id": "1", "function": {"name": "get_weather", "arguments": arguments}}],
    }
    assert read_line({"id": 1, "message": message, "tools": [DEFINITION]})["calls"] == [CALL]


def test_a_message_of_parts_is_read() -> None:
    message = {"content": [{"type": "text", "text": json.dumps(CALL)}]}
    assert read_line({"message": message, "tools": [DEFINITION]})["calls"] == [CALL]


@pytest.mark.parametrize("finish", ["length", "max_tokens"])
def test_a_cut_answer_is_a_finding(finish: str) -> None:
    read = read_line({"text": json.dumps(CALL), "tools": [DEFINITION], "finish_reason": finish})
    assert read["calls"] == []
    assert read["finding"]["kind"] == "truncated"


def test_tools_may_be_given_once_for_all_lines() -> None:
    assert read_line({"text": CLEAN}, TOOLS)["calls"][0]["name"] == "get_weather"


def test_a_line_without_an_answer_is_refused() -> None:
    with pytest.raises(ConfigError, match="neither text nor message"):
        read_line({"id": 1, "tools": [DEFINITION]})


def test_a_reading_is_explained_in_words() -> None:
    account = explain(said(CLEAN.replace("2", '"2"')))
    assert "dialect: json" in account
    assert 'call:    get_weather {"city":"Oslo","days":2}' in account
    assert "edit:    text as integer at /0/days: '2' became '2'" in account
    assert "finding: unknown_tool: no such tool" in explain(said('{"name": "x", "arguments": {}}'))
    assert "no call, and nothing wrong" in explain(said("Hello."))


@pytest.mark.parametrize(
    "definition",
    [
        DEFINITION,
        DEFINITION["function"],
        {"name": "get_weather", "input_schema": DEFINITION["function"]["parameters"]},  # type: ignore[index]
        {"name": "get_weather", "inputSchema": DEFINITION["function"]["parameters"]},  # type: ignore[index]
    ],
)
def test_every_spelling_of_a_definition_is_known(definition: dict[str, Any]) -> None:
    tool = tool_spec(definition)
    assert (tool.name, tool.parameters["required"]) == ("get_weather", ["city"])


@pytest.mark.parametrize("definition", [{}, {"name": ""}, {"name": "f", "parameters": []}, {"function": "f"}])
def test_what_defines_no_tool_is_refused(definition: dict[str, Any]) -> None:
    with pytest.raises(ToolDefinitionError):
        tool_spec(definition)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ToolDefinitionError, match="two tools"):
        tool_specs([DEFINITION, DEFINITION])
