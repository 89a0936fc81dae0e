"""A failure says what went wrong, with which value, and what would fix it; so does every error."""

import inspect
import re

import pytest

from nebulus.core import errors
from nebulus.core.errors import BackendError, NebulusError, ToolError
from nebulus.core.failure import RETRYABLE, Failure, FailureKind, Fault
from nebulus.core.findings import Finding, FindingKind

CLASSES = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, NebulusError)]
CUT = Failure(
    kind=FailureKind.PROMPT_CUT,
    fault=Fault.BACKEND,
    what="the server evaluated fewer tokens than were sent",
    value="4096 of 5120",
    fix="start it with a larger window",
)


@pytest.mark.parametrize("kind", FailureKind)
def test_only_what_a_wait_can_fix_is_retryable(kind: FailureKind) -> None:
    is_curable = kind in {FailureKind.THROTTLED, FailureKind.TRANSIENT, FailureKind.TIMEOUT}
    assert Failure(kind=kind, fault=Fault.BACKEND, what="x").is_retryable == is_curable == (kind in RETRYABLE)


def test_a_failure_reads_as_one_line() -> None:
    assert CUT.sentence() == (
        "prompt_cut: the server evaluated fewer tokens than were sent (4096 of 5120); start it with a larger window"
    )
    assert Failure(kind=FailureKind.EMPTY, fault=Fault.MODEL, what="no text").sentence() == "empty: no text"


def test_a_finding_reads_as_one_line_with_its_place() -> None:
    finding = Finding(
        kind=FindingKind.INVALID_ARGUMENTS,
        rule="must be an integer",
        where="/count",
        value='"three"',
        fix="write 3",
    )
    assert finding.sentence() == 'must be an integer at /count, got "three"; write 3'
    assert Finding(kind=FindingKind.EMPTY, rule="an answer has text or a call").sentence() == (
        "an answer has text or a call"
    )


def test_an_error_of_a_backend_carries_its_failure_and_says_it() -> None:
    error = BackendError(CUT)
    assert error.failure is CUT
    assert str(error) == CUT.sentence()


def test_the_tree_in_the_docstring_names_every_error_and_no_other() -> None:
    drawn = set(re.findall(r"(?:^|── ?) *(\w+Error)\b", errors.__doc__ or "", re.MULTILINE))
    assert drawn == {kind.__name__ for kind in CLASSES}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_has_the_one_base_and_knows_whether_it_is_retryable(kind: type[NebulusError]) -> None:
    assert issubclass(kind, NebulusError)
    assert isinstance(kind.retryable, bool)
    assert kind.__doc__


def test_an_error_raised_by_a_tool_is_a_failure_of_the_tool() -> None:
    error = ToolError(
        "no such customer", kind=FailureKind.NOT_FOUND, value="C-17", fix="ask for the list first"
    )
    assert (error.failure.kind, error.failure.fault) == (FailureKind.NOT_FOUND, Fault.TOOL)
    assert str(error) == "not_found: no such customer (C-17); ask for the list first"
