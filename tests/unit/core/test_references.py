"""A reference names a result, in few forms; only declared arguments that take no object can be one."""

from typing import Any

import pytest

from nebulus.core.references import (
    ANY_REFERENCE,
    Reference,
    referable,
    reference_of,
    references_in,
    takes_no_object,
    with_schemas,
)
from nebulus.core.tools import ToolSpec


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ({"from": "step 2"}, Reference("step", 2)),
        ({"from": "Step 2 "}, Reference("step", 2)),
        ({"from": "call 3", "path": "items[0].name"}, Reference("call", 3, "items[0].name")),
        ({"from": "call00003"}, Reference("call", 3)),
        ({"from": "last"}, Reference("last")),
        ({"from": "the last result"}, Reference("last")),
    ],
)
def test_a_reference_names_a_step_a_call_or_the_last_result(value: Any, meant: Reference) -> None:
    assert reference_of(value) == meant
    assert reference_of(meant.argument) == meant


@pytest.mark.parametrize(
    "value",
    [
        {"from": "app.log"},
        {"from": "step 0"},
        {"from": "call"},
        {"from": 3},
        {"from": "last", "to": "x"},
        {"path": "a"},
        {},
        '{"from": "last"}',
        ["last"],
        None,
    ],
)
def test_nothing_else_is_a_reference(value: Any) -> None:
    assert reference_of(value) is None


def test_a_schema_that_may_take_an_object_keeps_its_own_meaning() -> None:
    for schema in ({}, True, {"type": "object"}, {"type": ["string", "object"]}, {"$ref": "#/$defs/a"}):
        assert not takes_no_object(schema)
    assert not takes_no_object({"anyOf": [{"type": "string"}, {}]})
    assert not takes_no_object({"enum": ["a", {"from": "last"}]})
    for schema in ({"type": "string"}, {"type": ["string", "null"]}, {"enum": ["a", 1]}, {"type": "array"}):
        assert takes_no_object(schema)
    assert takes_no_object({"anyOf": [{"type": "string"}, {"type": "null"}]})


def test_only_declared_arguments_are_references() -> None:
    properties = {"text": {"type": "string"}, "data": {"type": "object"}, "other": {"type": "string"}}
    spec = ToolSpec(
        name="t", parameters={"type": "object", "properties": properties}, references=("text", "data", "no")
    )
    given = {name: {"from": "last"} for name in properties}
    assert referable(spec) == ("text",)
    assert references_in(spec, given) == {"text": {"from": "last"}}


def test_the_schema_of_an_argument_is_replaced_in_a_copy() -> None:
    spec = ToolSpec(name="t", parameters={"type": "object", "properties": {"a": {"type": "string"}, "b": {}}})
    other = with_schemas(spec, {"a": ANY_REFERENCE})
    assert other.parameters["properties"] == {"a": ANY_REFERENCE, "b": {}}
    assert spec.parameters["properties"]["a"] == {"type": "string"}
