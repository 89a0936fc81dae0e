"""From step to step, and to the end.

Laws: finished work stays finished; where code can check that a step or the goal is met, code decides.
"""

from msgspec.structs import replace

from nebulus.core.commands import RunChecks
from nebulus.core.events import ChecksJudged, GoalGiven
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Finding, FindingKind
from nebulus.core.outcome import Done, Evidence, Proof
from nebulus.core.plan import FINISHED_STATUSES, Check, Plan, StepStatus, ToolSucceeded
from nebulus.core.state import State
from nebulus.loop.heeding import lost_value
from nebulus.loop.progress import Machine, Phase, Tries
from nebulus.loop.recovering import on_finding
from nebulus.loop.trying import ask, fail
from nebulus.loop.turn import missing_calls, tier_of
from nebulus.memory.distil import with_active, with_plan, with_step_ended


def on_goal(machine: Machine, event: GoalGiven) -> Machine:
    """Begin: with the plan that was given, or by asking for one."""
    begun = replace(machine, state=State(goal=event.goal), run_id=event.run_id)
    return take_plan(begun, event.plan) if event.plan.steps else ask(begun)


def take_plan(machine: Machine, plan: Plan) -> Machine:
    """Return the machine at the first step of an accepted plan; what is finished stays, with its number."""
    before = machine.state.plan.steps
    numbered = tuple(replace(step, number=step.number + len(before)) for step in plan.steps)
    whole = replace(plan, steps=(*before, *numbered))
    return begin_next(replace(machine, state=with_plan(machine.state, whole), active=0))


def begin_next(machine: Machine) -> Machine:
    """Return the machine asking for the next pending step, or looking at the goal if none is left."""
    number = machine.state.next_pending()
    begun = replace(machine, tries=Tries(), queue=(), step_began=machine.position)
    if number:
        active = replace(begun, state=with_active(begun.state, number), active=number)
        lost = lost_value(active)
        return fail(active, lost) if lost is not None else ask(active)
    goal_checks = begun.state.goal.checks
    if goal_checks:
        return begun.to(Phase.CHECKING, RunChecks(checks=goal_checks))
    return begun.finished(_done(begun))


def after_call(machine: Machine) -> Machine:
    """Return the machine after a successful call with nothing queued: done, checking, or asking on."""
    checks = machine.step.checks
    if not checks or missing_calls(machine):
        return _ask_on(machine)
    return look(machine)


def look(machine: Machine) -> Machine:
    """Return the machine looking whether the active step is met; at once, if the ledger alone decides."""
    checks = world_checks(machine.step.checks)
    if checks:
        return machine.to(Phase.CHECKING, RunChecks(checks=checks))
    return end_step(machine, StepStatus.CALLED)


def world_checks(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Return the checks that need a look at the world; the others are decided by the ledger."""
    return tuple(check for check in checks if not isinstance(check, ToolSucceeded))


def on_checked(machine: Machine, event: ChecksJudged) -> Machine:
    """Take the word of code: for the active step if there is one, else for the goal."""
    if all(event.held):
        if machine.active:
            return end_step(machine, StepStatus.PROVEN)
        seen = tuple(Evidence(describe(check), True, machine.position) for check in machine.state.goal.checks)
        done = replace(machine, evidence=machine.evidence + seen)
        return done.finished(_done(done))
    why = "; ".join(reason for reason in event.why if reason)
    if machine.active:
        return on_finding(
            machine, Finding(kind=FindingKind.CHECK_FAILED, rule="the step is not done", value=why)
        )
    return fail(
        machine,
        Failure(
            kind=FailureKind.CHECK_FAILED,
            fault=Fault.CONTRACT,
            what="every step ended, but the goal's check does not hold",
            value=why,
            fix="correct the plan or the check, then resume",
        ),
    )


def end_step(machine: Machine, status: StepStatus) -> Machine:
    """Return the machine past the active step, its evidence kept."""
    step = machine.step
    seen = "; ".join(describe(check) for check in step.checks)
    what = f"the model said: {machine.tries.claim}" if status is StepStatus.CLAIMED else seen
    tiers = (
        f" (by {tier_of(machine).name}; {'; '.join(machine.tries.handed)})" if machine.tries.handed else ""
    )
    doubt = f"; in doubt: {machine.tries.doubt}" if machine.tries.doubt else ""
    evidence = Evidence(
        f"step {step.number}: {what}{tiers}{doubt}", status is StepStatus.PROVEN, machine.position
    )
    ended = replace(
        machine,
        state=with_step_ended(machine.state, step.number, status),
        active=0,
        evidence=(*machine.evidence, evidence),
        doubts=(*machine.doubts, step.number) if doubt and not evidence.is_proven else machine.doubts,
    )
    return begin_next(ended)


def describe(check: Check) -> str:
    """Return a check in words."""
    match check:
        case ToolSucceeded(tool):
            return f"{tool} succeeded"
        case _:
            fields = ", ".join(f"{name}={getattr(check, name)!r}" for name in check.__struct_fields__)
            return f"{check.__struct_config__.tag} {fields}"


def _ask_on(machine: Machine) -> Machine:
    limit = machine.setup.limits.calls
    if machine.tries.calls < limit:
        return ask(machine)
    return fail(
        machine,
        Failure(
            kind=FailureKind.NO_PROGRESS,
            fault=Fault.MODEL,
            what=f"{limit} calls in one step, and it is not done",
            value=f"step {machine.active}",
            fix="split the step, or give it a check that says when it is done",
            attempts=machine.tries.calls,
        ),
    )


def _done(machine: Machine) -> Done:
    """Return the outcome: proven if code saw the goal's checks hold, or a look at the world for each step."""
    steps = [step for step in machine.state.plan.steps if step.status is not StepStatus.DROPPED]
    counts = {status: sum(step.status is status for step in steps) for status in sorted(FINISHED_STATUSES)}
    has_proof = bool(machine.state.goal.checks) or counts[StepStatus.PROVEN] == len(steps)
    said = ", ".join(f"{count} {status.value}" for status, count in counts.items() if count)
    doubts = f"; in doubt: step {', '.join(map(str, machine.doubts))}" if machine.doubts else ""
    return Done(
        proof=Proof.PROVEN if has_proof else Proof.CLAIMED,
        summary=f"{len(steps)} steps done: {said}{doubts}",
        evidence=machine.evidence,
    )
