"""The ways on from anywhere: ask a model or a person, wait, go to the next tier, end.

Law: nothing is asked for once a budget is spent; an end names what broke.
"""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import replace

from nebulus.core.budget import ASKING, Resource, exceeded
from nebulus.core.commands import AskPerson, Command, Wait
from nebulus.core.failure import Failure, Fault
from nebulus.core.findings import Finding
from nebulus.core.outcome import Exhausted, Failed, Question
from nebulus.core.plan import FINISHED_STATUSES, StepStatus
from nebulus.core.tiers import StepKind
from nebulus.loop.progress import Machine, Phase
from nebulus.loop.turn import kind_of, question
from nebulus.memory.distil import with_question, with_step_ended, without_question
from nebulus.recovery.strategy import class_of

_PHASES: Mapping[StepKind, Phase] = MappingProxyType(
    {
        StepKind.PLAN: Phase.PLANNING,
        StepKind.EXECUTE: Phase.ASKING,
        StepKind.EXTRACT: Phase.READING,
    }
)


def ask(machine: Machine) -> Machine:
    """Return the machine asking for what is due: a plan, the active step, values out of a result; or over.

    It is over where nothing more may be spent.
    """
    over = over_budget(machine, ASKING)
    if over is not None:
        return over
    covering = replace(machine, index=machine.index.covering(machine.state.facts))
    kind, asked = kind_of(machine), question(covering)
    is_narrowed = bool(machine.tries.findings or machine.tries.avoided or machine.tries.must_read)
    if kind is StepKind.EXECUTE and not is_narrowed:
        covering = replace(covering, offered=tuple(tool.name for tool in asked.request.tools))
    return covering.to(_PHASES[kind], asked)


def over_budget(machine: Machine, needed: tuple[Resource, ...]) -> Machine | None:
    """Return the machine ended for want of a resource, None while something is left of each of `needed`."""
    budget = machine.setup.budget
    resource = exceeded(budget, machine.spent, needed)
    if resource:
        return exhausted(machine, resource, limit=getattr(budget, resource))
    if budget.steps and machine.state.done_count >= budget.steps:
        return exhausted(machine, "steps", limit=budget.steps)
    return None


def exhausted(machine: Machine, resource: str, *, limit: float) -> Machine:
    """Return the machine ended for want of `resource`, saying what is left undone."""
    undone = tuple(
        f"{step.number}. {step.text}"
        for step in machine.state.plan.steps
        if step.status not in FINISHED_STATUSES and step.status is not StepStatus.DROPPED
    )
    outcome = Exhausted(resource=resource, limit=float(limit), spent=machine.spent, undone=undone)
    return machine.finished(outcome)


def escalate(machine: Machine) -> Machine:
    """Return the machine asking the next tier, with what was tried at this one as lessons."""
    return ask(machine.anew(rung=machine.tries.rung + 1))


def wait(machine: Machine, *, seconds: float, why: str, then: tuple[Phase, Command]) -> Machine:
    """Return the machine letting time pass, and doing `then` afterwards."""
    return machine.to(Phase.WAITING, Wait(seconds=seconds, why=why), held=then)


def ask_person(machine: Machine, phase: Phase, question: Question) -> Machine:
    """Return the machine waiting for a person's word; until it comes, the question stands in the state."""
    state = with_question(machine.state, question.text)
    return replace(machine, state=state).to(phase, AskPerson(question=question), question=question)


def answered(machine: Machine) -> Machine:
    """Return the machine with its question answered."""
    assert machine.question is not None
    state = without_question(machine.state, machine.question.text)
    return replace(machine, state=state, question=None)


def fail(machine: Machine, failure: Failure) -> Machine:
    """Return the machine ended by `failure`, the active step marked as failed."""
    step, state = machine.active, machine.state
    if step:
        state = with_step_ended(state, step, StepStatus.FAILED)
    return replace(machine, state=state).finished(Failed(failure=machine.cited(failure), step=step))


def failure_of(finding: Finding, *, attempts: int) -> Failure:
    """Return the envelope for a finding that nothing could mend."""
    kind = class_of(finding)
    what = f"after {attempts} attempts the answer still can't be used: {finding.rule}"
    place = f"{finding.tool} {finding.where}".strip()
    value = f"{place}: {finding.value}" if place and finding.value else place or finding.value
    fix = finding.fix or "a larger tier, or a step that asks for less"
    return Failure(kind=kind, fault=Fault.MODEL, what=what, value=value, fix=fix, attempts=attempts)
