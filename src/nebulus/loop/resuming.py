"""Resumes a run: after its outcome, with another configuration, or from an earlier step.

Invariants: what happened stays recorded and counted; a new configuration applies from its record on; finished steps
and calls that succeeded stay finished.
"""

from msgspec.structs import replace

from nebulus.core.config import RunConfig
from nebulus.core.errors import ConfigError
from nebulus.core.events import RunResumed
from nebulus.core.outcome import Blocked, Done
from nebulus.core.plan import StepStatus
from nebulus.loop import phases as p
from nebulus.loop.ending import ask, fail
from nebulus.loop.machine import Machine
from nebulus.loop.phases import CheckingGoal, Finished, Flight, NotStarted, Phase, Task
from nebulus.loop.places import RunAt
from nebulus.loop.settling import settle
from nebulus.loop.steps import evaluate, lost_value, still_required
from nebulus.memory.distil import with_active
from nebulus.recovery.stagnation import changed


def on_resumed(at: RunAt[Phase], event: RunResumed) -> Machine:
    """Continue where the run was: a question is asked again, what failed is tried again, anything else continues.

    Raises:
        ConfigError: the new configuration lacks a tool that a call under way needs.
    """
    machine, phase = at.machine, at.state
    before, config = machine.config, event.config or machine.config
    machine = replace(
        machine,
        config=config,
        policy_digest=event.policy_digest or machine.policy_digest,
        spent=event.spent or machine.spent,
        usage=event.usage or machine.usage,
    )
    _require_tools(machine)
    if isinstance(phase, Finished):
        if isinstance(phase.outcome, Done) or isinstance(phase.before, NotStarted):
            return machine
        reopened = _rerouted(replace(machine, phase=phase.before), before)
        return reopened if isinstance(phase.outcome, Blocked) else _tried_again(reopened)
    return _rerouted(machine, before)


def _require_tools(machine: Machine) -> None:
    offered = {tool.name for tool in machine.config.tools}
    for task in machine.tasks:
        for flight in task.flights:
            if flight.call.tool not in offered and not flight.is_settled:
                raise ConfigError(
                    f"a call of {flight.call.tool!r} is under way, and the changed configuration has no such tool",
                    fix="resume with it, or rewind the step",
                )


def _rerouted(machine: Machine, before: RunConfig) -> Machine:
    """Return the machine asking from the smallest tier again, wherever a model must be asked."""
    if machine.config == before:
        return machine
    for task in machine.tasks:
        machine = machine.with_task(_task_rerouted(task, before, machine.config))
    for task in machine.tasks:
        if isinstance(task.activity, p.Routing):
            machine = ask(machine, task)
    return machine


def _task_rerouted(task: Task, before: RunConfig, config: RunConfig) -> Task:
    """Return the task with its request routed again; without one, at the tier of the same name."""
    match task.activity:
        case p.Routing() | p.Asking() | p.Waiting():
            return task.to(p.Routing(), tier_index=0)
        case p.Calling(flights):
            activity: p.Activity = p.Calling(tuple(map(_flight_rerouted, flights)))
        case activity:
            pass
    name = before.tiers_for(task.kind)[task.attempts.tier_index].name
    names = [tier.name for tier in config.tiers_for(task.kind)]
    return task.to(activity, tier_index=names.index(name) if name in names else 0)


def _flight_rerouted(flight: Flight) -> Flight:
    match flight.state:
        case p.Extracting(activity=p.Routing() | p.Asking() | p.Waiting()) as state:
            return replace(flight, state=replace(state, activity=p.Routing(), tier_index=0))
        case p.Extracting() as state:
            return replace(flight, state=replace(state, tier_index=0))
        case _:
            return flight


def _tried_again(machine: Machine) -> Machine:
    """Return the machine with every unfinished task tried again, from the smallest tier."""
    if isinstance(machine.phase, CheckingGoal):
        return machine
    for task in machine.tasks:
        if isinstance(machine.phase, Finished):
            break
        machine = _retried(machine, task)
    return machine


def _retried(machine: Machine, task: Task) -> Machine:
    if task.step and machine.state.step(task.step).status is StepStatus.FAILED:
        machine = replace(machine, state=with_active(machine.state, task.step))
        lost = lost_value(machine, task.step)
        if lost is not None:
            return fail(machine, task, lost)
    if isinstance(task.activity, p.Calling) and not all(flight.is_settled for flight in task.flights):
        return settle(machine, task)
    history = changed(task.attempts.history)  # a person, or time, may have changed the world
    attempts = task.attempts.reset(tier_index=0, refusals=0, calls=0, history=history, is_helped=False)
    fresh = replace(task, attempts=attempts)
    has_checks = bool(task.step and machine.state.step(task.step).checks)
    if attempts.succeeded and has_checks and not still_required(machine, fresh):
        return evaluate(machine, fresh)
    return ask(machine, fresh)
