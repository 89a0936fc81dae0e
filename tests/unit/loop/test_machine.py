"""The machine keeps its invariants on every path."""

from collections import Counter

import pytest
from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.answers import OneCall, Shape
from nebulus.core.budget import Budget
from nebulus.core.commands import AskModel, AskPerson, EvaluateChecks, Finish, JudgeCall, RunTool, Wait
from nebulus.core.errors import IllegalEventError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.outcome import Blocked, Done, Exhausted, Failed, Proof, Refused
from nebulus.core.plan import PathExists, Plan, StepStatus, ToolSucceeded
from nebulus.core.result import ResultSpec
from nebulus.core.tools import ToolResult
from nebulus.loop import phases as p
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import Scene, feed


def broken(kind: FailureKind = FailureKind.TRANSIENT, **more: float) -> Failure:
    return Failure(kind=kind, fault=Fault.BACKEND, what="it broke", **more)  # type: ignore[arg-type]


def proposed(tool: str, value: str = "a") -> Scene:
    """A run whose only step needs `tool`, with a call of it before the guard."""
    return feed(sc.begun(sc.step(1, f"{tool} {value}", ToolSucceeded(tool))), sc.called(tool, value=value))


@pytest.mark.parametrize(
    ("origin", "has_goal_check", "proof"),
    [
        ("runbook", False, Proof.PROVEN),
        ("tier small", False, Proof.CLAIMED),
        ("tier small", True, Proof.PROVEN),
    ],
)
def test_steps_prove_a_goal_only_where_the_user_wrote_them_or_the_goal_has_checks(
    origin: str, has_goal_check: bool, proof: Proof
) -> None:
    step = sc.step(1, "put a", ToolSucceeded("put"), PathExists("a"))
    checks = (PathExists("a"),) if has_goal_check else ()
    scene = sc.checked(sc.done(sc.begun(plan=Plan((step,), origin=origin), checks=checks), "put"), True)
    if has_goal_check:
        scene = sc.checked(scene, True)
    assert isinstance(scene.outcome, Done)
    assert scene.outcome.proof is proof


def answered(origin: str) -> Scene:
    """A run whose one step read a number, and that answers it."""
    spec = ResultSpec(schema={"type": "number"})
    plan = Plan((sc.step(1, "look a", ToolSucceeded("look")),), origin=origin)
    return feed(sc.done(sc.begun(plan=plan, result=spec), "look", text="7"), sc.said("7"))


def test_an_answer_that_was_seen_is_proven_only_by_a_plan_of_the_user() -> None:
    proofs = {}
    for origin in ("runbook", "tier small"):
        outcome = answered(origin).outcome
        assert isinstance(outcome, Done)
        assert outcome.answer == 7
        proofs[origin] = outcome.proof
    assert proofs == {"runbook": Proof.PROVEN, "tier small": Proof.CLAIMED}


def test_a_runbook_of_reads_runs_from_goal_to_outcome() -> None:
    scene = sc.begun(sc.step(1, "look a", ToolSucceeded("look")), sc.step(2, "look b", ToolSucceeded("look")))
    for value in "ab":
        scene = sc.done(scene, "look", value)
    outcome = scene.outcome
    assert isinstance(outcome, Done)
    assert outcome.proof is Proof.CLAIMED, "a call that succeeded is not a look at the world"
    assert scene.state.done_count == 2


def test_a_call_runs_only_after_a_verdict() -> None:
    scene = proposed("put")
    assert isinstance(scene.command, JudgeCall)
    assert isinstance(sc.allowed(scene).command, RunTool)


def test_checks_that_pass_prove_a_step_and_the_goal() -> None:
    scene = sc.begun(sc.step(1, "put a", PathExists("a")), checks=(PathExists("b"),))
    scene = sc.done(scene, "put")
    assert scene.command == EvaluateChecks(step=1, checks=(PathExists("a"),))
    scene = sc.checked(scene, True)
    assert scene.state.plan.steps[0].status is StepStatus.PROVEN
    assert scene.command == EvaluateChecks(step=0, checks=(PathExists("b"),))
    outcome = sc.checked(scene, True).outcome
    assert isinstance(outcome, Done)
    assert outcome.proof is Proof.PROVEN


def test_a_goal_check_that_does_not_pass_is_a_failure_and_never_done() -> None:
    scene = feed(sc.begun(sc.step(1, "think"), checks=(PathExists("b"),)), sc.said("I thought."))
    outcome = sc.checked(scene, False, why=("there is nothing at 'b'",)).outcome
    assert isinstance(outcome, Failed)
    assert outcome.failure.kind is FailureKind.CHECK_FAILED
    assert "there is nothing at 'b'" in outcome.failure.value


def test_a_check_of_the_goal_for_a_call_is_decided_by_the_call_history() -> None:
    scene = sc.begun(sc.step(1, "look a", ToolSucceeded("look")), checks=(ToolSucceeded("look"),))
    outcome = sc.done(scene, "look").outcome
    assert isinstance(outcome, Done)
    assert outcome.proof is Proof.PROVEN
    other = sc.begun(sc.step(1, "look a", ToolSucceeded("look")), checks=(ToolSucceeded("put"),))
    failed = sc.done(other, "look").outcome
    assert isinstance(failed, Failed)
    assert "no call of put has succeeded" in failed.failure.value


def test_words_where_a_call_is_needed_are_a_finding_and_the_next_attempt_changes_something() -> None:
    scene = sc.begun(sc.step(1, "put a", ToolSucceeded("put")))
    first = scene.request
    scene = feed(scene, sc.said("I have put it there."))
    assert scene.request.temperature != first.temperature
    assert "1x no_call" in scene.shown
    assert "I have put it there" not in scene.shown


def test_the_same_finding_twice_escalates_and_then_ends_in_a_typed_failure() -> None:
    scene = sc.begun(sc.step(1, "put a", ToolSucceeded("put")), given=sc.setup(tiers=(sc.SMALL, sc.LARGE)))
    tiers = []
    for _ in range(10):
        if isinstance(scene.command, Finish):
            break
        tiers.append(scene.asked.tier)
        scene = feed(scene, sc.said("done"))
    assert Counter(tiers) == {"small": 2, "large": 3}
    assert isinstance(scene.outcome, Failed)
    assert scene.outcome.failure.fault is Fault.MODEL


def test_why_a_tier_was_chosen_is_recorded() -> None:
    scene = sc.begun(sc.step(1, "put a", ToolSucceeded("put")), given=sc.setup(tiers=(sc.SMALL, sc.LARGE)))
    for _ in range(2):
        scene = feed(scene, sc.said("done"))
    first, *_, last = [event for event in scene.events if isinstance(event, e.RouteChosen)]
    assert (first.tier, first.reason) == ("small", "the smallest of 2 that may execute")
    assert last.tier == "large"
    assert "small gave up: malformed_answer after 2" in last.reason


def test_after_wrong_arguments_only_the_arguments_are_requested_again() -> None:
    scene = sc.begun(sc.step(1, "put a", ToolSucceeded("put")))
    assert feed(scene, sc.called("put", value=3.5, extra=1)).request.form == OneCall("put")


def test_a_refused_call_is_told_once_and_its_repeat_ends_the_run() -> None:
    scene = sc.refused(proposed("drop"), "never drop", "r1")
    assert "never drop" in scene.shown
    scene = sc.refused(feed(scene, sc.called("drop", value="a")), "never drop", "r1")
    assert scene.outcome == Refused(rule="r1", reason="never drop", step=1)


def test_what_must_be_approved_runs_after_a_yes_ends_after_a_no_and_blocks_when_nobody_is_there() -> None:
    asked = sc.held(proposed("drop"), "it can't be undone")
    assert isinstance(asked.command, AskPerson)
    assert isinstance(sc.answered(asked).command, RunTool)
    assert isinstance(sc.answered(asked, is_yes=False).outcome, Refused)
    assert isinstance(sc.absent(asked).outcome, Blocked)


def test_the_paths_that_were_judged_are_the_paths_that_are_run() -> None:
    run = sc.allowed(proposed("look", "x/../y"), value="y").command
    assert isinstance(run, RunTool)
    assert run.call.arguments == {"value": "y"}


def test_a_person_is_asked_about_an_unknown_outcome_and_it_is_never_repeated_blindly() -> None:
    scene = sc.unknown(sc.allowed(proposed("drop")))
    assert isinstance(scene.command, AskPerson)
    assert scene.question.kind == "unknown_outcome"
    assert isinstance(sc.answered(scene).outcome, Done)
    assert isinstance(sc.answered(scene, is_yes=False).command, RunTool)


def test_the_same_question_asked_later_is_a_different_one() -> None:
    """Else the answer to the first, kept for who dies before recording it, would serve the second as well."""
    scene = sc.allowed(proposed("drop"))
    digests = []
    for _ in range(2):
        scene = sc.unknown(scene)
        digests.append(scene.question.digest)
        scene = sc.answered(scene, is_yes=False)
    assert digests[0] != digests[1]


def test_a_throttled_backend_is_waited_for_as_long_as_it_says() -> None:
    scene = sc.begun(sc.step(1, "look a", ToolSucceeded("look")))
    asked = scene.asked
    scene = feed(scene, sc.unanswered(broken(FailureKind.THROTTLED, retry_after_s=7)))
    assert isinstance(scene.command, Wait)
    assert scene.command.seconds == 7
    assert sc.waited(scene).asked.tier == asked.tier


def test_a_backend_that_never_answers_ends_in_its_own_failure_with_the_attempts_counted() -> None:
    scene = sc.begun(sc.step(1, "look a", ToolSucceeded("look")))
    for _ in range(20):
        if scene.outcome is not None:
            break
        is_waiting = isinstance(scene.command, Wait)
        scene = sc.waited(scene) if is_waiting else feed(scene, sc.unanswered(broken()))
    assert isinstance(scene.outcome, Failed)
    assert scene.outcome.failure.kind is FailureKind.TRANSIENT
    assert scene.outcome.failure.attempts == 5


def test_a_used_up_budget_is_a_hard_limit_that_names_what_is_undone() -> None:
    given = sc.setup(budget=Budget(model_calls=1))
    scene = feed(sc.begun(sc.step(1, "look a"), sc.step(2, "look b"), given=given), sc.said("looked"))
    assert isinstance(scene.outcome, Exhausted)
    assert scene.outcome.resource == "model_calls"
    assert scene.outcome.undone == ("2. look b",)


def test_a_goal_without_steps_asks_the_planning_tier_and_accepts_only_a_valid_plan() -> None:
    scene = sc.begun()
    assert scene.phase is p.Planning
    assert isinstance(scene.request.form, Shape)
    scene = feed(scene, sc.said('{"steps": [{"text": "fly", "tool": "wings"}]}'))
    assert scene.phase is p.Planning, "a plan names only tools that are there"
    scene = feed(scene, sc.said('{"steps": [{"text": "look at a", "tool": "look"}]}'))
    assert scene.phase is p.Working
    assert scene.state.plan.origin == "tier small"


def test_effects_of_one_answer_are_judged_and_run_one_after_the_other() -> None:
    two = sc.said("".join(sc.called("put", value=value).answer.text for value in "ab"))
    scene = feed(sc.begun(sc.step(1, "put and put")), two)
    first = scene.call
    assert len(scene.commands) == 1
    scene = sc.returned(sc.allowed(scene))
    assert isinstance(scene.command, JudgeCall)
    assert scene.call.call_id == f"{first.call_id}.1"
    assert scene.call.arguments == {"value": "b"}


def test_an_event_out_of_place_is_refused_with_what_would_be_legal() -> None:
    scene = sc.begun(sc.step(1, "x"))
    early = e.ChecksEvaluated(step=1, passed=(True,))
    with pytest.raises(
        IllegalEventError, match=r"ChecksEvaluated came at position 3 while Asking; legal here: ModelAnswered"
    ):
        feed(scene, early)
    with pytest.raises(IllegalEventError, match=r"ToolReturned came at position 3 while Working"):
        feed(scene, e.ToolReturned(call_id="c", result=ToolResult(text="")))


def test_nothing_happens_to_a_run_that_is_over_but_being_resumed() -> None:
    over = sc.done(sc.begun(sc.step(1, "look a", ToolSucceeded("look"))), "look")
    with pytest.raises(IllegalEventError):
        feed(over, e.ChecksEvaluated(step=1, passed=(True,)))
    assert feed(over, e.RunResumed()).outcome == over.outcome


def test_the_tools_of_a_step_stay_in_place_for_the_next_one() -> None:
    many = tuple(replace(sc.LOOK, name=f"tool_{letter}") for letter in "abcdefgh")
    steps = (
        sc.step(1, "use tool_h", ToolSucceeded("tool_h")),
        sc.step(2, "use tool_a", ToolSucceeded("tool_a")),
    )
    scene = sc.begun(*steps, given=replace(sc.setup(), tools=many))
    composed = scene.composed
    answer = replace(sc.called("tool_h", value="a"), tools_shown=composed.tools_shown)
    scene = sc.returned(sc.allowed(feed(scene, answer)))
    before = [tool.name for tool in composed.request.tools]
    assert [tool.name for tool in scene.request.tools] == before
    assert "tool_h" in before


def test_without_a_plan_one_is_requested_and_an_empty_one_is_not_a_plan() -> None:
    scene = sc.begun(plan=Plan(()))
    assert isinstance(scene.command, AskModel)
    assert feed(scene, sc.said('{"steps": []}')).phase is p.Planning
