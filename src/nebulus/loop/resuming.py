"""A run taken up again: after its outcome, with another configuration, or from an earlier step.

Invariants: what happened stays recorded and counted; the new configuration counts from its record on; finished steps
and calls that succeeded stay finished.
"""

from msgspec.structs import replace

from nebulus.core.errors import ConfigError
from nebulus.core.events import RunResumed
from nebulus.core.outcome import Blocked, Done
from nebulus.core.plan import StepStatus
from nebulus.loop import phases as p
from nebulus.loop.ending import ask, fail
from nebulus.loop.machine import Machine
from nebulus.loop.phases import CheckingGoal, Finished, NotStarted, Phase, Task
from nebulus.loop.settling import settle
from nebulus.loop.steps import evaluate, lost_value, still_required
from nebulus.memory.distil import with_active
from nebulus.recovery.stagnation import changed


def on_resumed(machine: Machine, phase: Phase, event: RunResumed) -> Machine:
    """Go on where the run was: a question is asked again, what failed is tried again, anything else goes on.

    Raises:
        ConfigError: the new configuration lacks a tool that a call under way needs.
    """
    config = event.config or machine.config
    is_changed = event.config is not None and event.config != machine.config
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
        reopened = replace(machine, phase=phase.before)
        return reopened if isinstance(phase.outcome, Blocked) else _tried_again(reopened)
    return _rerouted(machine) if is_changed else machine


def _require_tools(machine: Machine) -> None:
    offered = {tool.name for tool in machine.config.tools}
    for task in machine.tasks:
        for flight in task.flights:
            if flight.call.tool not in offered and not flight.is_settled:
                raise ConfigError(
                    f"a call of {flight.call.tool!r} is under way, and the changed configuration has no such tool; "
                    "resume with it, or rewind the step"
                )


def _rerouted(machine: Machine) -> Machine:
    """Return the machine asking from the smallest tier again, wherever a model is to be asked."""
    for task in machine.tasks:
        match task.activity:
            case p.Routing() | p.Asking() | p.Waiting():
                machine = ask(machine, replace(task, attempts=replace(task.attempts, tier_index=0)))
            case _:
                continue
    return machine


def _tried_again(machine: Machine) -> Machine:
    """Return the machine with every task that had not gone on by itself tried again, from the smallest tier."""
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
