"""A constraint describes exactly the calls on offer, and is only ever weaker than validation."""

from typing import Any

import jsonschema_rs
import pytest

from nebulus.calls.constrain import arguments_schema, call_schema, enforceable
from nebulus.core.tools import ToolSpec
from tests.unit.calls.samples import NOW, TOOLS, WEATHER


def test_a_call_of_any_tool_on_offer_is_described() -> None:
    schema = call_schema(TOOLS)
    assert jsonschema_rs.is_valid(schema, {"name": "get_weather", "arguments": {"city": "Oslo"}})
    assert jsonschema_rs.is_valid(schema, {"name": "now", "arguments": {}})
    for wrong in (
        {"name": "other", "arguments": {}},
        {"name": "get_weather", "arguments": {}},
        {"name": "now", "arguments": {"x": 1}},
        {"name": "now", "arguments": {}, "more": 1},
        {"name": "now"},
    ):
        assert not jsonschema_rs.is_valid(schema, wrong)


def test_no_tool_has_no_call() -> None:
    with pytest.raises(ValueError, match="offer at least one tool"):
        call_schema(())


def test_the_arguments_of_one_tool_are_described_alone() -> None:
    assert jsonschema_rs.is_valid(arguments_schema(WEATHER), {"city": "Oslo"})
    assert not jsonschema_rs.is_valid(arguments_schema(WEATHER), {"city": "Oslo", "x": 1})
    assert arguments_schema(NOW)["additionalProperties"] is False


def test_references_inside_a_schema_still_point_where_they_did() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}, "n": {"$ref": "#/$defs/n"}}}
    tool = ToolSpec(name="t", parameters={**tree, "$defs": {"n": {"type": "integer"}}})
    schema = call_schema((tool, NOW))
    assert jsonschema_rs.is_valid(schema, {"name": "t", "arguments": {"child": {"n": 1}}})
    assert not jsonschema_rs.is_valid(schema, {"name": "t", "arguments": {"child": {"n": "1"}}})


@pytest.mark.parametrize(
    ("schema", "left_out"),
    [
        ({"type": "array", "uniqueItems": True}, ("/uniqueItems",)),
        ({"properties": {"a": {"not": {"const": 1}}}}, ("/properties/a/not",)),
        ({"if": {}, "then": {"required": ["a"]}}, ("/if", "/then")),
        ({"items": {"contains": {"const": 1}}}, ("/items/contains",)),
        ({"dependentRequired": {"a": ["b"]}}, ("/dependentRequired",)),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, ("/oneOf",)),
        ({"oneOf": [{"type": "string"}, {"type": "number"}]}, ()),
        ({"type": "string", "format": "weird"}, ("/format",)),
        ({"type": "string", "format": "date"}, ()),
        ({"properties": {"a": {"$ref": "https://example.org/a"}}}, ("/properties/a/$ref",)),
        ({"type": "string", "pattern": "^(?=a)"}, ("/pattern",)),
        ({"type": "string", "pattern": "^[a-z]+$"}, ()),
        ({"properties": {"uniqueItems": {"type": "integer"}}}, ()),
    ],
)
def test_what_engines_refuse_is_left_out_and_named(schema: dict[str, Any], left_out: tuple[str, ...]) -> None:
    reduced, named = enforceable(schema)
    assert named == left_out
    assert (reduced == schema) is not bool(left_out)


def test_branches_with_a_constant_of_their_own_are_disjoint() -> None:
    branches = [
        {"type": "object", "properties": {"kind": {"const": kind}}, "required": ["kind"]} for kind in "ab"
    ]
    assert enforceable({"oneOf": branches})[1] == ()


def test_a_reduced_schema_accepts_all_that_the_whole_one_accepts() -> None:
    schema = {
        "type": "array",
        "uniqueItems": True,
        "items": {
            "oneOf": [{"type": "integer"}, {"type": "number", "not": {"const": 2}}],
            "anyOf": [{"minimum": 0}],
        },
    }
    reduced, _ = enforceable(schema)
    for value in ([], [1.5], [2.5, 3.5], [-1], ["a"], [1]):
        assert jsonschema_rs.is_valid(reduced, value) >= jsonschema_rs.is_valid(schema, value)
