"""Values that must be read from a result: a model is asked, and code accepts only what the text contains.

Invariants: a value keeps the provenance of the text that it was read from, and names the model that read it; a value
that could not be read becomes a lesson and never ends a run; what comes after the result waits until then.
"""

from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core import strategy as s
from nebulus.core.budget import ASKING, exceeded
from nebulus.core.events import (
    AnswerParsed,
    ModelAnswered,
    ModelFailed,
    RecoveryChosen,
    RouteChosen,
    RouteRefused,
    WaitEnded,
)
from nebulus.core.findings import FindingKind
from nebulus.core.provenance import Provenance
from nebulus.core.tiers import StepKind
from nebulus.core.tools import ToolResult
from nebulus.loop import phases as p
from nebulus.loop.machine import Machine
from nebulus.loop.payment import pay, pay_failed
from nebulus.loop.phases import Extracting, Flight, Stopping, Task
from nebulus.loop.places import CallAt
from nebulus.loop.settling import settled
from nebulus.memory.distil import with_lesson, with_read
from nebulus.memory.extract import unread_of

ATTEMPTS = 2
"""An answer that can't be parsed is requested once more, with something changed."""


def begin_extraction(
    machine: Machine,
    task: Task,
    flight: Flight,
    *,
    result: ToolResult,
    reads: dict[str, str],
    known: int,
    label: Provenance,
) -> Machine | None:
    """Return the machine asking for the values that must be read from `result`, or None if there are none.

    `known` is how many facts there were before the result: values that the result itself gave as facts need not be
    read, nor those that the step asks for and an earlier result gave. `label` is the provenance of the result.
    """
    facts, wanted = machine.state.facts, machine.state.step(task.step).reads
    if not reads:
        return None
    brought_before = tuple(fact for fact in facts[:known] if fact.step == task.step and fact.field in wanted)
    unread = unread_of(result, reads, (*facts[known:], *brought_before), tool=flight.call.tool, label=label)
    if unread is None:
        return None
    return _ask(machine, task, flight, state=Extracting(unread=unread))


def on_routed(at: CallAt[Extracting], event: RouteChosen) -> Machine:
    """Ask the tier that was chosen."""
    machine, task, flight, state = at.machine, at.task, at.flight, at.state
    names = [tier.name for tier in machine.config.tiers_for(StepKind.EXTRACT)]
    index = names.index(event.tier) if event.tier in names else state.tier_index
    return _doing(
        machine, task, flight, state=replace(state, activity=p.Asking(event.tier), tier_index=index)
    )


def on_no_route(at: CallAt[Extracting], event: RouteRefused) -> Machine:
    """Go on without the values: the settings forbid every tier that could read them."""
    machine, task, flight, tool = at.machine, at.task, at.flight, at.state.unread.tool
    machine = _with_lesson(machine, task, "refused", why=f"{tool} was not read: {event.reason}")
    return settled(machine, task, flight, state=p.Succeeded())


def on_answered(at: CallAt[Extracting], event: ModelAnswered) -> Machine:
    """Pay for the answer; it must be parsed next."""
    machine, task, flight, state = at.machine, at.task, at.flight, at.state
    parsing = replace(state, activity=p.Parsing(event.tier, event.answer))
    return _doing(pay(machine, event), task, flight, state=parsing)


def on_parsed(at: CallAt[Extracting], event: AnswerParsed) -> Machine:
    """Keep what the text contains; record what was made up as a lesson; ask once more if the answer is unusable."""
    machine, task, flight, state = at.machine, at.task, at.flight, at.state
    tool = state.unread.tool
    tier = state.activity.tier if isinstance(state.activity, p.Parsing) else ""
    match event.parsed:
        case e.ValuesParsed(marks=marks, made_up=made_up):
            label = state.unread.provenance
            read = with_read(machine.state, marks, step=task.step, label=label, model=tier)
            machine = replace(machine, state=read)
            if made_up:
                why = f"{', '.join(made_up)}: the result of {tool} contains no such value"
                machine = _with_lesson(machine, task, FindingKind.UNGROUNDED.value, why=why)
            return settled(machine, task, flight, state=p.Succeeded())
        case e.Unusable(finding=finding):
            why = f"what {tier} read in {tool}: {finding.rule}"
            machine = _with_lesson(machine, task, finding.kind.value, why=why)
            if state.attempts + 1 >= ATTEMPTS:
                return settled(machine, task, flight, state=p.Succeeded())
            return _ask(machine, task, flight, state=replace(state, attempts=state.attempts + 1))
        case _:
            raise AssertionError("only values are parsed for a call")


def on_not_answered(at: CallAt[Extracting], event: ModelFailed) -> Machine:
    """Choose what to do about a backend that gave no usable answer."""
    machine, task, flight, state = at.machine, at.task, at.flight, at.state
    tried = replace(
        state,
        activity=p.Recovering(p.Problem(event.failure)),
        retries=state.retries + 1,
        failures=(*state.failures, event.failure.kind.value),
    )
    return _doing(pay_failed(machine, event), task, flight, state=tried)


def on_strategy(at: CallAt[Extracting], event: RecoveryChosen) -> Machine:
    """Wait, or ask the next tier, as for any request; if neither is chosen, go on without the values."""
    machine, task, flight, state = at.machine, at.task, at.flight, at.state
    assert isinstance(state.activity, p.Recovering)
    failure, tool = state.activity.problem.failure, state.unread.tool
    match event.strategy:
        case s.WaitAndRetry(seconds):
            wait = p.Waiting(seconds, event.until_s, failure.sentence())
            return _doing(machine, task, flight, state=replace(state, activity=wait))
        case s.Escalate():
            machine = _with_lesson(machine, task, failure.kind.value, why=failure.what)
            fresh = Extracting(unread=state.unread, tier_index=state.tier_index + 1)
            return _ask(machine, task, flight, state=fresh)
        case _:
            machine = _with_lesson(
                machine, task, failure.kind.value, why=f"{tool} was not read: {failure.what}"
            )
            return settled(machine, task, flight, state=p.Succeeded())


def on_waited(at: CallAt[Extracting], _: WaitEnded) -> Machine:
    """Ask again."""
    machine, task, flight, state = at.machine, at.task, at.flight, at.state
    return _ask(machine, task, flight, state=state)


def _ask(machine: Machine, task: Task, flight: Flight, *, state: Extracting) -> Machine:
    """Return the machine asking, or going on without the values if nothing may be spent on them."""
    if isinstance(machine.phase, Stopping) or not exceeded(machine.config.budget, machine.spent, ASKING):
        return _doing(machine, task, flight, state=replace(state, activity=p.Routing()))
    why = f"{state.unread.tool} was not read: nothing may be spent on it"
    machine = _with_lesson(machine, task, "exhausted_budget", why=why)
    return settled(machine, task, flight, state=p.Succeeded())


def _doing(machine: Machine, task: Task, flight: Flight, *, state: Extracting) -> Machine:
    return machine.with_flight(task, replace(flight, state=state))


def _with_lesson(machine: Machine, task: Task, kind: str, *, why: str) -> Machine:
    return replace(machine, state=with_lesson(machine.state, step=task.step, kind=kind, why=why))
