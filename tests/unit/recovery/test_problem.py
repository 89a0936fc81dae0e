"""A failure has the same form everywhere: by its schema, and as problem details."""

import jsonschema_rs
import msgspec
from hypothesis import given

from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.recovery.problem import failure_schema, problem
from tests.unit.core.values import any_struct

WAIT = Failure(
    kind=FailureKind.THROTTLED,
    fault=Fault.BACKEND,
    what="too much",
    value="HTTP 429",
    retry_after_s=3,
    attempts=2,
)


@given(any_struct(Failure))
def test_every_failure_is_valid_by_the_published_schema(failure: Failure) -> None:
    assert jsonschema_rs.is_valid(failure_schema(), msgspec.to_builtins(failure))


def test_problem_details_have_the_standard_members_and_the_envelopes_own() -> None:
    found = problem(WAIT, instance="/runs/r1")
    assert found["type"] == "urn:nebulus:failure:throttled"
    assert (found["status"], found["title"], found["instance"]) == (429, "throttled", "/runs/r1")
    assert found["detail"] == WAIT.sentence()
    assert (found["fault"], found["retry_after_s"], found["attempts"]) == ("backend", 3, 2)


def test_every_class_has_an_http_status_of_an_error() -> None:
    for kind in FailureKind:
        status = problem(Failure(kind=kind, fault=Fault.TOOL, what="w"))["status"]
        assert 400 <= status <= 599
