"""State is a plain value, and says how far the run is."""

import pytest
from msgspec.structs import replace

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
STATE = State(goal=Goal(text="report"), plan=PLAN)


def test_a_step_is_found_by_its_number() -> None:
    assert STATE.step(3).text == "write"


@pytest.mark.parametrize("number", [-1, 0, 6])
def test_a_step_that_does_not_exist_is_an_error(number: int) -> None:
    with pytest.raises(LookupError, match=f"step {number} does not exist"):
        STATE.step(number)


def test_several_steps_may_be_active_at_once() -> None:
    steps = tuple(replace(step, status=StepStatus.ACTIVE) if step.number > 3 else step for step in PLAN.steps)
    assert replace(STATE, plan=Plan(steps)).active_steps == (4, 5)
    assert STATE.active_steps == ()


def test_a_step_comes_after_the_one_before_it_unless_the_plan_says_otherwise() -> None:
    assert Step(number=1, text="t").depends_on == ()
    assert Step(number=3, text="t").depends_on == (2,)
    assert Step(number=3, text="t", after=()).depends_on == ()
    assert Step(number=4, text="t", after=(1, 2)).depends_on == (1, 2)


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
        STATE.facts = ()  # type: ignore[misc]
