"""Asking a model, and what follows when its answer can't be used.

Law: each retry changes something; when nothing is left to try, the run ends in a typed failure.
"""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import replace

from nebulus.core.budget import exceeded
from nebulus.core.commands import AskModel, Command, Wait
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Finding, FindingKind
from nebulus.core.outcome import Exhausted, Failed
from nebulus.core.plan import FINISHED_STATUSES, StepStatus
from nebulus.core.tiers import StepKind
from nebulus.loop.progress import Machine, Phase
from nebulus.loop.turn import has_next_tier, kind_of, request_for, tier_of
from nebulus.memory.distil import with_lesson, with_step_ended
from nebulus.recovery import strategy

_KINDS: Mapping[FindingKind, FailureKind] = MappingProxyType(
    {
        FindingKind.EMPTY: FailureKind.EMPTY,
        FindingKind.TRUNCATED: FailureKind.TRUNCATED,
        FindingKind.CHECK_FAILED: FailureKind.CHECK_FAILED,
        FindingKind.INVALID_ARGUMENTS: FailureKind.INVALID_ARGUMENTS,
        FindingKind.UNGROUNDED: FailureKind.INVALID_ARGUMENTS,
    }
)


def ask(machine: Machine) -> Machine:
    """Return the machine asking for a plan, or for the active step; or over, if nothing may be spent."""
    over = over_budget(machine)
    if over is not None:
        return over
    phase = Phase.PLANNING if kind_of(machine) is StepKind.PLAN else Phase.ASKING
    return machine.to(phase, AskModel(tier=tier_of(machine).name, request=request_for(machine)))


def over_budget(machine: Machine) -> Machine | None:
    """Return the machine ended for want of a resource, None while something is left of each."""
    resource = exceeded(machine.setup.budget, machine.spent)
    if not resource:
        return None
    undone = tuple(
        f"{step.number}. {step.text}"
        for step in machine.state.plan.steps
        if step.status not in FINISHED_STATUSES
    )
    limit = float(getattr(machine.setup.budget, resource))
    return machine.finished(Exhausted(resource=resource, limit=limit, spent=machine.spent, undone=undone))


def on_finding(machine: Machine, finding: Finding) -> Machine:
    """Return the machine doing what recovery says about an answer that could not be used."""
    before = machine.tries.findings
    decided = strategy.for_finding(
        finding, before=before, has_next_tier=has_next_tier(machine), limits=machine.setup.limits
    )
    lesson = with_lesson(machine.state, kind=finding.kind.value, why=finding.sentence())
    learned = replace(machine, state=lesson).with_tries(findings=(*before, finding), claim="")
    match decided:
        case strategy.AskAgain():
            return ask(learned)
        case strategy.Escalate():
            return escalate(learned)
        case strategy.WaitAndRetry() | strategy.GiveUp():
            return fail(learned, failure_of(finding, attempts=len(before) + 1))


def escalate(machine: Machine) -> Machine:
    """Return the machine asking the next tier, with what was tried at this one as lessons."""
    return ask(machine.with_tries(rung=machine.tries.rung + 1, findings=(), retries=0, tool_errors=0))


def wait(machine: Machine, *, seconds: float, why: str, then: tuple[Phase, Command]) -> Machine:
    """Return the machine letting time pass, and doing `then` afterwards."""
    return machine.to(Phase.WAITING, Wait(seconds=seconds, why=why), held=then)


def fail(machine: Machine, failure: Failure) -> Machine:
    """Return the machine ended by `failure`, the active step marked as failed."""
    step, state = machine.state.active, machine.state
    if step:
        state = replace(with_step_ended(state, StepStatus.FAILED), active=step)
    return replace(machine, state=state).finished(Failed(failure=machine.cited(failure), step=step))


def failure_of(finding: Finding, *, attempts: int) -> Failure:
    """Return the envelope for a finding that nothing could mend."""
    kind = _KINDS.get(finding.kind, FailureKind.MALFORMED_ANSWER)
    what = f"after {attempts} attempts the answer still can't be used: {finding.rule}"
    place = f"{finding.tool} {finding.where}".strip()
    value = f"{place}: {finding.value}" if place and finding.value else place or finding.value
    fix = finding.fix or "a larger tier, or a step that asks for less"
    return Failure(kind=kind, fault=Fault.MODEL, what=what, value=value, fix=fix, attempts=attempts)
