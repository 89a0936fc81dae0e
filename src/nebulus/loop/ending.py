"""How a run goes on and how it ends: ask a model, or stop with an outcome.

Invariants: nothing is requested once a budget is used up; an outcome is decided once; a run is over only when none of
its tools is running.
"""

from msgspec.structs import replace

from nebulus.core.budget import ASKING, Resource, exceeded
from nebulus.core.failure import Failure, Fault
from nebulus.core.findings import Finding
from nebulus.core.outcome import Exhausted, Failed, Outcome
from nebulus.core.plan import FINISHED_STATUSES, StepStatus
from nebulus.loop.machine import Machine
from nebulus.loop.phases import Finished, NotStarted, Routing, Running, Stopping, Task
from nebulus.memory.distil import with_step_ended
from nebulus.recovery.strategy import class_of


def ask(machine: Machine, task: Task) -> Machine:
    """Return the machine about to ask a model about `task`, or ended if nothing more may be spent."""
    over = over_budget(machine, ASKING)
    return over or machine.with_task(replace(task, activity=Routing()))


def over_budget(machine: Machine, needed: tuple[Resource, ...]) -> Machine | None:
    """Return the machine ended because a resource in `needed` is used up, or None if none is."""
    budget = machine.config.budget
    resource = exceeded(budget, machine.spent, needed)
    if resource:
        return exhausted(machine, resource, limit=getattr(budget, resource))
    if budget.steps and machine.state.done_count >= budget.steps:
        return exhausted(machine, "steps", limit=budget.steps)
    return None


def exhausted(machine: Machine, resource: str, *, limit: float) -> Machine:
    """Return the machine ended because `resource` is used up; the outcome lists the steps that are left."""
    undone = tuple(
        f"{step.number}. {step.text}"
        for step in machine.state.plan.steps
        if step.status not in FINISHED_STATUSES and step.status is not StepStatus.DROPPED
    )
    return finish(
        machine, Exhausted(resource=resource, limit=float(limit), spent=machine.spent, undone=undone)
    )


def fail(machine: Machine, task: Task | None, failure: Failure) -> Machine:
    """Return the machine ended by `failure`, with the step of `task` marked as failed."""
    step = task.step if task is not None else 0
    state = with_step_ended(machine.state, step, StepStatus.FAILED) if step else machine.state
    return finish(replace(machine, state=state), Failed(failure=machine.cite(failure), step=step))


def finish(machine: Machine, outcome: Outcome) -> Machine:
    """Return the machine with its outcome decided; it is over at once if no tool is running."""
    before = machine.phase
    if isinstance(before, Stopping | Finished):
        return machine
    if isinstance(before, NotStarted) or not has_running_tools(machine):
        return replace(machine, phase=Finished(outcome, before))
    return replace(machine, phase=Stopping(outcome, before))


def finish_stopping(machine: Machine) -> Machine:
    """Return a stopping machine ended if no tool is running any more."""
    phase = machine.phase
    if isinstance(phase, Stopping) and not has_running_tools(machine):
        return replace(machine, phase=Finished(phase.outcome, phase.before))
    return machine


def has_running_tools(machine: Machine) -> bool:
    """Whether a tool may be running."""
    return any(isinstance(flight.state, Running) for task in machine.tasks for flight in task.flights)


def failure_of(finding: Finding, *, attempts: int) -> Failure:
    """Return the failure for a finding that no recovery could fix."""
    what = f"after {attempts} attempts the answer still can't be used: {finding.rule}"
    place = f"{finding.tool} {finding.where}".strip()
    value = f"{place}: {finding.value}" if place and finding.value else place or finding.value
    fix = finding.fix or "add a larger tier, or a step that asks for less"
    kind = class_of(finding)
    return Failure(kind=kind, fault=Fault.MODEL, what=what, value=value, fix=fix, attempts=attempts)
