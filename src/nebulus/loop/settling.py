"""When the calls of an answer are started, and what follows when all of them are settled.

Invariants: calls that only read run at the same time, everything else in order; after a failure or a refusal, no
further call of the same answer begins.
"""

from msgspec.structs import replace

from nebulus.core.digest import canonical
from nebulus.core.findings import Finding, FindingKind
from nebulus.core.outcome import Refused
from nebulus.core.references import shown_arguments
from nebulus.core.text import bounded
from nebulus.core.tools import Effect
from nebulus.loop import phases as p
from nebulus.loop.ending import ask, finish, finish_stopping
from nebulus.loop.machine import Machine
from nebulus.loop.phases import Flight, Stopping, Task
from nebulus.loop.recovering import carry_out
from nebulus.loop.steps import after_calls
from nebulus.memory.distil import with_lesson


def settle(machine: Machine, task: Task) -> Machine:
    """Return the machine with every call started that may start; once all calls are settled, go on after them."""
    if isinstance(machine.phase, Stopping):
        return finish_stopping(machine.with_task(task))
    task = replace(task, activity=p.Calling(_started(machine, task)))
    machine = machine.with_task(task)
    if not all(flight.is_settled for flight in task.flights):
        return machine
    for flight in task.flights:
        match flight.state:
            case p.Denied():
                return _after_denial(machine, task, flight)
            case p.Broken(failure, strategy):
                return carry_out(machine, task, strategy, failure=failure, tool=flight.call.tool)
            case _:
                continue
    return after_calls(machine, task)


def _started(machine: Machine, task: Task) -> tuple[Flight, ...]:
    """Return the calls of a task with the next ones to be judged; those after a failure are dropped."""
    flights: list[Flight] = []
    is_broken = any(isinstance(flight.state, p.Broken | p.Denied | p.Dropped) for flight in task.flights)
    is_clear, only_reads = True, True
    for flight in task.flights:
        is_read = machine.config.tool(flight.call.tool).effect is Effect.READ
        if isinstance(flight.state, p.Queued):
            if is_broken:
                flight = replace(flight, state=p.Dropped())
            elif is_clear or (is_read and only_reads):
                flight = replace(flight, state=p.Judging())
        is_clear = is_clear and flight.is_settled
        only_reads = only_reads and (is_read or flight.is_settled)
        flights.append(flight)
    return tuple(flights)


def settled(machine: Machine, task: Task, flight: Flight, *, state: p.Settled) -> Machine:
    """Return the machine with one call settled."""
    ended = machine.with_flight(task, replace(flight, state=state))
    return settle(ended, ended.task(task.step))


def _after_denial(machine: Machine, task: Task, flight: Flight) -> Machine:
    """Tell the model once; the same call again, or too many refusals, ends the run."""
    assert isinstance(flight.state, p.Denied)
    rule, reason, call = flight.state.rule, flight.state.reason, flight.call
    finding = Finding(kind=FindingKind.REFUSED, rule=reason, tool=call.tool, value=arguments_text(flight))
    refusals = task.attempts.refusals + 1
    is_repeated = any(
        (earlier.kind, earlier.tool, earlier.value) == (finding.kind, finding.tool, finding.value)
        for earlier in task.attempts.findings
    )
    if is_repeated or refusals >= machine.config.limits.refusals:
        return finish(machine, Refused(rule=rule, reason=reason, step=task.step))
    state = with_lesson(machine.state, step=task.step, kind="refused", why=f"{call.tool}: {reason}")
    refused = task.to(task.activity, refusals=refusals, findings=(*task.attempts.findings, finding))
    return ask(replace(machine, state=state), refused)


def arguments_text(flight: Flight) -> str:
    """Return the arguments of a call as canonical JSON, bounded."""
    return bounded(canonical(flight.call.arguments).decode(), 2000)


def shown_arguments_text(flight: Flight) -> str:
    """Return the arguments of a call for a person: references with the beginning of what they stand for."""
    return bounded(canonical(shown_arguments(flight.call.arguments, flight.proposed.real)).decode(), 2000)
