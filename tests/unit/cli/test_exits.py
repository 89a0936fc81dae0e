"""A script can tell from the exit code what became of a run, and from the envelope why."""

from typing import get_args

import pytest

from nebulus.cli.exits import Exit, envelope, exit_of, exit_of_error
from nebulus.core import errors
from nebulus.core.budget import Spent
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.outcome import Blocked, Done, Exhausted, Failed, Outcome, Proof, Question, Refused

BROKEN = Failure(kind=FailureKind.TIMEOUT, fault=Fault.TOOL, what="it took too long")
OUTCOMES = {
    Done(proof=Proof.CLAIMED): Exit.DONE,
    Blocked(question=Question(question_id="c1", kind="approval", text="May it?")): Exit.BLOCKED,
    Refused(rule="r", reason="no"): Exit.REFUSED,
    Exhausted(resource="tokens", limit=1.0, spent=Spent()): Exit.EXHAUSTED,
    Failed(failure=BROKEN): Exit.FAILED,
}
ERRORS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.NebulusError) and kind is not errors.NebulusError
]


def test_every_outcome_has_a_code_of_its_own() -> None:
    assert {type(outcome) for outcome in OUTCOMES} == set(get_args(Outcome))
    assert {outcome: exit_of(outcome) for outcome in OUTCOMES} == OUTCOMES
    assert len(set(OUTCOMES.values())) == len(OUTCOMES)


def test_a_claimed_end_has_a_code_of_its_own_only_where_proof_is_asked_for() -> None:
    claimed, proven = Done(proof=Proof.CLAIMED), Done(proof=Proof.PROVEN)
    assert [exit_of(claimed), exit_of(proven)] == [Exit.DONE, Exit.DONE]
    assert exit_of(claimed, requires_proof=True) is Exit.CLAIMED
    assert exit_of(proven, requires_proof=True) is Exit.DONE


CODES = {
    errors.ConfigError: Exit.USAGE,
    errors.ToolDefinitionError: Exit.USAGE,
    errors.SandboxError: Exit.USAGE,
    errors.RunUnknownError: Exit.UNAVAILABLE,
    errors.RunBusyError: Exit.UNAVAILABLE,
    errors.RunCancelledError: Exit.INTERRUPTED,
    errors.JournalError: Exit.FAILED,
    errors.IllegalEventError: Exit.FAILED,
    errors.StoreError: Exit.FAILED,
    errors.BackendError: Exit.FAILED,
    errors.ToolError: Exit.FAILED,
}
"""What a user can correct is told apart from what broke, and nothing ends with zero or as a defect."""


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_has_the_code_that_scripts_know(kind: type[errors.NebulusError]) -> None:
    error = kind(BROKEN) if kind is errors.BackendError else kind("what; the fix")
    code = next(CODES[base] for base in kind.__mro__ if base in CODES)  # type: ignore[index]
    assert exit_of_error(error) is code


def test_an_error_becomes_an_envelope_with_what_and_fix() -> None:
    failure = envelope(errors.ConfigError("window=0; not positive", fix="set it to 8192; it is known"))
    assert failure.what == "window=0; not positive"
    assert failure.fix == "set it to 8192; it is known"


def test_an_error_that_carries_a_failure_keeps_it() -> None:
    assert envelope(errors.BackendError(BROKEN)) is BROKEN
