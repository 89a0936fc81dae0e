"""Structure comes first, then an explicit statement of the other side, then words, marked as such."""

import errno
import json

import pytest

from nebulus.core.failure import Failure, FailureKind, Fault, Recognised
from nebulus.recovery.classify import (
    UNKNOWN,
    ErrorEvidence,
    classify,
    declared_failure,
    of_exception,
    of_text,
    refined,
)


class HTTPStatusError(Exception):
    """As clients write it: the status is the response's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.response = type("Response", (), {"status_code": status})()


def test_structure_takes_precedence_over_words() -> None:
    found = classify(ErrorEvidence(status=404, text="rate limit exceeded, try again"))
    assert (found.kind, found.how) == (FailureKind.NOT_FOUND, Recognised.STRUCTURE)


def test_a_declaration_ranks_above_words_and_below_structure() -> None:
    declared = ErrorEvidence(declared=FailureKind.CONFLICT, text="not found")
    assert classify(declared).how is Recognised.DECLARED
    assert classify(ErrorEvidence(status=403, declared=FailureKind.CONFLICT)).kind is FailureKind.PERMISSION


def test_words_are_marked_as_words_and_nothing_is_permanent() -> None:
    assert of_text("Error: too many requests, slow down").how is Recognised.TEXT
    assert of_text("it fell over") == UNKNOWN


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (HTTPStatusError("oops", 429), FailureKind.THROTTLED),
        (HTTPStatusError("oops", 503), FailureKind.TRANSIENT),
        (FileNotFoundError(errno.ENOENT, "No such file"), FailureKind.NOT_FOUND),
        (OSError(errno.ENOSPC, "No space left on device"), FailureKind.EXHAUSTED_BUDGET),
        (ConnectionResetError(errno.ECONNRESET, "reset"), FailureKind.TRANSIENT),
        (TimeoutError(), FailureKind.TIMEOUT),
        (json.JSONDecodeError("Expecting value", "", 0), FailureKind.MALFORMED_ANSWER),
        (PermissionError("no"), FailureKind.PERMISSION),
    ],
)
def test_an_exception_is_known_by_what_it_is(error: Exception, kind: FailureKind) -> None:
    found = of_exception(error)
    assert (found.kind, found.how) == (kind, Recognised.STRUCTURE)


def test_an_exception_that_says_nothing_is_known_by_its_cause() -> None:
    outer = RuntimeError("the tool failed")
    outer.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    assert of_exception(outer).kind is FailureKind.TRANSIENT


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"error": {"code": "rate_limit_exceeded", "message": "slow down"}}', FailureKind.THROTTLED),
        ('{"error": "no such file: a.md"}', FailureKind.NOT_FOUND),
        ('{"isError": true, "content": "permission denied"}', FailureKind.PERMISSION),
        ('{"ok": false, "code": 409}', FailureKind.CONFLICT),
        ('{"status": "partial", "written": 3, "failed": 2}', FailureKind.PERMANENT),
        ('{"success": false}', FailureKind.PERMANENT),
    ],
)
def test_a_result_that_says_of_itself_that_it_failed_is_believed(text: str, kind: FailureKind) -> None:
    found = declared_failure(text)
    assert found is not None
    assert found.kind is kind


@pytest.mark.parametrize(
    "text",
    [
        '{"error": null, "result": 3}',
        '{"errors": [], "rows": 2}',
        '{"status": "ok", "failed": 0}',
        "an error occurred in 1931",
        '[{"error": "in a list of records"}]',
        '{"ok": true}',
        "{not json",
    ],
)
def test_a_result_that_only_mentions_errors_is_not_a_failure(text: str) -> None:
    assert declared_failure(text) is None


def test_a_failure_without_a_class_gets_one_and_a_class_is_never_changed() -> None:
    def failure(kind: FailureKind, what: str) -> Failure:
        return Failure(kind=kind, fault=Fault.TOOL, what=what)

    read = refined(failure(FailureKind.PERMANENT, "connection reset by peer"))
    assert (read.kind, read.recognised) == (FailureKind.TRANSIENT, Recognised.TEXT)
    kept = failure(FailureKind.CONFLICT, "connection reset by peer")
    assert refined(kept) is kept


def test_a_chain_of_causes_that_is_a_circle_ends() -> None:
    first, second = RuntimeError("one"), RuntimeError("two")
    first.__cause__, second.__cause__ = second, first
    assert of_exception(first).kind is FailureKind.PERMANENT
