"""State is a plain value, and says where the run stands."""

import pytest

from nebulus.core.plan import FINISHED_STATUSES, Goal, Plan, Step, StepStatus
from nebulus.core.state import State

PLAN = Plan(
    (
        Step(number=1, text="read", status=StepStatus.PROVEN),
        Step(number=2, text="think", status=StepStatus.CLAIMED),
        Step(number=3, text="write", status=StepStatus.FAILED),
        Step(number=4, text="check", status=StepStatus.PENDING),
        Step(number=5, text="send", status=StepStatus.PENDING),
    )
)
STATE = State(goal=Goal(text="report"), plan=PLAN, active=3)


def test_the_active_step_is_the_one_of_its_number() -> None:
    assert STATE.step.text == "write"


def test_without_an_active_step_there_is_none_to_ask_for() -> None:
    with pytest.raises(LookupError, match="no step is active"):
        _ = State(goal=Goal(text="report"), plan=PLAN).step


def test_a_step_that_is_pending_active_or_failed_is_not_done_and_any_other_is() -> None:
    assert set(StepStatus) - FINISHED_STATUSES == {
        StepStatus.PENDING,
        StepStatus.ACTIVE,
        StepStatus.FAILED,
        StepStatus.DROPPED,
    }
    assert STATE.done_count == 2


def test_the_next_step_is_the_first_that_is_pending() -> None:
    assert STATE.next_pending() == 4
    assert State(goal=Goal(text="report")).next_pending() == 0


def test_a_state_cannot_be_changed_in_place() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        STATE.active = 4  # type: ignore[misc]
