"""A tier is chosen by demand where that is wanted; evidence still moves a step up, and the next one begins afresh."""

from msgspec.structs import replace

from nebulus.core.budget import Budget
from nebulus.core.commands import ChooseRoute
from nebulus.core.config import RunConfig
from nebulus.core.demand import AnswerCost, Demand, Estimate, Skill, WorkKind
from nebulus.core.events import AnswerParsed, RouteChosen, RouteRefused
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.outcome import Failed, Refused
from nebulus.core.plan import GOAL, Plan, ToolSucceeded
from nebulus.core.routes import AfterEscalation, RouteMode, RoutePolicy
from nebulus.core.tiers import Tier
from nebulus.loop import transitions
from nebulus.loop.machine import Machine
from nebulus.loop.pending import next_decision
from nebulus.loop.phases import Attempts, Routing, Task
from nebulus.loop.route import Skills, choose_route
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import LARGE, SMALL, begun, setup, step

MEASURED = RoutePolicy(mode=RouteMode.MEASURED)
PRIVATE = RoutePolicy(is_private=True)
CLOUD = Tier(name="cloud", window_tokens=32768, leaves_machine=True)
MALFORMED = Failure(kind=FailureKind.MALFORMED_ANSWER, fault=Fault.BACKEND, what="half an answer")
DOWN = Failure(kind=FailureKind.PERMANENT, fault=Fault.BACKEND, what="it is gone")


def sure(low: float, seconds: float = 0.0) -> Skill:
    def estimate(_: Demand) -> Estimate:
        return Estimate(mean=low + 0.02, low=low, high=min(1.0, low + 0.04), observations=50, cell="act")

    return Skill(estimate=estimate, answer_cost=lambda _: AnswerCost(completion_tokens=30, seconds=seconds))


SKILLS = {"small": sure(0.5), "large": sure(0.95)}
FIRST_SMALL = {"small": sure(0.92), "large": sure(0.95)}


def given(policy: RoutePolicy, *tiers: Tier, budget: Budget | None = None) -> RunConfig:
    return replace(setup(tiers=tiers or (SMALL, LARGE), budget=budget), route=policy)


def at_step(policy: RoutePolicy, **attempts: object) -> Machine:
    """A machine whose first step must be routed."""
    machine = begun(step(1, "put 7"), given=given(policy)).machine
    task = machine.task(1)
    return machine.with_task(replace(task, activity=Routing(), attempts=replace(Attempts(), **attempts)))


def chosen(machine: Machine, skills: Skills = SKILLS) -> RouteChosen:
    command = next_decision(machine)
    assert isinstance(command, ChooseRoute)
    event = choose_route(machine, command, skills)
    assert isinstance(event, RouteChosen)
    return event


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
    machine = begun(step(1, "put 7"), step(2, "look 8"), given=given(MEASURED)).machine
    up = replace(machine.task(1), attempts=Attempts(tier_index=1, escalation_reasons=("it failed",)))
    after = machine.with_task(up).without_task(1)
    second = replace(after, phase=replace(after.phase, tasks=(Task(kind=up.kind, step=2),)))
    assert chosen(second, {"small": sure(0.9), "large": sure(0.95)}).tier == "small"


# limits: privacy, price, time


def test_private_data_never_climbs_to_a_tier_elsewhere_and_the_real_failure_ends_the_run() -> None:
    scene = begun(step(1, "put 7"), given=given(PRIVATE, SMALL, CLOUD))
    assert scene.asked.tier == "small"
    assert [one.tier for one in routes(scene)[0].alternatives] == ["cloud"]
    outcome = sc.feed(scene, sc.unanswered(DOWN)).outcome
    assert isinstance(outcome, Failed)
    assert outcome.failure.kind is FailureKind.PERMANENT


def test_the_ladder_skips_a_tier_that_may_not_see_the_data() -> None:
    scene = begun(step(1, "put 7"), given=given(PRIVATE, SMALL, CLOUD, LARGE))
    assert sc.feed(scene, sc.unanswered(DOWN)).asked.tier == "large"


def test_where_no_tier_may_be_asked_the_run_is_refused_and_says_why_for_each() -> None:
    scene = begun(step(1, "put 7"), given=given(PRIVATE, CLOUD))
    assert isinstance(scene.events[-1], RouteRefused)
    assert isinstance(scene.outcome, Refused)
    assert (scene.outcome.rule, scene.outcome.step) == ("route", 1)
    assert "cloud: the data is private" in scene.outcome.reason


def test_a_pin_does_not_open_what_is_private() -> None:
    policy = replace(PRIVATE, pins={WorkKind.ACT: "cloud"})
    scene = begun(step(1, "put 7"), given=given(policy, SMALL, CLOUD))
    assert scene.asked.tier == "small"
    assert "pinned to cloud, but the data is private" in routes(scene)[0].reason


def test_once_a_private_tool_was_called_nothing_goes_elsewhere_any_more() -> None:
    policy = RoutePolicy(private_tools=("look",))
    steps = step(1, "look 8", ToolSucceeded("look")), step(2, "put 7")
    scene = begun(*steps, given=given(policy, CLOUD, SMALL))
    assert scene.asked.tier == "cloud"
    looked = sc.returned(sc.allowed(sc.feed(scene, sc.called("look", value="8"))))
    assert looked.active == 2
    assert looked.asked.tier == "small"


def test_a_tier_whose_answer_costs_more_than_is_allowed_is_not_asked() -> None:
    dear = replace(LARGE, price_out_usd=100.0)
    policy = RoutePolicy(mode=RouteMode.MEASURED, most_usd=0.001)
    event = routes(begun(step(1, "drop 7"), given=given(policy, SMALL, dear), skills=SKILLS))[0]
    assert event.tier == "small"
    assert event.shortfall > 0
    assert "costs about $" in event.alternatives[0].why


def test_a_tier_that_answers_too_slowly_is_not_asked_nor_climbed_to() -> None:
    policy = RoutePolicy(mode=RouteMode.MEASURED, most_seconds=5.0)
    skills = {"small": sure(0.5, seconds=1.0), "large": sure(0.95, seconds=20.0)}
    scene = begun(step(1, "put 7"), given=given(policy), skills=skills)
    assert scene.asked.tier == "small"
    assert isinstance(sc.feed(scene, sc.unanswered(DOWN)).outcome, Failed)


def test_what_is_left_of_the_budget_steers_the_choice_and_forbids_nothing() -> None:
    dear = replace(LARGE, price_out_usd=100.0)
    budget = Budget(usd=0.001)
    scene = begun(step(1, "put 7"), given=given(MEASURED, SMALL, dear, budget=budget), skills=SKILLS)
    assert scene.asked.tier == "small"
    alone = begun(step(1, "put 7"), given=given(MEASURED, dear, budget=budget), skills=SKILLS)
    assert alone.asked.tier == "large"


# evidence after parsing


def routes(scene: sc.Scene) -> list[RouteChosen]:
    return [event for event in scene.events if isinstance(event, RouteChosen)]


def last_parsed(scene: sc.Scene) -> AnswerParsed:
    return [event for event in scene.events if isinstance(event, AnswerParsed)][-1]


def weighing(text: str = "put the value 7") -> sc.Scene:
    scene = begun(step(1, text), step(2, "put the value 8"), given=given(MEASURED), skills=FIRST_SMALL)
    assert scene.asked.tier == "small"
    return scene


def test_an_answer_that_shows_what_wrong_ones_show_goes_up_and_nothing_of_it_runs() -> None:
    scene = sc.feed(weighing(), sc.called("put", value="something that nobody wrote"))
    weighed = last_parsed(scene).weighed
    assert weighed is not None
    assert weighed.larger_tier == "large"
    assert weighed.chance < 0.75
    assert scene.asked.tier == "large"
    assert not scene.flights
    assert "small's answer is not used" in routes(scene)[-1].reason


def test_an_answer_that_shows_what_right_ones_show_is_used() -> None:
    scene = sc.feed(weighing(), sc.called("put", value="7"))
    weighed = last_parsed(scene).weighed
    assert weighed is not None
    assert not weighed.larger_tier
    assert scene.flight.tier == "small"


def test_after_a_second_opinion_the_next_step_begins_with_the_small_tier_again() -> None:
    scene = sc.feed(weighing(), sc.called("put", value="something that nobody wrote"))
    scene = sc.returned(sc.allowed(sc.feed(scene, sc.called("put", value="7"))))
    scene = sc.feed(scene, sc.said("It is done."))
    assert scene.active == 2
    assert scene.asked.tier == "small"


def test_where_the_run_stays_the_next_step_begins_with_the_larger_tier() -> None:
    policy = RoutePolicy(after_escalation=AfterEscalation.STAY)
    steps = step(1, "put 7", ToolSucceeded("put")), step(2, "look 8")
    scene = sc.feed(begun(*steps, given=given(policy)), sc.unanswered(DOWN))
    scene = sc.returned(sc.allowed(sc.feed(scene, sc.called("put", value="7"))))
    assert scene.active == 2
    assert scene.asked.tier == "large"
    assert "stays" in routes(scene)[-1].reason


def test_an_open_step_goes_down_again_once_a_larger_tier_has_made_progress() -> None:
    plan = Plan((replace(step(1, "look around"), is_open=True),), origin=GOAL)
    scene = sc.feed(begun(given=given(RoutePolicy()), plan=plan), sc.unanswered(DOWN))
    assert scene.asked.tier == "large"
    scene = sc.returned(sc.allowed(sc.feed(scene, sc.called("look", value="7"))))
    assert scene.asked.tier == "small"
    scene = sc.feed(scene, sc.unanswered(DOWN))
    scene = sc.returned(sc.allowed(sc.feed(scene, sc.called("look", value="8"))))
    assert scene.asked.tier == "large", "it went down once; the second time it stays"


def test_a_larger_tier_is_shown_goal_step_and_what_was_found_but_no_answer_of_the_smaller_one() -> None:
    steps = step(1, "look 5", ToolSucceeded("look")), step(2, "put the value 7")
    scene = begun(*steps, given=given(MEASURED), skills=FIRST_SMALL)
    scene = sc.returned(sc.allowed(sc.feed(scene, sc.called("look", value="5"))), text="the shelf is empty")
    scene = sc.feed(scene, sc.called("put", value="something that nobody wrote"))
    assert scene.asked.tier == "large"
    for needed in ("Get it done.", "put the value 7", "the shelf is empty"):
        assert needed in scene.shown
    assert "nobody wrote" not in scene.shown


def test_nothing_is_weighed_where_there_is_no_larger_tier_or_tiers_are_not_measured() -> None:
    for config, skills in (
        (given(MEASURED, SMALL), SKILLS),
        (given(RoutePolicy()), SKILLS),
        (given(MEASURED), {}),
    ):
        scene = begun(step(1, "put the value 7"), given=config, skills=skills)
        assert last_parsed(sc.feed(scene, sc.called("put", value="elsewhere"))).weighed is None


def test_an_answer_is_not_given_up_for_a_tier_that_may_not_see_the_data() -> None:
    policy = RoutePolicy(mode=RouteMode.MEASURED, is_private=True)
    skills = {"small": sure(0.92), "cloud": sure(0.95)}
    scene = begun(step(1, "put the value 7"), given=given(policy, SMALL, CLOUD), skills=skills)
    assert last_parsed(sc.feed(scene, sc.called("put", value="elsewhere"))).weighed is None


def test_replay_decides_nothing_again() -> None:
    scene = sc.feed(weighing(), sc.called("put", value="something that nobody wrote"))
    again = transitions.replay(scene.events)
    assert again == scene.machine
    assert again.task(1).attempts.tier_index == 1
