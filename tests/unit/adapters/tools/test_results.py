"""What a function gave back becomes text and fields; what it raised becomes a failure only if that is true."""

import dataclasses
import datetime
import errno
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, json

from nebulus.adapters.tools.results import failure_of, output_of, recordable
from nebulus.core.errors import StoreError, ToolError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.text import KEPT_CHARS
from nebulus.core.tools import Effect, ToolSpec
from nebulus.ports.tool import ToolOutput

READ = ToolSpec(name="look", effect=Effect.READ)
WRITE = ToolSpec(name="change", effect=Effect.WRITE)


class Length(float):
    """A number of a foreign class, as those of numpy are."""


class Count(int):
    """A whole number of a foreign class."""


class Mute:
    """Can't be written."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class City(Struct):
    """A city."""

    name: str
    people: int
    twins: list[str]


@dataclasses.dataclass
class Point:
    """A point."""

    x: float


@pytest.mark.parametrize(
    ("value", "text", "fields"),
    [
        ("as it is\n", "as it is\n", {}),
        (None, "ok", {}),
        (3, "3", {}),
        (True, "true", {}),
        ([1, "a"], '[1,"a"]', {}),
        (
            {"a": 1, "b": [2], "c": None, "d": False},
            '{"a":1,"b":[2],"c":null,"d":false}',
            {"a": 1, "d": False},
        ),
        (
            City("Ulm", 120, ["Bath"]),
            '{"name":"Ulm","people":120,"twins":["Bath"]}',
            {"name": "Ulm", "people": 120},
        ),
        (Point(1.5), '{"x":1.5}', {"x": 1.5}),
        ({1: "one"}, '{"1":"one"}', {"1": "one"}),
        ({"at": datetime.date(2026, 1, 2)}, '{"at":"2026-01-02"}', {"at": "2026-01-02"}),
        ({"path": Path("a/b")}, '{"path":"a/b"}', {"path": "a/b"}),
        ("half \ud800", "half \\ud800", {}),
        ({"name": "raw \udcff"}, '{"name":"raw \\\\udcff"}', {"name": "raw \\udcff"}),
        ({"a": float("nan"), "b": [float("-inf")]}, '{"a":"nan","b":["-inf"]}', {"a": "nan"}),
        (float("1e999"), '"inf"', {}),
        ({"a": Length(1.5), "b": Count(3)}, '{"a":1.5,"b":3}', {"a": 1.5, "b": 3}),
        ({"id": 2**70}, '{"id":1180591620717411303424}', {"id": 2**70}),
        ({"a": Decimal("1.10")}, '{"a":"1.10"}', {"a": "1.10"}),
    ],
)
def test_each_value_becomes_text_and_fields(value: Any, text: str, fields: dict[str, Any]) -> None:
    assert output_of(value, is_trusted=True) == ToolOutput(text=text, fields=fields)


@pytest.mark.parametrize(
    "value",
    [
        ToolOutput(text="own", fields={"a": 1}),
        Failure(kind=FailureKind.CONFLICT, fault=Fault.TOOL, what="no"),
    ],
)
def test_what_is_an_output_already_passes(value: Any) -> None:
    assert output_of(value, is_trusted=False) is value


def test_text_from_outside_is_marked() -> None:
    assert output_of({"a": 1}, is_trusted=False) == ToolOutput(
        text='{"a":1}', fields={"a": 1}, is_trusted=False
    )


@given(value=st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53) | st.none()))
def test_every_output_can_be_written_as_json(value: dict[str, Any]) -> None:
    json.encode(output_of(value, is_trusted=True))


@pytest.mark.parametrize("spec", [READ, WRITE])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ToolError("no", kind=FailureKind.THROTTLED), FailureKind.THROTTLED),
        (FileNotFoundError(errno.ENOENT, "no", "x"), FailureKind.NOT_FOUND),
        (FileExistsError(errno.EEXIST, "there", "x"), FailureKind.CONFLICT),
        (PermissionError(errno.EACCES, "no", "x"), FailureKind.PERMISSION),
        (IsADirectoryError(errno.EISDIR, "no", "x"), FailureKind.INVALID_ARGUMENTS),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), FailureKind.TRANSIENT),
    ],
)
def test_what_was_refused_did_not_happen(spec: ToolSpec, error: Exception, kind: FailureKind) -> None:
    failure = failure_of(error, spec)
    assert failure is not None
    assert (failure.kind, failure.fault) == (kind, Fault.TOOL)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError("slow"), FailureKind.TIMEOUT),
        (ConnectionResetError(errno.ECONNRESET, "gone"), FailureKind.TRANSIENT),
        (OSError(errno.EIO, os.strerror(errno.EIO)), FailureKind.PERMANENT),
        (ZeroDivisionError("division by zero"), FailureKind.PERMANENT),
    ],
)
def test_what_was_not_answered_is_a_failure_of_a_reading_tool_only(
    error: Exception, kind: FailureKind
) -> None:
    failure = failure_of(error, READ)
    assert failure is not None
    assert failure.kind is kind
    assert failure_of(error, WRITE) is None


def test_an_error_of_the_runtime_is_not_the_tools() -> None:
    assert failure_of(StoreError("disk"), READ) is None


@pytest.mark.parametrize("value", [Mute(), [Mute()], {"a": 10**6000}, {"a": Mute()}])
def test_what_can_not_be_written_is_lost_and_the_reason_is_said(value: Any) -> None:
    output = output_of(value, is_trusted=True)
    assert isinstance(output, ToolOutput)
    assert output.is_lost
    assert "can't be written" in output.text


def test_an_exception_whose_words_can_not_be_read_is_a_failure_all_the_same() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise ValueError("none")

    failure = failure_of(Broken(), READ)
    assert failure is not None
    assert "can't be read" in failure.value


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"a": float("nan")}, "'a' of its result is nan"),
        ({"a": float("inf")}, "'a' of its result is inf"),
        ({"a": {"b": 1}}, "a dict"),
        ({"a": [1]}, "a list"),
        ({"a": b"x"}, "a bytes"),
        ({"a": Decimal(1)}, "a Decimal"),
        ({"a": None}, "a NoneType"),
        ({1: "a"}, "named by a int"),
        ({"\ud800": None}, "\\ud800"),
        ({"a": 10**400}, "a int"),
    ],
)
def test_a_field_that_is_no_scalar_loses_the_result_and_is_named(fields: Any, wrong: str) -> None:
    output = recordable(ToolOutput(text="ok", fields=fields))
    assert isinstance(output, ToolOutput)
    assert output.is_lost
    assert wrong in output.text


@pytest.mark.parametrize("text", [b"bytes", 3, None, ["a"]])
def test_a_text_that_is_none_loses_the_result(text: Any) -> None:
    output = recordable(ToolOutput(text=text))
    assert isinstance(output, ToolOutput)
    assert output.is_lost


def test_an_output_is_cut_where_it_is_too_long_and_says_so() -> None:
    output = recordable(ToolOutput(text="x" * (KEPT_CHARS + 7)))
    assert isinstance(output, ToolOutput)
    assert output.text.endswith("… [7 more characters not shown]")


def test_what_is_no_output_at_all_is_none() -> None:
    assert recordable(None) is None
    assert recordable("text") is None


SCALARS = st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.binary())


@given(st.text(st.characters(codec=None)), st.dictionaries(st.text(st.characters(codec=None)), SCALARS))
def test_whatever_a_tool_gives_back_reads_back_as_it_was_written(text: str, fields: dict[str, Any]) -> None:
    output = recordable(ToolOutput(text=text, fields=fields))
    assert json.decode(json.encode(output), type=ToolOutput) == output


@given(st.text(st.characters(codec=None)), st.floats(), st.one_of(st.integers(), st.text()))
def test_whatever_a_failure_says_it_reads_back_as_it_was_written(text: str, wait: float, times: Any) -> None:
    told = Failure(
        kind=FailureKind.THROTTLED, fault=Fault.TOOL, what=text, retry_after_s=wait, attempts=times
    )
    failure = recordable(told)
    assert isinstance(failure, Failure)
    assert json.decode(json.encode(failure), type=Failure) == failure
