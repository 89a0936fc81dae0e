"""Every transition of the table can happen, and on every path the laws hold."""

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.budget import Budget
from nebulus.core.commands import AskModel, Intend, EvaluateChecks, RunTool
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.plan import Goal, PathExists, Plan, ToolSucceeded
from nebulus.core.tools import ToolResult
from nebulus.loop.machine import TABLE, diagram, feed, replay
from nebulus.core.limits import Limits
from tests.unit.loop import scenario as sc

FAILURES = [Failure(kind=kind, fault=Fault.BACKEND, what="it broke") for kind in FailureKind]

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
    sc.said('{"due": "ok"}'),
    sc.said('{"due": "never"}'),
    sc.said("Which one do you mean?"),
]


def possible(machine: Scene) -> list[e.Event]:
    """All that could be recorded now, in a few variants of each."""
    call_id = machine.call.call_id
    asked = machine.command
    tier = asked.tier if isinstance(asked, AskModel) else ""
    count = len(asked.checks) if isinstance(asked, EvaluateChecks) else 0
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
            e.SetupChanged(setup=to_builtins(replace(machine.machine.config, budget=budget)))
            for budget in (machine.machine.config.budget, Budget(model_calls=1))
        ],
    }
    return [event for phase, kind in TABLE if phase is machine.phase for event in variants[kind]]


SETUP = sc.setup(tiers=(sc.SMALL, sc.LARGE), budget=Budget(model_calls=40, tool_calls=12))
DUE = replace(sc.step(1, "look and put", PathExists("a")), reads={"due": "when it is due"})
STEPS = st.lists(
    st.sampled_from(
        [
            sc.step(1, "put a", ToolSucceeded("put")),
            sc.step(1, "look", PathExists("a")),
            sc.step(1, "think"),
            sc.step(1, "drop a", ToolSucceeded("drop"), PathExists("a")),
            DUE,
        ]
    ),
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, has_goal_check=st.booleans(), choices=st.lists(st.integers(0, 10_000), max_size=120))
def test_on_every_path_the_guard_stands_before_the_effect_and_replay_agrees(
    steps: list[sc.Step], has_goal_check: bool, choices: list[int]
) -> None:
    numbered = [replace(step, number=number) for number, step in enumerate(steps, start=1)]
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


def test_the_diagram_shows_every_transition_of_the_table() -> None:
    drawn = diagram().splitlines()
    assert len(drawn) == 3 + sum(len(rule.to) for rule in TABLE.values())


def test_every_transition_that_the_table_declares_can_happen() -> None:
    budgets = (Budget(model_calls=40, tool_calls=12), Budget(model_calls=2), Budget(tool_calls=1))
    plans = (
        [],
        [sc.step(1, "put a", ToolSucceeded("put"), PathExists("a"))],
        [sc.step(1, "think")],
        [sc.step(1, "look", ToolSucceeded("look")), sc.step(2, "look")],
        [replace(DUE, checks=(ToolSucceeded("look"),))],
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
        taken |= transitions_from(after_put(judged), at_most=5)
    once = sc.setup(limits=Limits(strategies={"model.no_progress": "stop"}), budget=Budget(model_calls=2))
    asks = sc.said("Which one do you mean?")
    consulting = feed(sc.begun(sc.step(1, "think"), given=once), asks)
    taken |= transitions_from(sc.begun(sc.step(1, "think"), given=once), at_most=3)
    taken |= transitions_from(consulting, at_most=2)
    again = feed(sc.answered(consulting, is_yes=True), asks)
    taken |= transitions_from(again, at_most=1)
    reading = sc.begun(replace(DUE, checks=(ToolSucceeded("put"),)), sc.step(2, "think"))
    taken |= transitions_from(after_put(feed(reading, sc.called("put", value="a"))), at_most=5)
    for budget in budgets:
        given_setup = sc.setup(tiers=(sc.SMALL, sc.LARGE), budget=budget)
        for plan in plans:
            for checks in ((), (PathExists("g"),)):
                taken |= transitions_from(sc.begun(*plan, given=given_setup, checks=checks), at_most=250)
    declared = {(phase, kind, to) for (phase, kind), rule in TABLE.items() for to in rule.to}
    never = {item for item in declared - taken if item[1] is not e.GoalGiven}
    assert not never


def after_put(judged: Scene) -> Scene:
    """The machine after the call that it judges was allowed and came back."""
    call_id = judged.call.call_id
    ready = feed(judged, e.CallAllowed(call_id=call_id, rule="r"))
    intended = feed(ready, e.EffectIntended(call_id=call_id, key=ready.key))
    return feed(intended, e.ToolReturned(call_id=call_id, result=ToolResult(text="ok")))


def transitions_from(begun: Scene, *, at_most: int) -> set[tuple[Phase, type, Phase]]:
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
                after.active,
                tries.rung,
                len(tries.succeeded),
                len(tries.findings),
                tries.retries,
                tries.tool_errors,
                after.call.tool,
                len(after.queue),
                min(counts.tool_calls, 2),
                after.extraction,
            )
            if state not in seen and after.phase is not Phase.FINISHED:
                seen.add(state)
                frontier.append(after)
    return taken
