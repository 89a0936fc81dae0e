"""Every transition of the tables can happen, and on every path the invariants are kept."""

import random
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core import strategy as s
from nebulus.core.answers import ModelAnswer
from nebulus.core.budget import Budget
from nebulus.core.commands import AskModel, AskPerson, RunTool
from nebulus.core.events import Event, Parsed, ProposedCall, RunStarted
from nebulus.core.findings import Call
from nebulus.core.outcome import Question
from nebulus.core.plan import Goal, PathExists, Plan, Step, ToolSucceeded
from nebulus.core.result import ResultSpec
from nebulus.core.tiers import StepKind
from nebulus.core.tools import ToolResult
from nebulus.core.verdict import Allow, Ask
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.pending import commands, questions
from nebulus.loop.phases import AwaitingApproval, Extracting, Finished, Recovering, Stopping, Working
from nebulus.loop.request import compose
from nebulus.loop.transitions import CALL, NO_CONFIG, RUN, TASK, Table, diagram, feed, followed, replay
from tests.properties import more
from tests.unit.loop import scenario as sc
from tests.unit.loop.possible import BROKEN, possible

CONFIG = sc.setup(tiers=(sc.SMALL, sc.LARGE), budget=Budget(model_calls=40, tool_calls=12))
DUE = replace(sc.step(1, "look and put", PathExists("a")), reads={"due": "when it is due"})
STEP = st.sampled_from(
    [
        sc.step(1, "put a", ToolSucceeded("put")),
        sc.step(1, "look", PathExists("a")),
        sc.step(1, "look", after=()),
        sc.step(1, "think"),
        sc.step(1, "drop a", ToolSucceeded("drop"), PathExists("a")),
        DUE,
    ]
)


def started(
    steps: Iterable[Step],
    *,
    budget: Budget = CONFIG.budget,
    checks: tuple[PathExists, ...] = (),
    result: ResultSpec | None = None,
    origin: str = "tier small",
) -> RunStarted:
    numbered = tuple(replace(step, number=number) for number, step in enumerate(steps, start=1))
    goal = Goal(text="Get it done.", checks=checks, result=result)
    return RunStarted(
        goal=goal, plan=Plan(numbered, origin=origin), config=replace(CONFIG, budget=budget), run_id="r"
    )


def permitted_by(machine: Machine, event: Event) -> set[str]:
    """Return the calls that `event` permits: allowed by a verdict, or approved by a person."""
    match event:
        case e.CallJudged(call_id=call_id, verdict=Allow()):
            return {call_id}
        case e.PersonAnswered(question_id=question_id, is_yes=True):
            return {question_id} & {question.question_id for question in questions(machine)}
        case _:
            return set()


@more(3)
@given(
    steps=st.lists(STEP, max_size=4),
    has_goal_check=st.booleans(),
    has_result=st.booleans(),
    seed=st.integers(0, 2**32),
    length=st.integers(0, 150),
)
def test_on_every_path_the_guard_comes_before_the_effect_and_replay_agrees(
    steps: list[Step], has_goal_check: bool, has_result: bool, seed: int, length: int
) -> None:
    checks = (PathExists("g"),) if has_goal_check else ()
    events: list[Event] = [started(steps, checks=checks, result=ResultSpec() if has_result else None)]
    machine, permitted = feed(new_machine(NO_CONFIG), events[0]), set[str]()
    choose = random.Random(seed).choice
    for _ in range(length):
        event = choose(possible(machine))
        permitted |= permitted_by(machine, event)
        machine = feed(machine, event)
        events.append(event)
        assert machine.position == len(events)
        for command in commands(machine):
            if isinstance(command, RunTool):
                assert command.call.call_id in permitted
            if isinstance(command, AskModel):
                assert compose(machine, command).request.messages
    assert replay(events) == machine


@given(steps=st.lists(STEP, max_size=4), seed=st.integers(0, 2**32))
def test_while_a_run_is_not_over_something_is_wanted_of_somebody(steps: list[Step], seed: int) -> None:
    machine = feed(new_machine(NO_CONFIG), started(steps))
    choose = random.Random(seed).choice
    for _ in range(80):
        assert commands(machine)
        assert isinstance(machine.phase, Stopping) <= all(
            isinstance(command, RunTool) for command in commands(machine)
        )
        machine = feed(machine, choose(possible(machine)))


@pytest.mark.parametrize("table", [RUN, TASK, CALL], ids=["run", "task", "call"])
def test_the_diagram_shows_every_transition_of_the_table(table: Table) -> None:
    drawn = diagram(table, title="a table").splitlines()
    assert len(drawn) == 4 + sum(len(row.to) for row in table.values())


Taken = set[tuple[type, type, type]]


LOOKING = sc.step(1, "look", ToolSucceeded("look"))
PLANS: tuple[tuple[Step, ...], ...] = (
    (),
    (LOOKING,),
    (sc.step(1, "put a", ToolSucceeded("put"), PathExists("a")),),
    (sc.step(1, "think"),),
    (replace(DUE, checks=()),),
    (replace(DUE, checks=(ToolSucceeded("look"),)),),
    (LOOKING, sc.step(2, "put")),
)


def starts() -> Iterator[RunStarted]:
    """Yield runs with each plan, with and without a check of the goal and a result."""
    for plan in PLANS:
        yield started(plan)
        yield started(plan, checks=(PathExists("g"),))
        yield started(plan, result=ResultSpec())
    yield started((LOOKING,), checks=(PathExists("g"),), result=ResultSpec())
    yield started((replace(LOOKING, after=(1,)),))
    no_tools = started((), result=ResultSpec())
    yield replace(no_tools, config=replace(no_tools.config, tools=()))


def states_of(machine: Machine, call_id: str, taken: Taken) -> Iterator[Machine]:
    """Yield the machine with a call that is before the guard brought to each of the states that follow."""
    yield machine
    running = advance(machine, e.CallJudged(call_id=call_id, verdict=Allow("r")), taken)
    yield running
    if not isinstance(running.phase, Working):
        return
    yield advance(running, e.ToolReturned(call_id=call_id, result=ToolResult(text="ok")), taken)
    yield advance(running, e.OutcomeUnknown(call_id=call_id, why="the process died"), taken)
    yield advance(running, e.ToolFailed(call_id=call_id, failure=BROKEN), taken)


def beside_another_call(taken: Taken) -> Iterator[tuple[Machine, str]]:
    """Yield steps with two calls, the first running or broken, the second in any state; and what goes on running."""
    checks = (ToolSucceeded("look"), PathExists("a"))
    steps = (sc.step(1, "look"), replace(DUE, checks=()), replace(DUE, checks=checks))
    for step, budget in product(steps, (CONFIG.budget, Budget(model_calls=2), Budget(calls={"look": 1}))):
        machine = advance(new_machine(NO_CONFIG), started((step,), budget=budget), taken)
        machine = proposed(machine, 1, "look", "look", taken=taken)
        first, second = (flight.call.call_id for flight in machine.tasks[0].flights)
        machine = advance(machine, e.CallJudged(call_id=first, verdict=Allow("r")), taken)
        for other in states_of(machine, second, taken):
            yield other, first
        machine = advance(machine, e.ToolFailed(call_id=first, failure=BROKEN), taken)
        for strategy in (s.AskPersonFirst(), s.Replan(), s.AskAgain(), s.GiveUp()):
            chosen = e.RecoveryChosen(step=1, strategy=strategy, call_id=first)
            for other in states_of(advance(machine, chosen, taken), second, taken):
                yield other, ""


def at_a_result(taken: Taken) -> Iterator[Machine]:
    """Yield runs whose first step has a result to read, or an effect to ask a person about."""
    ends: tuple[tuple[PathExists, ...], ResultSpec | None] = ((), None)
    goals = (ends, ((PathExists("g"),), None), ((), ResultSpec()))
    asked = (ToolSucceeded("look"),), (ToolSucceeded("look"), PathExists("a")), ()
    more = ((), (replace(LOOKING, after=()),))
    budgets = (CONFIG.budget, Budget(model_calls=1), Budget(model_calls=2))
    for checks, rest, (goal, result), budget, reads in product(asked, more, goals, budgets, (DUE.reads, {})):
        plan = (replace(DUE, checks=checks, reads=reads), *rest)
        machine = advance(
            new_machine(NO_CONFIG), started(plan, budget=budget, checks=goal, result=result), taken
        )
        machine = proposed(machine, 1, "look", *(() if reads else ("look",)), taken=taken)
        machine = advance(machine, e.CallJudged(call_id="s1.0", verdict=Allow("r")), taken)
        yield advance(machine, e.ToolReturned(call_id="s1.0", result=ToolResult(text="ok")), taken)
        if not reads:
            machine = advance(machine, e.CallDropped(call_id="s1.1", reason="it brings nothing"), taken)
        yield advance(machine, e.OutcomeUnknown(call_id="s1.0", why="the process died"), taken)


def beside_a_running_call(taken: Taken) -> Iterator[tuple[Machine, str]]:
    """Yield runs in which the call of one step goes on running whatever happens to the others, and its name."""
    second = (
        sc.step(2, "think", after=()),
        sc.step(2, "put a", ToolSucceeded("put"), after=()),
        sc.step(2, "look", PathExists("a"), after=()),
        replace(DUE, checks=(ToolSucceeded("look"),), after=()),
    )
    budgets = (
        CONFIG.budget,
        Budget(steps=1),
        Budget(model_calls=2),
        Budget(model_calls=3),
        Budget(tool_calls=1),
    )
    for step, budget in product(second, budgets):
        plan = (replace(LOOKING, after=()), step, sc.step(3, "look", after=(2,)))
        machine = advance(new_machine(NO_CONFIG), started(plan, budget=budget), taken)
        machine = proposed(machine, 1, "look", taken=taken)
        running = machine.tasks[0].flights[0].call.call_id
        machine = advance(machine, e.CallJudged(call_id=running, verdict=Allow("r")), taken)
        yield machine, running
        for other in states_of(proposed(machine, 2, "look", taken=taken), "s2.0", taken):
            yield other, running
        two = proposed(machine, 2, "look", "look", taken=taken)
        two = advance(two, e.CallJudged(call_id="s2.0", verdict=Allow("r")), taken)
        if isinstance(two.phase, Working):
            two = advance(two, e.CallJudged(call_id="s2.1", verdict=Ask("r", "sure?")), taken)
            yield advance(two, e.PersonAbsent(question_id="s2.1"), taken), running
        yield consulting(machine, 2, taken), running


def waiting_to_extract(taken: Taken) -> Machine:
    """Return the machine in which the server of an extraction is waited for, and another step spent the budget."""
    plan = (replace(DUE, checks=(ToolSucceeded("look"),)), replace(LOOKING, after=()))
    machine = advance(new_machine(NO_CONFIG), started(plan, budget=Budget(model_calls=2)), taken)
    machine = proposed(machine, 1, "look", taken=taken)
    about: dict[str, Any] = {"step": 1, "kind": StepKind.EXTRACT, "tier": "small", "call_id": "s1.0"}
    for event in (
        e.CallJudged(call_id="s1.0", verdict=Allow("r")),
        e.ToolReturned(call_id="s1.0", result=ToolResult(text="ok")),
        e.RouteChosen(reason="any", **about),
        e.ModelFailed(failure=BROKEN, **about),
        e.RecoveryChosen(step=1, strategy=s.WaitAndRetry(1.0), call_id="s1.0"),
    ):
        machine = advance(machine, event, taken)
    return proposed(machine, 2, "look", taken=taken)


def worker_waits(taken: Taken) -> None:
    """Let a worker wait for a person: alone, and while another call is under way."""
    question = Question(question_id="c1", kind="approval", text="May it?", run_id="other")
    for tools in (("look",), ("look", "look")):
        machine = advance(new_machine(NO_CONFIG), started((LOOKING,)), taken)
        machine = proposed(machine, 1, *tools, taken=taken)
        for number in range(len(tools)):
            machine = advance(machine, e.CallJudged(call_id=f"s1.{number}", verdict=Allow("r")), taken)
        machine = advance(machine, e.WorkerBlocked(call_id="s1.0", question=question), taken)
        if isinstance(machine.phase, Finished):
            waited = e.WaitEnded(step=1, seconds=0, call_id="s1.0")
            advance(advance(machine, e.RunResumed(), taken), waited, taken)


def consulting(machine: Machine, step: int, taken: Taken) -> Machine:
    """Return the machine in which the model of `step` has asked something, and a person is asked."""
    machine = parsed(machine, step, e.QuestionParsed(text="Which one?"), taken)
    return advance(machine, e.RecoveryChosen(step=step, strategy=s.GiveUp()), taken)


def proposed(machine: Machine, step: int, *tools: str, taken: Taken) -> Machine:
    """Return the machine after the model of `step` proposed a call of each of `tools`."""
    named = enumerate(tools)
    calls = tuple(ProposedCall(Call(tool, {"value": str(n)}, f"s{step}.{n}")) for n, tool in named)
    return parsed(machine, step, e.CallsParsed(calls=calls), taken)


def parsed(machine: Machine, step: int, answer: Parsed, taken: Taken) -> Machine:
    """Return the machine after the model of `step` gave `answer`."""
    kind = machine.task(step).kind
    for event in (
        e.RouteChosen(step=step, kind=kind, tier="small", reason="any"),
        e.ModelAnswered(step=step, kind=kind, tier="small", answer=ModelAnswer(text="some text")),
        e.AnswerParsed(step=step, parsed=answer),
    ):
        machine = advance(machine, event, taken)
    return machine


def test_every_transition_that_the_tables_declare_can_happen() -> None:
    taken: Taken = set()
    for first in starts():
        walk(advance(new_machine(NO_CONFIG), first, taken), taken, at_most=130)
    for machine, running in beside_another_call(taken):
        walk(machine, taken, at_most=12, but=running)
    for budget in (CONFIG.budget, Budget(model_calls=1)):
        asking = advance(new_machine(NO_CONFIG), started((PLANS[3][0],), budget=budget), taken)
        walk(consulting(asking, 1, taken), taken, at_most=5)
    walk(waiting_to_extract(taken), taken, at_most=5)
    worker_waits(taken)
    for machine in at_a_result(taken):
        walk(machine, taken, at_most=12)
    for machine, running in beside_a_running_call(taken):
        walk(machine, taken, at_most=20, but=running)
    declared = {
        (row.state, row.event, to) for table in (RUN, TASK, CALL) for row in table.values() for to in row.to
    }
    never = declared - taken
    assert not never, "\n".join(sorted(" ".join(kind.__name__ for kind in item) for item in never))


def walk(machine: Machine, taken: Taken, *, at_most: int, but: str = "") -> None:
    """Walk breadth-first over machines that differ in what matters, adding the transitions seen to `taken`."""
    seen, frontier = set[object](), deque([machine])
    while frontier and len(seen) < at_most:
        machine = frontier.popleft()
        for event in possible(machine, but=but):
            after = advance(machine, event, taken)
            if (place := place_of(after)) not in seen:
                seen.add(place)
                frontier.append(after)


def advance(machine: Machine, event: Event, taken: Taken) -> Machine:
    """Return the machine after `event`, its transition added to `taken`."""
    step = followed(machine, event)
    taken.add((step.transition.state, step.transition.event, step.reached))
    return step.machine


def place_of(machine: Machine) -> object:
    """Return what makes a machine different from another, as far as the tables go."""
    return (
        type(machine.phase),
        type(machine.outcome) if isinstance(machine.phase, Finished) else None,
        min(machine.spent.tool_calls, 2),
        tuple(
            (
                task.kind,
                type(task.activity),
                isinstance(task.activity, Recovering) and bool(task.activity.problem.question),
                task.attempts.tier_index,
                min(task.attempts.refusals, 2),
                bool(task.attempts.succeeded),
                tuple(
                    (
                        type(flight.state),
                        type(flight.state.activity) if isinstance(flight.state, Extracting) else None,
                        flight.state.question.rule if isinstance(flight.state, AwaitingApproval) else "",
                    )
                    for flight in task.flights
                ),
            )
            for task in machine.tasks
        ),
        sum(isinstance(command, AskPerson) for command in commands(machine)),
    )
