"""The schema of a function says what it takes, and what it is given has the types that it asked for."""

import dataclasses
import enum
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypedDict

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from nebulus.adapters.tools.parameters import IdempotencyKey, parameters_of
from nebulus.core.errors import ToolDefinitionError, ToolError
from nebulus.core.failure import FailureKind


class Colour(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    """A point."""

    x: int
    title: str = "origin"


class Line(Struct):
    """Two points."""

    start: Point
    end: Point


class Size(TypedDict):
    """A size."""

    width: float


class Tree(Struct):
    """A type that holds itself."""

    below: list["Tree"]


def schema_of(hint: Any) -> dict[str, Any]:
    def function(value: Any) -> None: ...

    function.__annotations__["value"] = hint
    schema: dict[str, Any] = parameters_of(function).schema()["properties"]["value"]
    return schema


POINT = {
    "description": "A point.",
    "type": "object",
    "properties": {"x": {"type": "integer"}, "title": {"type": "string", "default": "origin"}},
    "required": ["x"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (dict, {"type": "object"}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Literal["a", "b"], {"enum": ["a", "b"]}),
        (Colour, {"description": "A colour.", "enum": ["blue", "red"]}),
        (str | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (Point, POINT),
        (list[Point], {"type": "array", "items": POINT}),
        (
            Line,
            {
                "description": "Two points.",
                "type": "object",
                "properties": {"start": POINT, "end": POINT},
                "required": ["start", "end"],
                "additionalProperties": False,
            },
        ),
        (
            Size,
            {
                "description": "A size.",
                "type": "object",
                "properties": {"width": {"type": "number"}},
                "required": ["width"],
                "additionalProperties": False,
            },
        ),
        (Annotated[int, Meta(ge=1)], {"type": "integer", "minimum": 1}),
        (Annotated[str, "A name."], {"type": "string", "description": "A name."}),
        (
            Annotated[int, Meta(ge=1), "A count."],
            {"type": "integer", "minimum": 1, "description": "A count."},
        ),
        (Annotated[Point, "Where."], {**POINT, "description": "Where."}),
    ],
)
def test_each_type_has_its_flat_closed_schema(hint: Any, schema: dict[str, Any]) -> None:
    found = schema_of(hint)
    assert found == schema
    jsonschema_rs.meta.validate(found)


def documented(
    first: int, second: Annotated[str, "Said here."] = "x", *, third: list[int] | None = None
) -> None:
    """Do it.

    Args:
        first: The first.
        second: Not shown.
    """


def test_the_whole_schema_is_closed_and_defaults_make_optional() -> None:
    assert parameters_of(documented).schema() == {
        "type": "object",
        "properties": {
            "first": {"type": "integer", "description": "The first."},
            "second": {"type": "string", "description": "Said here.", "default": "x"},
            "third": {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]},
        },
        "required": ["first"],
        "additionalProperties": False,
    }


def test_the_idempotency_key_is_handed_over_and_not_shown() -> None:
    def pay(amount: int, key: IdempotencyKey) -> None: ...

    parameters = parameters_of(pay)
    assert list(parameters.schema()["properties"]) == ["amount"]
    assert parameters.values({"amount": 3}, "k") == {"amount": 3, "key": "k"}


def test_json_becomes_values_of_the_types() -> None:
    def paint(colour: Colour, at: Point, sizes: list[Size] = []) -> None: ...  # noqa: B006

    values = parameters_of(paint).values({"colour": "red", "at": {"x": 1}, "sizes": [{"width": 2}]}, "k")
    assert values == {"colour": Colour.RED, "at": Point(1), "sizes": [{"width": 2.0}]}


def test_what_is_not_given_is_left_to_the_function() -> None:
    assert parameters_of(documented).values({"first": 1}, "k") == {"first": 1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "missing"),
        ({"first": "1"}, "Expected `int`"),
        ({"first": None}, "Expected `int`"),
        ({"first": 1, "fourth": 2}, "no such argument"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ToolError, match=words) as caught:
        parameters_of(documented).values(arguments, "k")
    assert caught.value.failure.kind is FailureKind.INVALID_ARGUMENTS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(arguments=st.dictionaries(st.sampled_from(["first", "second", "third", "fourth"]), JSON))
def test_what_the_schema_refuses_never_reaches_the_function(arguments: dict[str, Any]) -> None:
    parameters = parameters_of(documented)
    try:
        parameters.values(arguments, "k")
    except ToolError:
        return
    assert jsonschema_rs.is_valid(parameters.schema(), arguments)


def no_type(x) -> None: ...  # type: ignore[no-untyped-def]
def anything(x: Any) -> None: ...
def no_json(x: complex) -> None: ...
def itself(x: Tree) -> None: ...
def many(*x: int) -> None: ...
def named(**x: int) -> None: ...
def by_place(x: int, /) -> None: ...
def none_default(x: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013
def wrong_default(x: int = "one") -> None: ...  # type: ignore[assignment]
def method(self, x: int) -> None: ...  # type: ignore[no-untyped-def]
def unreadable(x: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def stale(x: int) -> None:
    """Do it.

    Args:
        y: Gone.
    """


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (no_type, "parameter 'x' has no type"),
        (anything, "parameter 'x' may be anything"),
        (no_json, "parameter 'x' has type .*complex"),
        (itself, "parameter 'x' has type .*Tree"),
        (many, "parameter 'x' is variadic positional"),
        (named, "parameter 'x' is variadic keyword"),
        (by_place, "parameter 'x' is positional-only"),
        (none_default, r"parameter 'x' has the default None; .*\| None"),
        (wrong_default, "parameter 'x' has the default 'one'"),
        (method, "parameter 'self': a method needs its object"),
        (unreadable, "Missing"),
        (stale, "documents 'y'"),
    ],
)
def test_a_bad_definition_names_the_parameter_and_the_fix(function: Callable[..., Any], words: str) -> None:
    with pytest.raises(ToolDefinitionError, match=words):
        parameters_of(function)
