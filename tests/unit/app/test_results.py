"""A type becomes a schema to ask with, and the answer a value of that type."""

import dataclasses
import enum
from typing import Any, Literal, Optional, TypedDict

import jsonschema_rs
import msgspec
import pydantic
import pytest

from nebulus.app.results import decode_result, result_spec
from nebulus.core.errors import ConfigError
from nebulus.core.result import Result, ResultSpec


class Wind(msgspec.Struct):
    speed: float


class Weather(msgspec.Struct):
    """The weather now."""

    celsius: float
    wind: Wind | None = None


class NoData(msgspec.Struct, tag=True):
    reason: str


class Refusal(msgspec.Struct, tag=True):
    by: str


@dataclasses.dataclass
class Page:
    title: str
    words: int = 0


class Row(TypedDict):
    name: str
    value: int


class Person(pydantic.BaseModel):
    name: str
    friends: list["Friend"] = []


class Friend(pydantic.BaseModel):
    name: str


class Node(msgspec.Struct):
    child: Optional["Node"] = None


class Colour(enum.Enum):
    RED = "red"


OWN = {
    "type": "object",
    "properties": {"at": {"$ref": "#/$defs/place"}},
    "$defs": {"place": {"type": "string"}},
}


@pytest.mark.parametrize(
    ("kind", "sent", "value"),
    [
        (Weather, {"celsius": 7, "wind": {"speed": 3.5}}, Weather(7.0, Wind(3.5))),
        (Weather, {"celsius": 7}, Weather(7.0)),
        (Page, {"title": "A"}, Page("A")),
        (Row, {"name": "a", "value": 1}, {"name": "a", "value": 1}),
        (Person, {"name": "A", "friends": [{"name": "B"}]}, Person(name="A", friends=[Friend(name="B")])),
        (OWN, {"at": "Oslo"}, {"at": "Oslo"}),
        (dict[str, int], {"a": 1}, {"a": 1}),
    ],
)
def test_an_object_is_asked_for_as_it_is(kind: Any, sent: Any, value: Any) -> None:
    spec = result_spec(kind)
    assert not spec.is_wrapped
    assert not spec.failure_schema
    assert "$ref" not in str(spec.schema)
    assert jsonschema_rs.is_valid(spec.schema, sent)
    assert decode_result(kind, Result(value=sent)) == value


@pytest.mark.parametrize(
    ("kind", "sent", "value"),
    [
        (int, 7, 7),
        (float, 7, 7.0),
        (bool, True, True),
        (list[str], ["a"], ["a"]),
        (list[Weather], [{"celsius": 1}], [Weather(1.0)]),
        (list[Person], [{"name": "A"}], [Person(name="A")]),
        (Literal["a", "b"], "b", "b"),
        (Colour, "red", Colour.RED),
        (float | None, None, None),
        (Optional[int], 3, 3),  # noqa: UP045
        (Weather | None, None, None),
        ({"type": "array", "items": {"type": "integer"}}, [1], [1]),
    ],
)
def test_what_is_not_an_object_is_asked_for_inside_one(kind: Any, sent: Any, value: Any) -> None:
    spec = result_spec(kind)
    assert spec.is_wrapped
    assert jsonschema_rs.is_valid(spec.schema, sent)
    assert decode_result(kind, Result(value=sent)) == value


@pytest.mark.parametrize("kind", [None, str])
def test_nothing_and_str_mean_text(kind: Any) -> None:
    assert result_spec(kind) == ResultSpec()
    assert decode_result(str, Result(value="It is warm.")) == "It is warm."


def test_the_first_member_of_a_union_is_the_result_and_types_with_fields_are_failures() -> None:
    spec = result_spec(Weather | NoData)
    assert spec.schema == result_spec(Weather).schema
    assert spec.failure_schema == result_spec(NoData).schema
    failed = Result(value={"type": "NoData", "reason": "no such city"}, is_failure=True)
    assert decode_result(Weather | NoData, failed) == NoData("no such city")
    assert decode_result(Weather | NoData, Result(value={"celsius": 7})) == Weather(7.0)


def test_of_several_failures_each_is_told_by_its_own_fields() -> None:
    kind = Weather | NoData | Refusal
    spec = result_spec(kind)
    assert len(spec.failure_schema["anyOf"]) == 2
    refused = Result(value={"type": "Refusal", "by": "police"}, is_failure=True)
    assert decode_result(kind, refused) == Refusal("police")
    assert result_spec(str | NoData).schema == {"type": "string"}


def test_no_field_of_the_failure_fits_the_result_even_where_all_of_its_own_may_be_left_out() -> None:
    @dataclasses.dataclass
    class Loose:
        note: str = ""

    spec = result_spec(Loose | NoData)
    assert not jsonschema_rs.is_valid(spec.schema, {"type": "NoData", "reason": "x"})
    assert not jsonschema_rs.is_valid(result_spec(Person).schema, {"name": "A", "other": 1})


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Node, "Node contains itself"),
        (object(), "can't be requested"),
        (Any, "says nothing"),
        ({}, "says nothing"),
        ({"type": "nonsense"}, "not a valid JSON Schema"),
        ({"$ref": "#/$defs/gone"}, "gone"),
        (complex, "result=complex can't be requested"),
        (set[complex], "what works: str, int"),
    ],
)
def test_what_cannot_be_asked_for_is_said_at_the_start(kind: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why.replace("$", r"\$")):
        result_spec(kind)


def test_an_answer_of_another_type_is_an_error_that_names_both() -> None:
    with pytest.raises(ConfigError, match="is not of type Weather"):
        decode_result(Weather, Result(value={"name": "A"}))
