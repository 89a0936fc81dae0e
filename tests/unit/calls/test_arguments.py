"""Arguments meet their schema, mended where nothing is lost, or one finding says what would fix them."""

from typing import Any

import pytest

from nebulus.calls.arrange import arranged
from nebulus.calls.candidate import Candidate
from nebulus.calls.coerce import typed
from nebulus.calls.literal import RawText, UnreadableError
from nebulus.calls.validate import check, validator
from nebulus.core.errors import ToolDefinitionError
from nebulus.core.tools import ToolSpec
from tests.unit.calls.samples import NOW, SAVE, WEATHER, tool


def checked(schema: dict[str, Any], value: Any, required: tuple[str, ...] = ("x",)) -> Any:
    """The value of one argument after checking, or the finding."""
    result = check(tool("t", {"x": schema}, required), {"x": value})
    return result.finding or result.arguments.get("x", "absent")


@pytest.mark.parametrize(
    ("schema", "value", "after"),
    [
        ({"type": "integer"}, "3", 3),
        ({"type": "integer"}, "-12", -12),
        ({"type": "integer"}, 5.0, 5),
        ({"type": "number"}, "3.25", 3.25),
        ({"type": "boolean"}, "true", True),
        ({"type": "boolean"}, "False", False),
        ({"type": "array", "items": {"type": "string"}}, '["a", "b"]', ["a", "b"]),
        ({"type": "array", "items": {"type": "integer"}}, ["1", "2"], [1, 2]),
        ({"type": "array", "items": {"type": "integer"}}, '["1"]', [1]),
        ({"type": "array", "items": {"type": "integer"}}, [1.0, 2.0], [1, 2]),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "3", 3),
        ({"type": ["integer", "null"]}, "null", None),
    ],
)
def test_coercion_follows_the_schema(schema: dict[str, Any], value: Any, after: Any) -> None:
    result = checked(schema, value)
    assert result == after
    assert type(result) is type(after)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "123"),
        ({"type": "string"}, "true"),
        ({"type": "string"}, '["a"]'),
        ({"type": ["string", "integer"]}, "3"),
        ({}, "3"),
        ({"type": "number"}, 3),
    ],
)
def test_what_is_valid_stays_as_it_is_however_it_looks(schema: dict[str, Any], value: Any) -> None:
    assert checked(schema, value) == value
    assert type(checked(schema, value)) is type(value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, 123),
        ({"type": "string"}, True),
        ({"type": "integer"}, "007"),
        ({"type": "integer"}, "1,000"),
        ({"type": "integer"}, "3.5"),
        ({"type": "integer"}, 3.5),
        ({"type": "integer"}, True),
        ({"type": "number"}, "1e999"),
        ({"type": "boolean"}, "yes"),
        ({"type": "boolean"}, 1),
        ({"type": "array"}, "a, b"),
        ({"type": "array"}, '["a", "b"'),
        ({"type": "array", "items": {"type": "string"}}, "a"),
        ({"enum": ["fast", "slow"]}, "quick"),
        ({"enum": ["fast", "FAST"]}, "Fast"),
    ],
)
def test_what_would_lose_or_invent_something_is_a_finding(schema: dict[str, Any], value: Any) -> None:
    finding = checked(schema, value)
    assert finding.where == "/x"
    assert finding.fix


def test_null_for_an_optional_argument_is_left_out() -> None:
    assert checked({"type": "string"}, None, required=()) == "absent"
    assert checked({"type": "string"}, None).where == "/x"
    assert checked({"type": ["string", "null"]}, None, required=()) is None
    within = {"type": "object", "properties": {"y": {"type": "string"}}}
    assert checked(within, {"y": None}, required=()).where == "/x/y", "what is within a value stays as it is"


@pytest.mark.parametrize(
    ("arguments", "rule", "fix"),
    [
        ({}, "the argument 'city' is required", "give 'city'"),
        ({"city": "Oslo", "zip": 1}, "there is no argument 'zip'", "leave 'zip' out"),
        ({"city": 3}, "the value must be of type string", "give a string"),
    ],
)
def test_a_finding_says_rule_and_fix(arguments: dict[str, Any], rule: str, fix: str) -> None:
    finding = check(WEATHER, arguments).finding
    assert finding is not None
    assert (finding.rule, finding.fix, finding.tool) == (rule, fix, "get_weather")


def test_a_schema_that_is_open_by_its_own_word_stays_open() -> None:
    free = ToolSpec(name="t", parameters={"type": "object", "properties": {}, "additionalProperties": True})
    assert check(free, {"any": 1}).finding is None
    assert check(ToolSpec(name="t", parameters={"type": "object"}), {"any": 1}).finding is None
    assert check(NOW, {"any": 1}).finding is not None


@pytest.mark.parametrize("parameters", [{"type": "anything"}, {"$ref": "https://example.org/schema.json"}])
def test_a_schema_that_cannot_be_compiled_is_the_definitions_fault(parameters: dict[str, Any]) -> None:
    with pytest.raises(ToolDefinitionError):
        validator(ToolSpec(name="t", parameters=parameters))


def test_a_validator_is_made_once_for_one_schema() -> None:
    assert validator(WEATHER) is validator(WEATHER)


@pytest.mark.parametrize(
    ("candidate", "arguments", "edit"),
    [
        (Candidate("t", {"arguments": {"city": "Oslo"}}), {"city": "Oslo"}, "arguments unwrapped"),
        (
            Candidate("t", {"city": "Oslo"}, beside={"days": 2}),
            {"city": "Oslo", "days": 2},
            "argument moved inside",
        ),
        (Candidate("t", {"city": "Oslo", "": ""}), {"city": "Oslo"}, "nothing without a name left out"),
        (Candidate("t", {"City": "Oslo"}), {"city": "Oslo"}, "argument spelled as declared"),
        (Candidate("t", '{"city": "Oslo"}'), {"city": "Oslo"}, ""),
        (Candidate("t", '"{\\"city\\": \\"Oslo\\"}"'), {"city": "Oslo"}, "arguments decoded twice"),
        (Candidate("t", ["Oslo"], is_positional=True), {"city": "Oslo"}, "value named by the only parameter"),
        (Candidate("t", {"city": "Oslo"}, beside={"id": "1", "type": "function"}), {"city": "Oslo"}, ""),
    ],
)
def test_arguments_are_put_where_one_place_only_can_be_meant(
    candidate: Candidate, arguments: dict[str, Any], edit: str
) -> None:
    found, edits = arranged(candidate, WEATHER)
    assert found == arguments
    assert [made.name for made in edits] == ([edit] if edit else [])


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate("t", {"city": "Oslo"}, beside={"zip": 1}),
        Candidate("t", {"city": "Oslo"}, beside={"city": "Bergen"}),
        Candidate("t", None),
        Candidate("t", ["Oslo"]),
        Candidate("t", '{"city": "Oslo"'),
    ],
)
def test_what_has_no_certain_place_is_refused(candidate: Candidate) -> None:
    with pytest.raises(UnreadableError):
        arranged(candidate, WEATHER)


def test_two_values_without_names_are_refused_for_a_tool_that_changes_something() -> None:
    with pytest.raises(UnreadableError):
        arranged(Candidate("t", ["a", "b"], is_positional=True), SAVE)


def test_raw_text_is_what_the_schema_says() -> None:
    kinds = tool(
        "t",
        {
            "text": {"type": "string"},
            "count": {"type": "integer"},
            "flag": {"type": "boolean"},
            "maybe": {"type": ["string", "null"]},
            "list": {"anyOf": [{"type": "array"}, {"type": "null"}]},
            "ref": {"$ref": "#/$defs/n"},
            "any": {},
            "either": {"type": ["string", "integer"]},
        },
    )
    kinds.parameters["$defs"] = {"n": {"type": "number"}}
    raw = {
        "text": "3",
        "count": " 3\n",
        "flag": "True",
        "maybe": "null",
        "list": "[1]",
        "ref": "1.5",
        "any": "3",
        "either": "3",
    }
    assert typed({key: RawText(value) for key, value in raw.items()}, kinds) == {
        "text": "3", "count": 3, "flag": True, "maybe": None, "list": [1], "ref": 1.5, "any": "3", "either": "3"
    }  # fmt: skip
