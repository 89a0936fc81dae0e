"""Each error has its strategy: bounded, with a change or a wait, and a failure at the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Finding, FindingKind
from nebulus.recovery import strategy as s
from nebulus.recovery.strategy import History, Limits, Move

LIMITS = Limits()
HERE = frozenset({Move.ASK, Move.WAIT, Move.STOP})


def failure(kind: FailureKind, *, retry_after_s: float = 0.0) -> Failure:
    return Failure(kind=kind, fault=Fault.BACKEND, what="w", retry_after_s=retry_after_s)


def finding(value: str = "", kind: FindingKind = FindingKind.NO_CALL) -> Finding:
    return Finding(kind=kind, rule="r", value=value)


def decided(count: int, *, can_escalate: bool = False, kind: FindingKind = FindingKind.NO_CALL) -> s.Strategy:
    before = tuple(finding(str(n), kind) for n in range(count))
    moves = HERE | {Move.ESCALATE} if can_escalate else HERE
    history = History(possible=moves)
    return s.for_finding(finding("new", kind), before=before, history=history, limits=LIMITS)


def test_a_finding_is_asked_again_twice_and_then_given_up() -> None:
    assert [decided(n) for n in range(3)] == [s.AskAgain(), s.AskAgain(), s.GiveUp()]


def test_a_budget_belongs_to_its_class() -> None:
    stuck = FindingKind.NO_PROGRESS
    assert [decided(n, kind=stuck) for n in range(2)] == [s.AskAgain(), s.GiveUp()]


def test_the_same_finding_twice_escalates_if_there_is_a_next_tier() -> None:
    def again(moves: frozenset[Move]) -> s.Strategy:
        return s.for_finding(finding(), before=(finding(),), history=History(possible=moves), limits=LIMITS)

    assert again(HERE | {Move.ESCALATE}) == s.Escalate()
    assert again(HERE) == s.AskAgain()


@pytest.mark.parametrize("side", ["model", "tool"])
@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_class_ends_after_a_bounded_number_of_tries(kind: FailureKind, side: s.Side) -> None:
    decide = s.for_model_failure if side == "model" else s.for_tool_failure
    history = (History(seen=n, total=n, possible=HERE) for n in range(12))
    strategies = [decide(failure(kind), history=known, limits=LIMITS) for known in history]
    first_end = strategies.index(s.GiveUp())
    assert first_end <= 7
    assert set(strategies[first_end:]) == {s.GiveUp()}


@pytest.mark.parametrize("side", ["model", "tool"])
@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_class_has_a_row_that_ends_in_a_stop(kind: FailureKind, side: s.Side) -> None:
    assert s.row_of(side, kind, LIMITS)[-1] == (Move.STOP, 1)


def test_what_is_permanent_is_never_repeated() -> None:
    for kind in (FailureKind.PERMANENT, FailureKind.PERMISSION, FailureKind.TOOLS_DROPPED):
        assert s.for_model_failure(failure(kind), history=History(possible=HERE), limits=LIMITS) == s.GiveUp()


def test_a_prompt_that_is_too_large_goes_to_a_larger_tier_or_stops() -> None:
    cut = failure(FailureKind.PROMPT_CUT)
    up = History(possible=HERE | {Move.ESCALATE})
    assert s.for_model_failure(cut, history=up, limits=LIMITS) == s.Escalate()
    assert s.for_model_failure(cut, history=History(possible=HERE), limits=LIMITS) == s.GiveUp()


def test_each_class_of_a_tool_has_a_strategy_of_its_own() -> None:
    def decide(kind: FailureKind) -> s.Strategy:
        return s.for_tool_failure(failure(kind), history=History(), limits=LIMITS)

    assert decide(FailureKind.TRANSIENT) == s.WaitAndRetry(0.5)
    assert decide(FailureKind.NOT_FOUND) == s.AskAgain()
    assert decide(FailureKind.CONFLICT) == s.Reread()
    assert decide(FailureKind.PERMISSION) == s.OtherTool()
    assert decide(FailureKind.UNKNOWN_OUTCOME) == s.AskPersonFirst()


def test_moves_that_are_not_possible_are_skipped() -> None:
    denied = failure(FailureKind.PERMISSION)
    alone = History(possible=frozenset({Move.PERSON, Move.STOP}))
    assert s.for_tool_failure(denied, history=alone, limits=LIMITS) == s.AskPersonFirst()
    nobody = History(possible=frozenset({Move.STOP}))
    assert s.for_tool_failure(denied, history=nobody, limits=LIMITS) == s.GiveUp()


def test_classes_that_take_turns_end_as_well() -> None:
    history = History(seen=0, total=LIMITS.tool_errors - 1, possible=HERE)
    busy = failure(FailureKind.TRANSIENT)
    assert s.for_tool_failure(busy, history=history, limits=LIMITS) == s.GiveUp()


def test_a_row_can_be_replaced_in_the_settings() -> None:
    mine = Limits(strategies={"tool.transient": "wait 1, person, stop"})
    row = s.row_of("tool", FailureKind.TRANSIENT, mine)
    assert row == ((Move.WAIT, 1), (Move.PERSON, 1), (Move.STOP, 1))
    assert s.row_of("model", FailureKind.TRANSIENT, mine)[0] == (Move.WAIT, 4), "the other side keeps its row"


@pytest.mark.parametrize(
    ("name", "row", "wrong"),
    [
        ("tool.transient", "hope", "'hope' is not a move"),
        ("tool.transient", "escalate 2", "escalate takes no number"),
        ("transient", "stop", "'transient' is not a row"),
        ("tool.sad", "stop", "'tool.sad' is not a row"),
    ],
)
def test_a_row_that_can_not_be_read_is_named(name: str, row: str, wrong: str) -> None:
    assert wrong in s.check_overrides(Limits(strategies={name: row}))
    assert s.check_overrides(Limits(strategies={"tool.timeout": "wait 3, stop"})) == ""


@given(retries=st.integers(0, 50), said=st.floats(0, 1e6))
def test_a_wait_is_bounded_and_retry_after_takes_precedence(retries: int, said: float) -> None:
    waited = s.wait_s(failure(FailureKind.THROTTLED, retry_after_s=said), retries, LIMITS)
    if said:
        assert waited == min(said, LIMITS.longest_retry_after_s)
    else:
        assert LIMITS.first_wait_s <= waited <= LIMITS.longest_wait_s
