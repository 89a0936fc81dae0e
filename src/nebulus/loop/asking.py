"""What a model's answer leads to: a plan, calls, a claim to check, the result, or a finding."""

from typing import assert_never

from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.events import AnswerParsed, ModelAnswered, ModelFailed, RouteChosen, RouteRefused
from nebulus.core.outcome import Refused
from nebulus.core.plan import StepStatus
from nebulus.loop.ending import finish
from nebulus.loop.machine import Machine
from nebulus.loop.payment import pay, pay_failed
from nebulus.loop.phases import Asking, Calling, Flight, Parsing, Routing, Task
from nebulus.loop.places import TaskAt
from nebulus.loop.recovering import ASKED, ask_larger, on_finding, on_model_failure
from nebulus.loop.settling import settle
from nebulus.loop.steps import done, end_step, evaluate, take_plan, unused_paths
from nebulus.memory.distil import with_note


def on_routed(at: TaskAt[Routing], event: RouteChosen) -> Machine:
    """Ask the tier that was chosen."""
    machine, task = at.machine, at.task
    names = [tier.name for tier in machine.config.tiers_for(task.kind)]
    index = names.index(event.tier) if event.tier in names else task.attempts.tier_index
    return machine.with_task(task.to(Asking(event.tier), tier_index=index))


def on_no_route(at: TaskAt[Routing], event: RouteRefused) -> Machine:
    """End the run: the settings forbid every tier that could do this work."""
    return finish(at.machine, Refused(rule="route", reason=event.reason, step=at.task.step))


def on_answered(at: TaskAt[Asking], event: ModelAnswered) -> Machine:
    """Pay for the answer; it must be parsed next."""
    machine, task = at.machine, at.task
    return pay(machine, event).with_task(replace(task, activity=Parsing(event.tier, event.answer)))


def on_not_answered(at: TaskAt[Asking], event: ModelFailed) -> Machine:
    """Choose what to do about a backend that gave no usable answer."""
    machine, task = at.machine, at.task
    return on_model_failure(pay_failed(machine, event), task, event.failure)


def on_parsed(at: TaskAt[Parsing], event: AnswerParsed) -> Machine:
    """Continue with what the answer says."""
    machine, task, activity = at.machine, at.task, at.state
    is_tainted = task.attempts.is_tainted or event.is_tainted
    task = task.to(task.activity, is_tainted=is_tainted)
    if event.weighed is not None and event.weighed.larger_tier:
        return ask_larger(machine, task, event.weighed)
    match event.parsed:
        case e.Unusable(finding=finding):
            return on_finding(machine, task, finding)
        case e.PlanParsed(plan=plan):
            return take_plan(machine, plan)
        case e.CallsParsed():
            return _begin_calls(machine, task, event.parsed, tier=activity.tier, is_tainted=event.is_tainted)
        case e.ClaimParsed(text=text):
            return _on_claim(machine, task, text, tier=activity.tier)
        case e.QuestionParsed(text=text):
            return on_finding(machine, task, ASKED, question=text)
        case e.ResultParsed(result=result):
            return done(machine, result)
        case e.ValuesParsed():
            raise AssertionError("values are parsed for a call, never for a task")
        case _:
            assert_never(event.parsed)


def _begin_calls(
    machine: Machine, task: Task, parsed: e.CallsParsed, *, tier: str, is_tainted: bool
) -> Machine:
    """Return the machine with the calls of an answer under way."""
    flights = tuple(Flight(proposed, tier, is_tainted) for proposed in parsed.calls)
    return settle(machine, task.to(Calling(flights), doubt=parsed.doubt))


def _on_claim(machine: Machine, task: Task, text: str, *, tier: str) -> Machine:
    claimed = task.to(task.activity, claim=text)
    step = machine.state.step(task.step)
    also = unused_paths(machine) if step.is_open else ()
    if step.checks or also:
        return evaluate(machine, claimed, also=also)
    if not task.attempts.succeeded:  # the text is all that the step produced
        is_trusted = not task.attempts.is_tainted
        state = with_note(machine.state, text, step=task.step, model=tier, is_trusted=is_trusted)
        machine = replace(machine, state=state)
    return end_step(machine, claimed, StepStatus.CLAIMED)
