"""This error, this strategy: bounded, changed or waited for, and loud at the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Finding, FindingKind
from nebulus.recovery import strategy as s

LIMITS = s.Limits()


def failure(kind: FailureKind, *, retry_after_s: float = 0.0) -> Failure:
    return Failure(kind=kind, fault=Fault.BACKEND, what="w", retry_after_s=retry_after_s)


def finding(value: str = "") -> Finding:
    return Finding(kind=FindingKind.NO_CALL, rule="r", value=value)


def test_a_finding_is_asked_again_twice_and_then_given_up() -> None:
    def decide(count: int) -> s.Strategy:
        before = tuple(finding(str(n)) for n in range(count))
        return s.for_finding(finding("new"), before=before, has_next_tier=False, limits=LIMITS)

    assert [decide(n) for n in range(3)] == [s.AskAgain(), s.AskAgain(), s.GiveUp()]


def test_the_same_finding_twice_climbs_where_it_can() -> None:
    assert s.for_finding(finding(), before=(finding(),), has_next_tier=True, limits=LIMITS) == s.Escalate()
    assert s.for_finding(finding(), before=(finding(),), has_next_tier=False, limits=LIMITS) == s.AskAgain()


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_class_of_backend_failure_ends_after_a_bounded_number_of_tries(kind: FailureKind) -> None:
    decided = [
        s.for_model_failure(failure(kind), retries=n, has_next_tier=False, limits=LIMITS) for n in range(10)
    ]
    assert decided[-1] == s.GiveUp()
    assert decided.count(s.GiveUp()) >= 5


def test_what_is_permanent_is_never_repeated() -> None:
    for kind in (FailureKind.PERMANENT, FailureKind.PERMISSION, FailureKind.TOOLS_DROPPED):
        assert s.for_model_failure(failure(kind), retries=0, has_next_tier=False, limits=LIMITS) == s.GiveUp()


def test_a_prompt_that_is_too_large_goes_to_a_larger_tier_or_stops() -> None:
    cut = failure(FailureKind.PROMPT_CUT)
    assert s.for_model_failure(cut, retries=0, has_next_tier=True, limits=LIMITS) == s.Escalate()
    assert s.for_model_failure(cut, retries=0, has_next_tier=False, limits=LIMITS) == s.GiveUp()


def test_a_tool_that_was_not_reached_is_waited_for_and_one_that_said_no_is_asked_otherwise() -> None:
    def decide(kind: FailureKind) -> s.Strategy:
        return s.for_tool_failure(failure(kind), errors=0, has_next_tier=False, limits=LIMITS)

    assert decide(FailureKind.TRANSIENT) == s.WaitAndRetry(0.5)
    assert decide(FailureKind.NOT_FOUND) == s.AskAgain()


@given(retries=st.integers(0, 50), said=st.floats(0, 1e6))
def test_a_wait_is_bounded_and_a_servers_own_word_wins(retries: int, said: float) -> None:
    waited = s.wait_s(failure(FailureKind.THROTTLED, retry_after_s=said), retries, LIMITS)
    if said:
        assert waited == min(said, LIMITS.longest_retry_after_s)
    else:
        assert LIMITS.first_wait_s <= waited <= LIMITS.longest_wait_s
