"""The machine keeps its laws on every path."""

from collections import Counter

import pytest
from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.answers import OneCall, Shape
from nebulus.core.budget import Budget
from nebulus.core.commands import (
    AskModel,
    AskPerson,
    Command,
    Finish,
    Intend,
    Judge,
    RunChecks,
    RunTool,
    Wait,
)
from nebulus.core.errors import IllegalEventError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.outcome import Blocked, Done, Exhausted, Failed, Proof, Refused
from nebulus.core.plan import PathExists, StepStatus, ToolSucceeded
from nebulus.core.tools import ToolResult
from nebulus.loop.machine import feed
from nebulus.loop.progress import Machine, Phase
from tests.unit.loop import scenario as sc


def command(machine: Machine) -> Command:
    assert machine.command is not None
    return machine.command


def allowed(machine: Machine) -> Machine:
    return feed(machine, e.CallAllowed(call_id=machine.call.call_id, rule="r"))


def returned(machine: Machine, text: str = "ok") -> Machine:
    return feed(machine, e.ToolReturned(call_id=machine.call.call_id, result=ToolResult(text=text)))


def broken(kind: FailureKind = FailureKind.TRANSIENT, **more: float) -> Failure:
    return Failure(kind=kind, fault=Fault.BACKEND, what="it broke", **more)  # type: ignore[arg-type]


def test_a_runbook_of_reads_runs_from_goal_to_outcome() -> None:
    machine = sc.begun(
        sc.step(1, "look a", ToolSucceeded("look")), sc.step(2, "look b", ToolSucceeded("look"))
    )
    for value in "ab":
        machine = returned(allowed(feed(machine, sc.called("look", value=value))))
    outcome = machine.outcome
    assert isinstance(outcome, Done)
    assert outcome.proof is Proof.CLAIMED, "a call that succeeded is no look at the world"
    assert machine.state.done_count == 2


def test_an_effect_is_intended_before_it_is_run_and_a_read_is_not() -> None:
    machine = sc.begun(sc.step(1, "put a", ToolSucceeded("put")))
    machine = allowed(feed(machine, sc.called("put", value="a")))
    assert isinstance(command(machine), Intend)
    machine = feed(machine, e.EffectIntended(call_id=machine.call.call_id, key=machine.key))
    assert isinstance(command(machine), RunTool)
    reading = sc.begun(sc.step(1, "look a", ToolSucceeded("look")))
    assert isinstance(command(allowed(feed(reading, sc.called("look", value="a")))), RunTool)


def test_checks_that_hold_prove_a_step_and_the_goal() -> None:
    machine = sc.begun(sc.step(1, "put a", PathExists("a")), checks=(PathExists("b"),))
    machine = allowed(feed(machine, sc.called("put", value="a")))
    machine = returned(feed(machine, e.EffectIntended(call_id=machine.call.call_id, key=machine.key)))
    assert command(machine) == RunChecks(checks=(PathExists("a"),))
    machine = feed(machine, e.ChecksJudged(held=(True,)))
    assert machine.state.plan.steps[0].status is StepStatus.PROVEN
    assert command(machine) == RunChecks(checks=(PathExists("b"),))
    outcome = feed(machine, e.ChecksJudged(held=(True,))).outcome
    assert isinstance(outcome, Done)
    assert outcome.proof is Proof.PROVEN


def test_a_goal_check_that_does_not_hold_is_a_failure_and_never_done() -> None:
    machine = sc.begun(sc.step(1, "think"), checks=(PathExists("b"),))
    machine = feed(machine, sc.said("I thought."))
    outcome = feed(machine, e.ChecksJudged(held=(False,), why=("nothing stands at 'b'",))).outcome
    assert isinstance(outcome, Failed)
    assert outcome.failure.kind is FailureKind.CHECK_FAILED
    assert "nothing stands at 'b'" in outcome.failure.value


def test_words_where_a_call_is_needed_are_a_finding_and_the_next_attempt_changes_something() -> None:
    machine = sc.begun(sc.step(1, "put a", ToolSucceeded("put")))
    first = command(machine)
    machine = feed(machine, sc.said("I have put it there."))
    again = command(machine)
    assert isinstance(first, AskModel)
    assert isinstance(again, AskModel)
    assert again.request.temperature != first.request.temperature
    assert "1x no_call" in again.request.messages[-1].content
    assert "I have put it there" not in again.request.messages[-1].content


def test_the_same_finding_twice_climbs_to_the_next_tier_and_then_ends_in_a_typed_failure() -> None:
    given_setup = sc.setup(tiers=(sc.SMALL, sc.LARGE))
    machine = sc.begun(sc.step(1, "put a", ToolSucceeded("put")), given=given_setup)
    tiers = []
    for _ in range(10):
        asked = command(machine)
        if isinstance(asked, Finish):
            break
        assert isinstance(asked, AskModel)
        tiers.append(asked.tier)
        machine = feed(machine, sc.said("done", asked.tier))
    assert Counter(tiers) == {"small": 2, "large": 3}
    assert isinstance(machine.outcome, Failed)
    assert machine.outcome.failure.fault is Fault.MODEL


def test_wrong_arguments_are_asked_for_again_alone() -> None:
    machine = sc.begun(sc.step(1, "put a", ToolSucceeded("put")))
    machine = feed(machine, sc.called("put", value=3.5, extra=1))
    asked = command(machine)
    assert isinstance(asked, AskModel)
    assert asked.request.form == OneCall("put")


def test_a_refused_call_is_told_once_and_its_repeat_ends_the_run() -> None:
    machine = sc.begun(sc.step(1, "drop a", ToolSucceeded("drop")))
    machine = feed(machine, sc.called("drop", value="a"))
    machine = feed(machine, e.CallRefused(call_id=machine.call.call_id, rule="r1", reason="never drop"))
    asked = command(machine)
    assert isinstance(asked, AskModel)
    assert "never drop" in asked.request.messages[-1].content
    machine = feed(machine, sc.called("drop", value="a"))
    machine = feed(machine, e.CallRefused(call_id=machine.call.call_id, rule="r1", reason="never drop"))
    assert machine.outcome == Refused(rule="r1", reason="never drop", step=1)


def test_what_must_be_approved_runs_after_a_yes_ends_after_a_no_and_blocks_when_nobody_is_there() -> None:
    machine = feed(sc.begun(sc.step(1, "drop a", ToolSucceeded("drop"))), sc.called("drop", value="a"))
    asked = feed(
        machine, e.ApprovalAsked(call_id=machine.call.call_id, rule="r", reason="it can't be undone")
    )
    assert isinstance(command(asked), AskPerson)
    question_id = asked.call.call_id
    assert isinstance(command(feed(asked, e.PersonAnswered(question_id=question_id, is_yes=True))), Intend)
    assert isinstance(feed(asked, e.PersonAnswered(question_id=question_id, is_yes=False)).outcome, Refused)
    assert isinstance(feed(asked, e.PersonAbsent(question_id=question_id)).outcome, Blocked)


def test_the_paths_that_were_judged_are_the_paths_that_are_run() -> None:
    machine = feed(sc.begun(sc.step(1, "look x", ToolSucceeded("look"))), sc.called("look", value="x/../y"))
    machine = feed(machine, e.CallAllowed(call_id=machine.call.call_id, rule="r", canonical={"value": "y"}))
    run = command(machine)
    assert isinstance(run, RunTool)
    assert run.call.arguments == {"value": "y"}


def test_an_unknown_outcome_is_put_before_a_person_and_never_repeated_blindly() -> None:
    machine = feed(sc.begun(sc.step(1, "drop a", ToolSucceeded("drop"))), sc.called("drop", value="a"))
    machine = allowed(machine)
    machine = feed(machine, e.EffectIntended(call_id=machine.call.call_id, key=machine.key))
    machine = feed(machine, e.OutcomeUnknown(call_id=machine.call.call_id, why="the process died"))
    asked = command(machine)
    assert isinstance(asked, AskPerson)
    assert asked.question.kind == "unknown_outcome"
    yes = feed(machine, e.PersonAnswered(question_id="q", is_yes=True))
    assert isinstance(yes.outcome, Done)
    no = feed(machine, e.PersonAnswered(question_id="q", is_yes=False))
    assert isinstance(command(no), Intend)


def test_the_same_question_asked_later_on_is_another_one() -> None:
    """Else the answer to the first, kept for who dies before recording it, would serve the second as well."""
    machine = feed(sc.begun(sc.step(1, "drop a", ToolSucceeded("drop"))), sc.called("drop", value="a"))
    machine = allowed(machine)
    digests = []
    for _ in range(2):
        machine = feed(machine, e.EffectIntended(call_id=machine.call.call_id, key=machine.key))
        machine = feed(machine, e.OutcomeUnknown(call_id=machine.call.call_id, why="the process died"))
        asked = command(machine)
        assert isinstance(asked, AskPerson)
        digests.append(asked.question.digest)
        machine = feed(machine, e.PersonAnswered(question_id="q", is_yes=False))
    assert digests[0] != digests[1]


def test_a_throttled_backend_is_waited_for_as_long_as_it_says() -> None:
    machine = sc.begun(sc.step(1, "look a", ToolSucceeded("look")))
    asked = command(machine)
    machine = feed(
        machine, e.ModelFailed(tier="small", failure=broken(FailureKind.THROTTLED, retry_after_s=7))
    )
    assert isinstance(command(machine), Wait)
    assert command(machine).seconds == 7  # type: ignore[union-attr]
    again = command(feed(machine, e.TimePassed(seconds=7)))
    assert isinstance(again, AskModel)
    assert isinstance(asked, AskModel)
    assert again.tier == asked.tier


def test_a_backend_that_never_answers_ends_in_its_own_failure_with_the_attempts_counted() -> None:
    machine = sc.begun(sc.step(1, "look a", ToolSucceeded("look")))
    for _ in range(20):
        if machine.outcome is not None:
            break
        if isinstance(command(machine), Wait):
            machine = feed(machine, e.TimePassed(seconds=1))
        else:
            machine = feed(machine, e.ModelFailed(tier="small", failure=broken()))
    assert isinstance(machine.outcome, Failed)
    assert machine.outcome.failure.kind is FailureKind.TRANSIENT
    assert machine.outcome.failure.attempts == 5


def test_a_spent_budget_is_a_hard_stop_that_names_what_is_undone() -> None:
    given_setup = sc.setup(budget=Budget(model_calls=1))
    machine = sc.begun(sc.step(1, "look a"), sc.step(2, "look b"), given=given_setup)
    machine = feed(machine, sc.said("looked"))
    assert isinstance(machine.outcome, Exhausted)
    assert machine.outcome.resource == "model_calls"
    assert machine.outcome.undone == ("2. look b",)


def test_a_goal_without_steps_asks_the_planning_tier_and_accepts_only_a_valid_plan() -> None:
    machine = sc.begun()
    asked = command(machine)
    assert machine.phase is Phase.PLANNING
    assert isinstance(asked, AskModel)
    assert isinstance(asked.request.form, Shape)
    machine = feed(machine, sc.said('{"steps": [{"text": "fly", "tool": "wings"}]}'))
    assert machine.phase is Phase.PLANNING, "a tool that is not there is no plan"
    machine = feed(machine, sc.said('{"steps": [{"text": "look at a", "tool": "look"}]}'))
    assert machine.phase is Phase.ASKING
    assert machine.state.plan.origin == "tier small"


def test_several_calls_of_one_answer_are_judged_one_by_one() -> None:
    machine = sc.begun(sc.step(1, "look and look"))
    two = sc.said(
        '<tool_call>\n{"name": "look", "arguments": {"value": "a"}}\n</tool_call>'
        '<tool_call>\n{"name": "look", "arguments": {"value": "b"}}\n</tool_call>'
    )
    machine = feed(machine, two)
    first = machine.call
    machine = returned(allowed(machine))
    assert isinstance(command(machine), Judge)
    assert machine.call.call_id == f"{first.call_id}.1"
    assert machine.call.arguments == {"value": "b"}


def test_an_event_out_of_place_is_refused_with_what_would_be_legal() -> None:
    with pytest.raises(
        IllegalEventError, match=r"ToolReturned came at position 2 while asking; legal here: ModelAnswered"
    ):
        feed(sc.begun(sc.step(1, "x")), e.ToolReturned(call_id="c", result=ToolResult(text="")))


def test_the_tools_of_a_step_stay_in_place_for_the_next_one() -> None:
    many = tuple(replace(sc.LOOK, name=f"tool_{letter}") for letter in "abcdefgh")
    given = replace(sc.setup(), tools=many)
    steps = [
        sc.step(1, "use tool_h", ToolSucceeded("tool_h")),
        sc.step(2, "use tool_a", ToolSucceeded("tool_a")),
    ]
    machine = sc.begun(*steps, given=given)
    asked = command(machine)
    assert isinstance(asked, AskModel)
    before = [tool.name for tool in asked.request.tools]
    machine = returned(allowed(feed(machine, sc.called("tool_h", value="a"))))
    asked = command(machine)
    assert isinstance(asked, AskModel)
    assert [tool.name for tool in asked.request.tools] == before
    assert "tool_h" in before
