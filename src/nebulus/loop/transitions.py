"""Which event is legal where, and what it leads to.

Invariants: `feed` is a pure function that folds recorded events; it runs no parser, router, policy or composer.
A call runs only after `CallJudged` allowed it or a person approved it. The diagrams in the documents are drawn from
these tables.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.config import RunConfig
from nebulus.core.errors import IllegalEventError
from nebulus.core.events import Event
from nebulus.core.tiers import Tier
from nebulus.loop import asking, extracting, flights, recovering, resuming, steps
from nebulus.loop import phases as p
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.places import CallAt, Place, RunAt, TaskAt

S = TypeVar("S")
E = TypeVar("E")


class Transition(Struct, frozen=True):
    """What handles an event in a state, and the states that it may lead to."""

    state: type
    event: type
    handle: Callable[..., Machine]
    to: frozenset[type]


Table = Mapping[tuple[type, type], Transition]


def _run(state: type[S], event: type[E], handle: Callable[[RunAt[S], E], Machine], *to: type) -> Transition:
    return Transition(state, event, handle, frozenset(to))


def _task(state: type[S], event: type[E], handle: Callable[[TaskAt[S], E], Machine], *to: type) -> Transition:
    return Transition(state, event, handle, frozenset(to))


def _call(state: type[S], event: type[E], handle: Callable[[CallAt[S], E], Machine], *to: type) -> Transition:
    return Transition(state, event, handle, frozenset(to))


def _table(rows: Iterable[Transition]) -> Table:
    return MappingProxyType({(row.state, row.event): row for row in rows})


_OVER = (p.Stopping, p.Finished)

RUN = _table(
    (
        _run(p.NotStarted, e.RunStarted, steps.on_started, p.Planning, p.Working, p.Answering, p.Finished),
        _run(p.CheckingGoal, e.ChecksEvaluated, steps.on_goal_checked, p.Answering, p.Finished),
        _run(p.Planning, e.RunResumed, resuming.on_resumed, p.Planning, p.Finished),
        _run(p.Working, e.RunResumed, resuming.on_resumed, p.Working, *_OVER),
        _run(p.CheckingGoal, e.RunResumed, resuming.on_resumed, p.CheckingGoal),
        _run(p.Answering, e.RunResumed, resuming.on_resumed, p.Answering, p.Finished),
        _run(p.Stopping, e.RunResumed, resuming.on_resumed, p.Stopping),
        _run(
            p.Finished,
            e.RunResumed,
            resuming.on_resumed,
            p.Planning,
            p.Working,
            p.CheckingGoal,
            p.Answering,
            p.Finished,
        ),
    )
)
"""What happens to the run as a whole."""

_ASKED_AGAIN = (p.Routing, *_OVER)
"""The next request; or the end, if a budget or the recovery moves are used up."""
_RECOVERED = (*_ASKED_AGAIN, p.NeedsHelp, p.Planning)
"""The next request, to this tier or another; a question to a person; another plan; or the end."""
_STEP_ENDED = (p.Working, p.CheckingGoal, p.Answering, *_OVER)
"""The next steps, the checks of the goal, the request for the answer, or the end."""

TASK = _table(
    (
        _task(p.Routing, e.RouteChosen, asking.on_routed, p.Asking),
        _task(p.Asking, e.ModelAnswered, asking.on_answered, p.Parsing),
        _task(p.Asking, e.ModelFailed, asking.on_not_answered, p.Recovering),
        _task(
            p.Parsing,
            e.AnswerParsed,
            asking.on_parsed,
            p.Recovering,
            p.Calling,
            p.Checking,
            *_STEP_ENDED,
        ),
        _task(p.Recovering, e.RecoveryChosen, recovering.on_strategy, p.Waiting, p.Consulting, *_RECOVERED),
        _task(p.Waiting, e.WaitEnded, recovering.on_waited, *_ASKED_AGAIN),
        _task(p.Checking, e.ChecksEvaluated, steps.on_checked, p.Recovering, *_STEP_ENDED),
        _task(p.NeedsHelp, e.PersonAnswered, recovering.on_helped, *_ASKED_AGAIN),
        _task(p.NeedsHelp, e.PersonAbsent, recovering.on_nobody_helps, *_OVER),
        _task(p.Consulting, e.PersonAnswered, recovering.on_consulted, *_ASKED_AGAIN),
        _task(p.Consulting, e.PersonAbsent, recovering.on_nobody_answers, *_OVER),
    )
)
"""What happens to one task: a plan, a step, or the answer."""

_LAST = (*_RECOVERED, p.Checking, *_STEP_ENDED)
"""What the step does next, if the call was the last of its answer to settle."""
_UNPAID = (p.NeedsHelp, p.Checking, p.Working, p.CheckingGoal, *_OVER)
"""The same, if nothing may be spent on another request."""
_BEGUN = (p.Running, *_OVER)

CALL = _table(
    (
        _call(p.Judging, e.CallJudged, flights.on_judged, p.AwaitingApproval, *_BEGUN, p.Denied, *_RECOVERED),
        _call(p.Judging, e.CallDropped, flights.on_dropped, p.Dropped, *_LAST),
        _call(p.AwaitingApproval, e.PersonAnswered, flights.on_approval, *_BEGUN, p.Denied, *_RECOVERED),
        _call(p.AwaitingApproval, e.PersonAbsent, flights.on_nobody_approves, *_OVER),
        _call(p.Running, e.ToolReturned, flights.on_returned, p.Extracting, p.Succeeded, *_LAST),
        _call(p.Running, e.ToolFailed, flights.on_tool_failed, p.CallRecovering, *_OVER),
        _call(p.Running, e.OutcomeUnknown, flights.on_unknown, p.Reconciling, *_OVER),
        _call(p.Running, e.WorkerBlocked, flights.on_worker_blocked, *_OVER),
        _call(p.CallRecovering, e.RecoveryChosen, flights.on_strategy, p.CallWaiting, p.Broken, *_RECOVERED),
        _call(p.CallWaiting, e.WaitEnded, flights.on_waited, p.Running),
        _call(
            p.Reconciling,
            e.PersonAnswered,
            flights.on_reconciled,
            p.Extracting,
            *_BEGUN,
            p.Succeeded,
            *_LAST,
        ),
        _call(p.Reconciling, e.PersonAbsent, flights.on_nobody_approves, *_OVER),
        _call(p.Extracting, e.RouteChosen, extracting.on_routed, p.Extracting),
        _call(p.Extracting, e.ModelAnswered, extracting.on_answered, p.Extracting),
        _call(p.Extracting, e.ModelFailed, extracting.on_not_answered, p.Extracting),
        _call(p.Extracting, e.AnswerParsed, extracting.on_parsed, p.Extracting, p.Succeeded, *_LAST),
        _call(p.Extracting, e.RecoveryChosen, extracting.on_strategy, p.Extracting, p.Succeeded, *_LAST),
        _call(p.Extracting, e.WaitEnded, extracting.on_waited, p.Extracting, p.Succeeded, *_UNPAID),
    )
)
"""What happens to one call."""

_EXTRACTION_STEP: Mapping[type, type] = MappingProxyType(
    {
        e.RouteChosen: p.Routing,
        e.ModelAnswered: p.Asking,
        e.ModelFailed: p.Asking,
        e.AnswerParsed: p.Parsing,
        e.RecoveryChosen: p.Recovering,
        e.WaitEnded: p.Waiting,
    }
)
"""The activity of an extraction in which an event is legal."""


class Followed(Struct, frozen=True):
    """A machine after an event, the transition that led there, and which of its targets was reached."""

    machine: Machine
    transition: Transition
    reached: type


def feed(machine: Machine, event: Event) -> Machine:
    """Return the machine after `event`; `pending.commands` says what it wants next.

    Raises:
        IllegalEventError: the tables do not allow this event here.
    """
    return followed(machine, event).machine


def followed(machine: Machine, event: Event) -> Followed:
    """Return the machine after `event`, and the transition that was followed. Raises: as `feed`."""
    at = _place_of(replace(machine, position=machine.position + 1), event)
    table: Table = RUN if isinstance(at, RunAt) else TASK if isinstance(at, TaskAt) else CALL
    row = table.get((type(at.state), type(event)))
    if row is None:
        raise _illegal(at, event, table)
    after = row.handle(at, event)
    reached = _reached(after, at)
    if reached not in row.to:
        raise IllegalEventError(
            f"{type(event).__name__} led from {type(at.state).__name__} to {reached.__name__}, "
            "which the table forbids"
        )
    return Followed(after, row, reached)


def _place_of(machine: Machine, event: Event) -> Place:
    """Return where `event` applies: to the run, to a task, or to a call.

    Raises:
        IllegalEventError: what it is about is not under way.
    """
    of_run = RunAt(machine, machine.phase)
    if isinstance(event, e.RunStarted | e.RunResumed):
        return of_run
    if isinstance(machine.phase, p.Finished):
        raise _illegal(of_run, event, RUN)
    match event:
        case e.ChecksEvaluated(step=0):
            return of_run
        case e.PersonAnswered(question_id=asked) | e.PersonAbsent(question_id=asked):
            found = _who_asked(machine, asked)
        case (
            e.CallJudged()
            | e.CallDropped()
            | e.ToolReturned()
            | e.ToolFailed()
            | e.OutcomeUnknown()
            | e.WorkerBlocked()
        ):
            found = _call_at(machine, event.call_id)
        case e.ChecksEvaluated():
            found = _task_at(machine, event.step)
        case _:
            found = _call_at(machine, event.call_id) if event.call_id else _task_at(machine, event.step)
    if found is None:
        raise _illegal(of_run, event, RUN)
    if isinstance(found.state, p.Extracting) and not isinstance(
        found.state.activity, _EXTRACTION_STEP.get(type(event), object)
    ):
        raise _illegal(RunAt(machine, found.state.activity), event, CALL)
    return found


def _task_at(machine: Machine, step: int) -> Place | None:
    task = next((one for one in machine.tasks if one.step == step), None)
    return None if task is None else TaskAt(machine, task, task.activity)


def _call_at(machine: Machine, call_id: str) -> Place | None:
    for task in machine.tasks:
        for flight in task.flights:
            if flight.call.call_id == call_id:
                return CallAt(machine, task, flight, flight.state)
    return None


def _who_asked(machine: Machine, asked: str) -> Place | None:
    """Return the task or call that waits for the answer to a question."""
    for task in machine.tasks:
        match task.activity:
            case p.NeedsHelp(question, _) | p.Consulting(question) if question.question_id == asked:
                return TaskAt(machine, task, task.activity)
        for flight in task.flights:
            match flight.state:
                case p.AwaitingApproval(question) | p.Reconciling(question) if question.question_id == asked:
                    return CallAt(machine, task, flight, flight.state)
    return None


def _reached(machine: Machine, at: Place) -> type:
    """Return where the call is now; else its task, where the call is gone; else the run."""
    if isinstance(machine.phase, p.Finished | p.Stopping) or isinstance(at, RunAt):
        return type(machine.phase)
    task = next((one for one in machine.tasks if one.step == at.task.step), None)
    if task is None or task.kind is not at.task.kind:
        return type(machine.phase)
    if isinstance(at, CallAt):
        for flight in task.flights:
            if flight.call.call_id == at.flight.call.call_id:
                return type(flight.state)
    return type(task.activity)


def _illegal(at: Place, event: Event, table: Table) -> IllegalEventError:
    legal = sorted(kind.__name__ for found, kind in table if found is type(at.state))
    return IllegalEventError(
        f"{type(event).__name__} came at position {at.machine.position} while {type(at.state).__name__}; "
        f"legal here: {', '.join(legal) or 'nothing'}"
    )


def replay(events: Iterable[Event]) -> Machine:
    """Return the machine after `events`, from the beginning.

    Raises:
        IllegalEventError: the events do not fit the tables.
    """
    machine = new_machine(NO_CONFIG)
    for event in events:
        machine = feed(machine, event)
    return machine


NO_CONFIG = RunConfig(tiers=(Tier(name="none", window_tokens=1),))
"""The configuration of a machine before its first event."""


def diagram(table: Table, *, title: str) -> str:
    """Return a table as a Mermaid state diagram, one line per transition."""
    lines = ["---", f"title: {title}", "---", "stateDiagram-v2"]
    for row in table.values():
        targets = sorted(kind.__name__ for kind in row.to)
        lines.extend(f"    {row.state.__name__} --> {target}: {row.event.__name__}" for target in targets)
    return "\n".join(lines)
