"""A resumed run: a question is asked again, what failed is tried again, what is done stays done."""

import pytest
from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.budget import Budget, Spent
from nebulus.core.commands import AskModel, AskPerson, JudgeCall, RunTool
from nebulus.core.context import RunUsage
from nebulus.core.errors import ConfigError, IllegalEventError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.limits import Limits
from nebulus.core.outcome import Blocked, Done, Exhausted, Failed, Refused
from nebulus.core.plan import PathExists, StepStatus, ToolSucceeded
from nebulus.core.strategy import Escalate
from nebulus.core.tiers import Tier
from nebulus.core.tools import ToolResult
from nebulus.core.verdict import Allow, Ask
from nebulus.loop import transitions
from nebulus.loop.machine import new_machine
from nebulus.loop.transitions import NO_CONFIG, replay
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import Scene, feed

BROKEN = Failure(kind=FailureKind.PERMANENT, fault=Fault.TOOL, what="it broke")
OTHER = Tier(name="other", window_tokens=4096)
TWO_TIERS = sc.setup(tiers=(sc.SMALL, sc.LARGE))
PUT_A = sc.step(1, "put a", ToolSucceeded("put"))


def resumed(scene: Scene, **changes: object) -> Scene:
    config = replace(scene.machine.config, **changes) if changes else None
    return feed(scene, e.RunResumed(config=config))


def before_a_person() -> Scene:
    return sc.held(feed(sc.begun(PUT_A, given=TWO_TIERS), sc.called("put", value="a")))


# after each outcome


def test_a_blocked_run_asks_the_same_question_again() -> None:
    blocked = sc.absent(before_a_person())
    assert isinstance(blocked.outcome, Blocked)
    again = resumed(blocked)
    assert again.question == blocked.outcome.question, (
        "an answer that was given meanwhile is to this very question"
    )
    assert isinstance(sc.answered(again).command, RunTool)


def test_a_question_of_the_model_is_asked_again_after_the_run_was_blocked() -> None:
    scene = sc.begun(PUT_A)
    for _ in range(2):
        scene = feed(scene, sc.said("Which of the two?"))
    blocked = sc.absent(scene)
    assert resumed(blocked).question == scene.question


def test_an_unknown_effect_is_asked_about_again_and_never_repeated_by_resuming() -> None:
    blocked = sc.absent(sc.unknown(sc.allowed(feed(sc.begun(PUT_A), sc.called("put", value="a")))))
    again = resumed(blocked)
    assert isinstance(again.command, AskPerson)
    assert again.question.kind == "unknown_outcome"


def failing(scene: Scene) -> Scene:
    """Return the scene with everything that a model answers unusable, to the end."""
    while scene.outcome is None:
        scene = feed(scene, sc.said(""))
    return scene


def test_a_failed_step_is_tried_again_from_the_smallest_tier_with_its_attempts_at_zero() -> None:
    failed = failing(sc.begun(PUT_A, given=TWO_TIERS))
    assert isinstance(failed.outcome, Failed)
    again = resumed(failed)
    assert again.state.step(1).status is StepStatus.ACTIVE
    assert again.asked.tier == "small"
    assert not again.attempts.findings
    assert isinstance(sc.done(again, "put").outcome, Done)


def test_a_refused_step_is_tried_again_and_may_be_refused_as_often_as_before() -> None:
    scene = feed(sc.begun(PUT_A, given=sc.setup(limits=Limits(refusals=2))), sc.called("put", value="a"))
    scene = feed(sc.refused(scene, "no"), sc.called("put", value="b"))
    refused = sc.refused(scene, "no")
    assert isinstance(refused.outcome, Refused)
    again = sc.refused(feed(resumed(refused), sc.called("put", value="c")), "no")
    assert again.outcome is None
    assert isinstance(again.command, AskModel)


def test_a_person_who_has_helped_once_may_be_asked_again_after_the_failed_run_was_resumed() -> None:
    denied = replace(BROKEN, kind=FailureKind.PERMISSION)

    def tried(scene: Scene) -> Scene:
        while scene.outcome is None and isinstance(scene.command, AskModel):
            scene = feed(scene, sc.called("put", value="a"))
            scene = sc.broken(sc.allowed(scene), denied) if scene.flights else scene
        return scene

    helped = sc.answered(tried(sc.begun(PUT_A)))
    assert helped.attempts.is_helped
    failed = tried(helped)
    assert isinstance(failed.outcome, Failed)
    assert not resumed(failed).attempts.is_helped


def test_an_exhausted_run_goes_on_with_a_larger_budget_and_ends_again_without_one() -> None:
    steps = (PUT_A, sc.step(2, "look", ToolSucceeded("look")))
    exhausted = sc.done(sc.begun(*steps, given=sc.setup(budget=Budget(model_calls=1))), "put")
    assert isinstance(exhausted.outcome, Exhausted)
    assert isinstance(resumed(exhausted).outcome, Exhausted)
    larger = resumed(exhausted, budget=Budget(model_calls=5))
    assert larger.asked.step == 2
    assert isinstance(sc.done(larger, "look").outcome, Done)


def test_what_succeeded_before_a_failure_is_kept_and_not_asked_for_again() -> None:
    both = sc.step(1, "look and put", ToolSucceeded("look"), ToolSucceeded("put"))
    scene = failing(sc.done(sc.begun(both), "look"))
    again = resumed(scene)
    assert again.attempts.succeeded == ("look",)
    assert isinstance(sc.done(again, "put").outcome, Done), "the look of before counts"


def test_where_every_call_has_succeeded_only_the_checks_are_evaluated_again() -> None:
    scene = sc.done(sc.begun(sc.step(1, "put a", ToolSucceeded("put"), PathExists("a"))), "put")
    for _ in range(3):
        if scene.outcome is None:
            scene = sc.checked(scene, False, why=("nothing is there",))
        if scene.outcome is None:
            scene = failing(scene)
    again = resumed(scene)
    assert isinstance(sc.checked(again, True).outcome, Done)
    assert again.machine.spent.tool_calls == 1, "the effect is not brought about a second time"


def test_a_done_run_stays_done() -> None:
    done = sc.done(sc.begun(PUT_A), "put")
    for again in (resumed(done), resumed(done, tiers=(OTHER,))):
        assert again.outcome == done.outcome


def test_calls_of_other_steps_go_on_where_they_were_after_one_step_ended_the_run() -> None:
    steps = (sc.step(1, "look a", ToolSucceeded("look"), after=()), sc.step(2, "put b", after=()))
    scene = sc.begun(*steps)
    scene = feed(scene, replace(sc.called("look", "small", value="a"), step=1))
    looking = scene.flights[0].call.call_id
    scene = feed(scene, e.CallJudged(call_id=looking, verdict=Allow("r")))
    scene = feed(scene, replace(sc.called("put", "small", value="b"), step=2))
    scene = sc.absent(
        feed(scene, e.CallJudged(call_id=scene.flights[1].call.call_id, verdict=Ask("r", "sure?")))
    )
    scene = feed(scene, e.ToolReturned(call_id=looking, result=ToolResult(text="ok")))
    assert isinstance(scene.outcome, Blocked)
    again = resumed(scene)
    assert [type(command) for command in again.commands] == [AskPerson]
    assert isinstance(sc.answered(again).command, RunTool)


# with another configuration


def test_a_changed_configuration_routes_a_question_from_its_smallest_tier() -> None:
    scene = sc.begun(PUT_A, given=TWO_TIERS)
    for _ in range(2):
        scene = feed(scene, sc.said(""))
    assert scene.asked.tier == "large"
    assert resumed(scene, tiers=(OTHER, sc.LARGE)).asked.tier == "other"


def test_the_same_configuration_changes_no_question() -> None:
    scene = sc.begun(PUT_A, given=TWO_TIERS)
    for _ in range(2):
        scene = feed(scene, sc.said(""))
    assert resumed(scene).asked == scene.asked
    assert feed(scene, e.RunResumed(config=TWO_TIERS)).asked == scene.asked


def test_a_blocked_run_with_another_configuration_asks_on_with_a_tier_that_is_there() -> None:
    scene = sc.begun(PUT_A, given=TWO_TIERS)
    for _ in range(2):
        scene = feed(scene, sc.said(""))
    blocked = sc.absent(sc.held(feed(scene, sc.called("put", value="a"))))
    again = sc.answered(resumed(blocked, tiers=(OTHER,)))
    assert isinstance(sc.returned(again).outcome, Done), "who did the step can still be said"


def test_a_step_whose_call_is_under_way_stays_at_the_tier_of_the_same_name() -> None:
    scene = sc.begun(PUT_A, given=TWO_TIERS)
    for _ in range(2):
        scene = feed(scene, sc.said(""))
    running = sc.allowed(feed(scene, sc.called("put", value="a")))
    again = resumed(running, tiers=(OTHER, sc.SMALL, sc.LARGE))
    assert again.machine.tier_of(again.machine.task(1)).name == "large"


def test_a_tier_that_was_to_be_next_may_be_gone() -> None:
    """A call failed while another was running, and what the step does about it is decided already."""
    text = "".join(sc.called("look", value=value).answer.text for value in "ab")
    scene = feed(sc.begun(sc.step(1, "look around"), given=TWO_TIERS), sc.said(text))
    first, second = (flight.call.call_id for flight in scene.flights)
    machine = scene.machine
    for event in (
        e.CallJudged(call_id=first, verdict=Allow("r")),
        e.CallJudged(call_id=second, verdict=Allow("r")),
        e.ToolFailed(call_id=first, failure=BROKEN),
        e.RecoveryChosen(step=1, strategy=Escalate(), call_id=first),
        e.RunResumed(config=replace(TWO_TIERS, tiers=(OTHER,))),
    ):
        machine = transitions.feed(machine, event)
    scene = feed(Scene(machine), e.ToolReturned(call_id=second, result=ToolResult(text="ok")))
    assert scene.asked.tier == "other"


def test_a_call_under_way_whose_tool_is_gone_is_an_error() -> None:
    lacking = replace(TWO_TIERS, tools=(sc.LOOK,))
    running = sc.allowed(feed(sc.begun(PUT_A, given=TWO_TIERS), sc.called("put", value="a")))
    for scene in (before_a_person(), sc.absent(before_a_person()), running):
        with pytest.raises(ConfigError, match="a call of 'put' is under way"):
            feed(scene, e.RunResumed(config=lacking))


def test_a_call_that_is_settled_needs_its_tool_no_more() -> None:
    two = sc.called("look", value="a").answer.text + sc.called("put", value="b").answer.text
    scene = sc.done(sc.begun(sc.step(1, "look and put")), "look")
    assert resumed(scene, tools=(sc.PUT,)).asked.step == 1
    scene = sc.returned(sc.allowed(feed(sc.begun(sc.step(1, "look and put")), sc.said(two))))
    assert isinstance(resumed(scene, tools=(sc.PUT,)).command, JudgeCall)


def test_a_policy_that_changed_is_named_from_its_record_on() -> None:
    assert feed(before_a_person(), e.RunResumed(policy_digest="new")).machine.policy_digest == "new"


def test_what_was_spent_by_records_that_were_cut_off_counts() -> None:
    spent, usage = Spent(model_calls=7), RunUsage(calls=3)
    machine = feed(before_a_person(), e.RunResumed(spent=spent, usage=usage)).machine
    assert (machine.spent, machine.usage) == (spent, usage)


def test_a_run_that_never_began_can_not_be_resumed() -> None:
    with pytest.raises(IllegalEventError):
        transitions.feed(new_machine(NO_CONFIG), e.RunResumed())


def test_a_replay_through_resumptions_is_where_the_run_was() -> None:
    scene = resumed(failing(sc.begun(PUT_A, given=TWO_TIERS)), tiers=(OTHER,))
    scene = resumed(sc.absent(sc.held(feed(scene, sc.called("put", value="a")))))
    assert replay(scene.events) == scene.machine
