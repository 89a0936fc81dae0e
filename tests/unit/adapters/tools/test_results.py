"""What a function gave back becomes text and fields; what it raised becomes a failure only if that is true."""

import dataclasses
import datetime
import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, json

from nebulus.adapters.tools.results import failure_of, output_of
from nebulus.core.errors import StoreError, ToolError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.tools import Effect, ToolSpec
from nebulus.ports.tool import ToolOutput

READ = ToolSpec(name="look", effect=Effect.READ)
WRITE = ToolSpec(name="change", effect=Effect.WRITE)


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
