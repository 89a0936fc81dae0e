"""The commands that a machine wants now: derived from its phase, never stored."""

from typing import assert_never

from msgspec.structs import replace

from nebulus.core.authority import Authority, HandOver, left_of
from nebulus.core.commands import (
    AskModel,
    AskPerson,
    ChooseRecovery,
    ChooseRoute,
    Command,
    Decision,
    EvaluateChecks,
    Finish,
    JudgeCall,
    ParseAnswer,
    RunTool,
    Wait,
)
from nebulus.core.context import Context
from nebulus.core.outcome import Question
from nebulus.core.plan import RUNBOOK, TRANSCRIPT
from nebulus.core.tiers import StepKind
from nebulus.loop import phases as p
from nebulus.loop.given import results_of
from nebulus.loop.machine import Machine
from nebulus.loop.phases import Flight, Task
from nebulus.memory.handles import addressed

DECISIONS = (ChooseRoute, ParseAnswer, JudgeCall, ChooseRecovery)
"""Commands that pure code answers immediately."""


def commands(machine: Machine) -> tuple[Command, ...]:
    """Return all commands that the machine wants now, in the order of steps and calls."""
    match machine.phase:
        case p.NotStarted():
            return ()
        case p.Finished(outcome):
            return (Finish(outcome=outcome),)
        case p.CheckingGoal(checks):
            return (EvaluateChecks(step=0, checks=checks),)
        case p.Stopping():
            return tuple(
                command
                for task in machine.tasks
                for flight in task.flights
                if isinstance(flight.state, p.Running)
                for command in _of_call(machine, task, flight)
            )
        case p.Planning() | p.Working() | p.Answering():
            return tuple(command for task in machine.tasks for command in _of_task(machine, task))
        case _:
            assert_never(machine.phase)


def next_decision(machine: Machine) -> Decision | None:
    """Return the first decision that code must make now, or None."""
    for command in commands(machine):
        if isinstance(command, DECISIONS):
            return command
    return None


def questions(machine: Machine) -> tuple[Question, ...]:
    """Return the questions that wait for a person."""
    return tuple(command.question for command in commands(machine) if isinstance(command, AskPerson))


def _of_task(machine: Machine, task: Task) -> tuple[Command, ...]:
    match task.activity:
        case p.Calling(flights):
            return tuple(command for flight in flights for command in _of_call(machine, task, flight))
        case p.Checking(checks):
            return (EvaluateChecks(step=task.step, checks=checks),)
        case p.NeedsHelp(question, _) | p.Consulting(question):
            return (AskPerson(question=question),)
        case activity:
            return (_about(task.step, task.kind, activity, attempt=task.attempts.number),)


def _of_call(machine: Machine, task: Task, flight: Flight) -> tuple[Command, ...]:
    call, step = flight.call, task.step
    match flight.state:
        case p.Judging():
            return (JudgeCall(call=call, context=context_of(machine, task, flight)),)
        case p.AwaitingApproval(question) | p.Reconciling(question):
            return (AskPerson(question=question),)
        case p.Running(key):
            return (_run_tool(machine, task, flight, key=key),)
        case p.CallRecovering():
            return (ChooseRecovery(step=step, call_id=call.call_id),)
        case p.CallWaiting(seconds, until_s, why, _):
            return (Wait(step=step, seconds=seconds, until_s=until_s, why=why, call_id=call.call_id),)
        case p.Extracting() as state:
            attempt = state.attempts + state.retries
            return (_about(step, StepKind.EXTRACT, state.activity, attempt=attempt, call_id=call.call_id),)
        case p.Queued() | p.Succeeded() | p.Broken() | p.Denied() | p.Dropped():
            return ()
        case _:
            assert_never(flight.state)


def _about(
    step: int,
    kind: StepKind,
    activity: p.Routing | p.Asking | p.Parsing | p.Recovering | p.Waiting,
    *,
    attempt: int,
    call_id: str = "",
) -> Command:
    """Return the command for a request to a model."""
    match activity:
        case p.Routing():
            return ChooseRoute(step=step, kind=kind, call_id=call_id)
        case p.Asking(tier):
            return AskModel(step=step, kind=kind, tier=tier, attempt=attempt, call_id=call_id)
        case p.Parsing():
            return ParseAnswer(step=step, kind=kind, call_id=call_id)
        case p.Recovering():
            return ChooseRecovery(step=step, call_id=call_id)
        case p.Waiting(seconds, until_s, why):
            return Wait(step=step, seconds=seconds, until_s=until_s, why=why, call_id=call_id)
        case _:
            assert_never(activity)


def _run_tool(machine: Machine, task: Task, flight: Flight, *, key: str) -> RunTool:
    call = flight.call
    spec = machine.config.tool(call.tool)
    if spec.handles:
        arguments = addressed(call.arguments, spec, machine.state.artifacts)
        call = type(call)(call.tool, arguments, call.call_id)
    reads = machine.state.step(task.step).reads | spec.reads
    found = results_of(machine, task.step, call)
    return RunTool(
        call=call,
        key=key,
        step=task.step,
        reads=reads,
        unseen=_unseen(machine, flight),
        results=found if isinstance(found, dict) else {},
        handed=_handed(machine, flight) if spec.is_worker else None,
    )


def _handed(machine: Machine, flight: Flight) -> HandOver:
    """Return what a call of a worker hands over: what this run may do itself, with what is left of its budget."""
    config = machine.config
    own = config.authority or Authority(
        tools=tuple(sorted(spec.name for spec in config.tools)), chain=(machine.run_id,)
    )
    left = replace(own, budget=left_of(config.budget, machine.spent))
    return HandOver(authority=left, labels=flight.proposed.labels)


def _unseen(machine: Machine, flight: Flight) -> tuple[str, ...]:
    """Return the paths that a call replaces, but that no earlier call of the run was given.

    Except for those that the user names in a step: who names a file in a goal ("add this line to diary.txt") does not
    ask to have it replaced.
    """
    replaced = machine.config.tool(flight.call.tool).replaces
    if not replaced:
        return ()
    given, is_users_step = flight.call.arguments, machine.state.plan.origin in (RUNBOOK, TRANSCRIPT)
    named = {label.argument for label in flight.proposed.labels if label.is_endorsed and is_users_step}
    paths = [str(given[name]) for name in replaced if given.get(name) is not None and name not in named]
    return tuple(path for path in paths if not machine.has_been_given(path))


def context_of(machine: Machine, task: Task, flight: Flight) -> Context:
    """Return what the guard is told about a call, apart from the call itself."""
    labels = flight.proposed.labels
    brings_text = any(not label.provenance.is_trusted for label in labels)
    return Context(
        agent=machine.config.agent,
        tier=flight.tier,
        run_id=machine.run_id,
        step=task.step,
        is_tainted=task.attempts.is_tainted or flight.is_tainted or brings_text,
        is_planned=flight.proposed.is_planned,
        labels=labels,
        usage=machine.usage,
    )
