"""A tier is chosen by demand where that is wanted; evidence still moves a step up, and the next one begins afresh."""

from collections.abc import Callable

from msgspec.structs import replace

from nebulus.core.commands import ChooseRoute
from nebulus.core.demand import Demand, Estimate, WorkKind
from nebulus.core.events import RouteChosen
from nebulus.core.routes import RouteMode, RoutePolicy
from nebulus.loop import deciding, transitions
from nebulus.loop.machine import Machine
from nebulus.loop.pending import next_decision
from nebulus.loop.phases import Attempts, Routing, Task
from tests.unit.loop.scenario import LARGE, SMALL, begun, setup, step

MEASURED = RoutePolicy(mode=RouteMode.MEASURED)


def sure(low: float) -> Callable[[Demand], Estimate]:
    return lambda demand: Estimate(
        mean=low + 0.02, low=low, high=min(1.0, low + 0.04), observations=50, cell="act"
    )


SKILLS = {"small": sure(0.5), "large": sure(0.95)}


def at_step(policy: RoutePolicy, **attempts: object) -> Machine:
    """A machine whose first step must be routed."""
    machine = begun(step(1, "put 7"), given=replace(setup(tiers=(SMALL, LARGE)), route=policy)).machine
    task = machine.task(1)
    return machine.with_task(replace(task, activity=Routing(), attempts=replace(Attempts(), **attempts)))


def chosen(machine: Machine, skills: deciding.Skills = SKILLS) -> RouteChosen:
    command = next_decision(machine)
    assert isinstance(command, ChooseRoute)
    return deciding.choose_route(machine, command, skills)


def test_by_default_the_smallest_is_asked_whatever_was_measured() -> None:
    event = chosen(at_step(RoutePolicy()))
    assert event.tier == "small"
    assert event.demand is None


def test_a_step_goes_straight_to_the_tier_that_is_good_enough_and_says_why() -> None:
    event = chosen(at_step(MEASURED))
    assert event.tier == "large"
    assert event.needed > 0
    assert event.estimate is not None
    assert [one.tier for one in event.alternatives] == ["small"]
    assert "%" in event.reason


def test_without_measurements_the_smallest_is_tried_and_it_is_said() -> None:
    event = chosen(at_step(MEASURED), {})
    assert event.tier == "small"
    assert "nothing was measured" in event.reason


def test_a_pin_holds_without_measurements() -> None:
    policy = RoutePolicy(mode=RouteMode.PIN, pins={WorkKind.ACT: "large"})
    assert chosen(at_step(policy), {}).tier == "large"


def test_the_chosen_tier_is_where_the_task_is() -> None:
    machine = at_step(MEASURED)
    routed = transitions.feed(machine, chosen(machine))
    task = routed.task(1)
    assert routed.tier_of(task).name == "large"
    assert not routed.has_next_tier(task)


def test_what_a_smaller_tier_gave_up_is_not_sent_back_to_it() -> None:
    machine = at_step(RoutePolicy(mode=RouteMode.MEASURED), tier_index=1, escalation_reasons=("it failed",))
    assert chosen(machine, {"small": sure(0.99), "large": sure(0.99)}).tier == "large"


def test_the_next_step_is_chosen_by_its_own_demand_again() -> None:
    given = replace(setup(tiers=(SMALL, LARGE)), route=MEASURED)
    machine = begun(step(1, "put 7"), step(2, "look 8"), given=given).machine
    up = replace(machine.task(1), attempts=Attempts(tier_index=1, escalation_reasons=("it failed",)))
    after = machine.with_task(up).without_task(1)
    second = replace(after, phase=replace(after.phase, tasks=(Task(kind=up.kind, step=2),)))
    assert chosen(second, {"small": sure(0.9), "large": sure(0.95)}).tier == "small"
