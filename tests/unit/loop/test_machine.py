"""The machine keeps its laws on every path."""

from collections import Counter, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins
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
from nebulus.core.plan import Goal, PathExists, Plan, StepStatus, ToolSucceeded
from nebulus.core.tools import ToolResult
from nebulus.loop.machine import TABLE, diagram, feed, replay
from nebulus.loop.progress import Machine, Phase, new_machine
from nebulus.recovery.strategy import Limits
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


def test_the_diagram_shows_every_transition_of_the_table() -> None:
    drawn = diagram().splitlines()
    assert len(drawn) == 3 + sum(len(rule.to) for rule in TABLE.values())


FAILURES = [broken(kind) for kind in FailureKind]
ANSWERS = [
    sc.called("look", value="a"),
    sc.called("put", value="a"),
    sc.called("drop", value="a"),
    sc.called("put", value=1.5),
    sc.called("nope"),
    sc.said("".join(sc.called("put", value=value).answer.text for value in "ab")),
    sc.said("It is done."),
    sc.said(""),
    sc.said('{"steps": [{"text": "put a", "tool": "put"}]}'),
]


def possible(machine: Machine) -> list[e.Event]:
    """All that could be recorded now, in a few variants of each."""
    call_id = machine.call.call_id
    asked = machine.command
    tier = asked.tier if isinstance(asked, AskModel) else ""
    count = len(asked.checks) if isinstance(asked, RunChecks) else 0
    variants: dict[type, list[e.Event]] = {
        e.ModelAnswered: [e.ModelAnswered(tier=tier, answer=answer.answer) for answer in ANSWERS],
        e.ModelFailed: [e.ModelFailed(tier=tier, failure=failure) for failure in FAILURES],
        e.CallAllowed: [e.CallAllowed(call_id=call_id, rule="r")],
        e.CallRefused: [e.CallRefused(call_id=call_id, rule="r", reason="no")],
        e.ApprovalAsked: [e.ApprovalAsked(call_id=call_id, rule="r", reason="sure?")],
        e.PersonAnswered: [e.PersonAnswered(question_id="q", is_yes=yes) for yes in (True, False)],
        e.PersonAbsent: [e.PersonAbsent(question_id="q")],
        e.EffectIntended: [e.EffectIntended(call_id=call_id, key=machine.key)],
        e.ToolReturned: [e.ToolReturned(call_id=call_id, result=ToolResult(text="ok"))],
        e.ToolFailed: [e.ToolFailed(call_id=call_id, failure=failure) for failure in FAILURES],
        e.OutcomeUnknown: [e.OutcomeUnknown(call_id=call_id, why="died")],
        e.ChecksJudged: [e.ChecksJudged(held=(held,) * count, why=("no",) * count) for held in (True, False)],
        e.TimePassed: [e.TimePassed(seconds=1.0)],
        e.SetupChanged: [
            e.SetupChanged(setup=to_builtins(replace(machine.setup, budget=budget)))
            for budget in (machine.setup.budget, Budget(model_calls=1))
        ],
    }
    return [event for phase, kind in TABLE if phase is machine.phase for event in variants[kind]]


SETUP = sc.setup(tiers=(sc.SMALL, sc.LARGE), budget=Budget(model_calls=40, tool_calls=12))
STEPS = st.lists(
    st.sampled_from(
        [
            sc.step(1, "put a", ToolSucceeded("put")),
            sc.step(1, "look", PathExists("a")),
            sc.step(1, "think"),
            sc.step(1, "drop a", ToolSucceeded("drop"), PathExists("a")),
        ]
    ),
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, has_goal_check=st.booleans(), choices=st.lists(st.integers(0, 10_000), max_size=120))
def test_on_every_path_the_guard_stands_before_the_effect_and_replay_agrees(
    steps: list[sc.Step], has_goal_check: bool, choices: list[int]
) -> None:
    numbered = [sc.step(number, step.text, *step.checks) for number, step in enumerate(steps, start=1)]
    machine = sc.begun(*numbered, given=SETUP, checks=(PathExists("g"),) if has_goal_check else ())
    goal = e.GoalGiven(goal=machine.state.goal, plan=sc.Plan(tuple(numbered)), run_id="r")
    events: list[e.Event] = [goal]
    permitted: set[str] = set()
    for choice in choices:
        if machine.phase is Phase.FINISHED:
            break
        options = possible(machine)
        event = options[choice % len(options)]
        match event:
            case e.CallAllowed():
                permitted.add(machine.call.call_id)
            case e.PersonAnswered(is_yes=True):
                permitted.add(machine.call.call_id)
            case _:
                pass
        machine = feed(machine, event)
        events.append(event)
        if isinstance(machine.command, RunTool | Intend):
            assert machine.call.call_id in permitted
        assert machine.position == len(events)
    again = replay(SETUP, tuple(events))
    assert again == machine
    assert new_machine(SETUP).phase is Phase.NEW


def test_every_transition_that_the_table_declares_can_happen() -> None:
    budgets = (Budget(model_calls=40, tool_calls=12), Budget(model_calls=2), Budget(tool_calls=1))
    plans = (
        [],
        [sc.step(1, "put a", ToolSucceeded("put"), PathExists("a"))],
        [sc.step(1, "think")],
        [sc.step(1, "look", ToolSucceeded("look")), sc.step(2, "look")],
    )
    taken: set[tuple[Phase, type, Phase]] = set()
    rows = {f"model.{kind}": "person" for kind in ("malformed_answer", "check_failed", "timeout")}
    anew = {"model.check_failed": "replan", "tool.permanent": "replan"}
    for limits in (Limits(strategies=rows), Limits(strategies=anew)):
        planned = Plan((sc.step(1, "put a", ToolSucceeded("put"), PathExists("a")),), origin="tier small")
        begun = feed(new_machine(sc.setup(limits=limits)), e.GoalGiven(goal=Goal(text="g"), plan=planned))
        taken |= transitions_from(begun, at_most=150)
        judged = feed(begun, sc.called("put", value="a"))
        asked = e.ApprovalAsked(call_id=judged.call.call_id, rule="flow.unendorsed", reason="sure?")
        taken |= transitions_from(feed(judged, asked), at_most=5)
        ready = allowed(judged)
        done = returned(feed(ready, e.EffectIntended(call_id=ready.call.call_id, key=ready.key)))
        taken |= transitions_from(done, at_most=5)
    for budget in budgets:
        given_setup = sc.setup(tiers=(sc.SMALL, sc.LARGE), budget=budget)
        for plan in plans:
            for checks in ((), (PathExists("g"),)):
                taken |= transitions_from(sc.begun(*plan, given=given_setup, checks=checks), at_most=250)
    declared = {(phase, kind, to) for (phase, kind), rule in TABLE.items() for to in rule.to}
    never = {item for item in declared - taken if item[1] is not e.GoalGiven}
    assert not never


def transitions_from(begun: Machine, *, at_most: int) -> set[tuple[Phase, type, Phase]]:
    """Walk breadth-first over machines that differ in what matters, and return the transitions seen."""
    taken, seen, frontier = set(), set(), deque([begun])
    while frontier and len(seen) < at_most:
        machine = frontier.popleft()
        for event in possible(machine):
            after = feed(machine, event)
            taken.add((machine.phase, type(event), after.phase))
            tries, counts = after.tries, after.spent
            state = (
                after.phase,
                after.state.active,
                tries.rung,
                len(tries.succeeded),
                len(tries.findings),
                tries.retries,
                tries.tool_errors,
                after.call.tool,
                len(after.queue),
                min(counts.tool_calls, 2),
            )
            if state not in seen and after.phase is not Phase.FINISHED:
                seen.add(state)
                frontier.append(after)
    return taken
