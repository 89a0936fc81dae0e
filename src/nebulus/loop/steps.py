"""From the goal to steps, from step to step, and to the end.

Invariants: finished work stays finished; a step begins when all that it depends on is finished; where code can check
that a step or the goal is met, code decides.
"""

from collections.abc import Iterator
from itertools import islice

from msgspec.structs import replace

from nebulus.core.events import ChecksEvaluated, RunStarted
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Finding, FindingKind
from nebulus.core.outcome import Done, Evidence, Proof
from nebulus.core.plan import (
    FINISHED_STATUSES,
    GOAL,
    RUNBOOK,
    TRANSCRIPT,
    Check,
    EndsAs,
    PathExists,
    Plan,
    PlanMode,
    Step,
    StepStatus,
    ToolSucceeded,
)
from nebulus.core.result import Result
from nebulus.core.state import State
from nebulus.core.tiers import StepKind
from nebulus.loop.ending import ask, fail, finish
from nebulus.loop.machine import Machine, missing_calls
from nebulus.loop.phases import Answering, Checking, CheckingGoal, NotStarted, Planning, Task, Working
from nebulus.loop.places import RunAt, TaskAt
from nebulus.loop.recovering import on_finding
from nebulus.memory.distil import with_active, with_plan, with_step_ended, without_mistakes
from nebulus.memory.mentions import Mention, listed, mentions_of
from nebulus.memory.references import mentioned_fields


def on_started(at: RunAt[NotStarted], event: RunStarted) -> Machine:
    """Begin with the given plan; without one, ask for a plan, or answer at once if there are no tools to use."""
    begun = replace(
        at.machine,
        config=event.config,
        state=State(goal=event.goal, files=event.files),
        run_id=event.run_id,
        policy_digest=event.policy_digest,
    )
    if event.plan.steps:
        return take_plan(begun, event.plan)
    if event.goal.result is not None and not any(not tool.handles for tool in event.config.tools):
        return _conclude(begun)
    begun = replace(begun, unused=_mentions(event))
    if event.config.planning is PlanMode.NEXT:
        goal = Step(number=1, text=event.goal.text, is_open=True)
        return take_plan(begun, Plan((goal,), origin=GOAL))
    return ask_for_plan(begun, Task(kind=StepKind.PLAN))


def _mentions(event: RunStarted) -> tuple[Mention, ...]:
    """Return what the goal names that a tool of the run could use: paths only where a tool takes paths."""
    takes_paths = any(tool.paths for tool in event.config.tools)
    return (
        tuple(mention for mention in mentions_of(event.goal.text) if takes_paths or not mention.is_path)
        if event.config.tools
        else ()
    )


def ask_for_plan(machine: Machine, task: Task) -> Machine:
    """Return the machine asking a planning tier for steps."""
    return ask(replace(machine, phase=Planning(task)), task)


def take_plan(machine: Machine, plan: Plan) -> Machine:
    """Return the machine working on an accepted plan; what is finished stays, with its number."""
    before = machine.state.plan.steps
    added = tuple(_shifted(step, len(before)) for step in plan.steps)
    state = with_plan(machine.state, replace(plan, steps=(*before, *added)))
    branches = (step.number for step in added if step.after is not None)
    planned = replace(
        machine,
        state=state,
        phase=Working(()),
        pending=tuple(step.number for step in added),
        last_branch=max(branches, default=0),
    )
    return begin_ready(planned)


def _shifted(step: Step, by: int) -> Step:
    after = None if step.after is None else tuple(number + by for number in step.after)
    if by and step.number == 1 and after is None:
        after = ()
    return replace(step, number=step.number + by, after=after)


def begin_ready(machine: Machine) -> Machine:
    """Return the machine with every step begun that can begin; or checking the goal if no step is left."""
    room = machine.config.limits.parallel_steps - len(machine.tasks)
    for number in tuple(islice(_ready(machine), max(0, room))):
        machine = _begin(machine, number)
        if not isinstance(machine.phase, Working):
            return machine
    if machine.tasks:
        return machine
    if machine.pending:
        return fail(machine, None, _unreachable(machine.state.step(machine.pending[0])))
    return _check_goal(machine)


def _ready(machine: Machine) -> Iterator[int]:
    """Yield the pending steps of which everything that they depend on is finished."""
    steps = machine.state.plan.steps
    for number in machine.pending:
        if all(steps[needed - 1].status in FINISHED_STATUSES for needed in steps[number - 1].depends_on):
            yield number
        elif number > machine.last_branch:
            return  # all later steps depend on this one


def _begin(machine: Machine, number: int) -> Machine:
    task = Task(kind=StepKind.EXECUTE, step=number)
    tasks = tuple(sorted((*machine.tasks, task), key=lambda one: one.step))
    begun = replace(
        machine,
        state=with_active(machine.state, number),
        phase=Working(tasks),
        pending=_without(machine.pending, number),
        step_began=(*machine.step_began, (number, machine.position)),
    )
    lost = lost_value(begun, number)
    return fail(begun, task, lost) if lost is not None else ask(begun, task)


def _without(pending: tuple[int, ...], number: int) -> tuple[int, ...]:
    at = pending.index(number)
    return (*pending[:at], *pending[at + 1 :])


def lost_value(machine: Machine, number: int) -> Failure | None:
    """Return the failure of a step that needs a lost result, or None if it needs none.

    No model can know the value; whatever it gave would be made up.
    """
    if not machine.lost_results:
        return None
    state = machine.state
    known = {fact.step for fact in state.facts} | {artifact.step for artifact in state.artifacts}
    lost = set(machine.lost_results) - known
    wanted = sorted(
        (step, field) for step, field in mentioned_fields(state.step(number).text) if step in lost
    )
    if not wanted:
        return None
    step, field = wanted[0]
    return Failure(
        kind=FailureKind.UNKNOWN_OUTCOME,
        fault=Fault.TOOL,
        what=f"step {number} needs the {field or 'result'} of step {step}, and that result was lost",
        value=f"step {step} took effect; what it returned is not known",
        fix="find out the value, write it into the step instead of the mention, and resume",
    )


def required_tools(checks: tuple[Check, ...]) -> tuple[str, ...]:
    """Return the tools that `checks` require to succeed."""
    return tuple(check.tool for check in checks if isinstance(check, ToolSucceeded))


def world_checks(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Return the checks that depend on the world; the others are decided by the call history."""
    return tuple(check for check in checks if not isinstance(check, ToolSucceeded))


def still_required(machine: Machine, task: Task) -> tuple[str, ...]:
    """Return the tools that must still succeed in the step of `task`, in order."""
    checks = machine.state.step(task.step).checks if task.step else ()
    return missing_calls(required_tools(checks), task.attempts.succeeded)


def after_calls(machine: Machine, task: Task) -> Machine:
    """Return the machine after every call of an answer succeeded: done, checking, or asking again."""
    step = machine.state.step(task.step)
    if step.is_open:
        state = without_mistakes(machine.state, step=task.step)
        return _ask_on(replace(machine, state=state), replace(task, attempts=task.attempts.reset()))
    if not step.checks or still_required(machine, task):
        return _ask_on(machine, task)
    return evaluate(machine, task)


def evaluate(machine: Machine, task: Task, *, also: tuple[Check, ...] = ()) -> Machine:
    """Return the machine evaluating the checks of a step, or past it if the call history alone decides."""
    checks = (*world_checks(machine.state.step(task.step).checks), *also)
    if checks:
        return machine.with_task(replace(task, activity=Checking(checks)))
    return end_step(machine, task, StepStatus.CALLED)


def on_checked(at: TaskAt[Checking], event: ChecksEvaluated) -> Machine:
    """End the step if every check passed; else report what is not done."""
    machine, task = at.machine, at.task
    if all(event.passed):
        has_own = bool(machine.state.step(task.step).checks)
        return end_step(machine, task, StepStatus.PROVEN if has_own else StepStatus.CLAIMED)
    finding = Finding(kind=FindingKind.CHECK_FAILED, rule="the step is not done", value=_reasons(event))
    return on_finding(machine, task, finding)


def on_goal_checked(at: RunAt[CheckingGoal], event: ChecksEvaluated) -> Machine:
    """Conclude if every check of the goal passed; else the run has failed."""
    machine = at.machine
    if all(event.passed):
        seen = tuple(Evidence(describe(check), True, machine.position) for check in at.state.checks)
        return _conclude(replace(machine, evidence=(*machine.evidence, *seen)))
    return _goal_failed(machine, _reasons(event))


def end_step(machine: Machine, task: Task, status: StepStatus) -> Machine:
    """Return the machine past a step, with the evidence of how it ended."""
    step, attempts = machine.state.step(task.step), task.attempts
    seen = "; ".join(describe(check) for check in step.checks)
    what = f"the model said: {attempts.claim}" if status is StepStatus.CLAIMED else seen
    reasons = "; ".join(attempts.escalation_reasons)
    tiers = f" (by {machine.tier_of(task).name}; {reasons})" if reasons else ""
    if step.is_open and machine.unused:
        attempts = replace(attempts, doubt=_doubt_of(machine))
    doubt = f"; in doubt: {attempts.doubt}" if attempts.doubt else ""
    is_proven = status is StepStatus.PROVEN
    evidence = Evidence(f"step {step.number}: {what}{tiers}{doubt}", is_proven, machine.position)
    doubtful = machine.doubtful_steps
    ended = replace(
        machine.without_task(step.number),
        state=with_step_ended(machine.state, step.number, status),
        evidence=(*machine.evidence, evidence),
        doubtful_steps=(*doubtful, step.number) if doubt and not is_proven else doubtful,
        closing_words=attempts.claim if plan_is_goal(machine) else "",
    )
    return begin_ready(ended)


def _doubt_of(machine: Machine) -> str:
    """Say what the goal names that no call has used, or has found."""
    unused = [mention for mention in machine.unused if not mention.is_missing]
    parts = [f"no call has used {listed(unused)}"] if unused else []
    missing = machine.missing_paths
    return "; ".join([*parts, f"there is no {', '.join(missing)}"] if missing else parts)


def done(machine: Machine, result: Result | None = None) -> Machine:
    """Return the machine ended as done, proven or claimed.

    It is proven if code checked the goal, or every step of a plan that the user wrote; an answer, if the run also saw
    each of its values. That a model's own steps succeeded does not show that they reach the goal.
    """
    plan, goal = machine.state.plan, machine.state.goal
    steps = [step for step in plan.steps if step.status is not StepStatus.DROPPED]
    counts = {status: sum(step.status is status for step in steps) for status in sorted(FINISHED_STATUSES)}
    is_users_plan = bool(steps) and plan.origin in (RUNBOOK, TRANSCRIPT)
    is_checked = any(not isinstance(check, EndsAs) for check in goal.checks)
    has_proof = is_checked or (is_users_plan and counts[StepStatus.PROVEN] == len(steps))
    if result is not None:
        has_proof = result.is_proven and (has_proof or (is_users_plan and counts[StepStatus.CLAIMED] == 0))
    said = ", ".join(f"{count} {status.value}" for status, count in counts.items() if count)
    doubts = ", ".join(map(str, machine.doubtful_steps))
    noun = "step" if len(steps) == 1 else "steps"
    summary = f"{len(steps)} {noun} done: {said}" if steps else "answered without a step"
    if plan_is_goal(machine):
        count = sum(not record.is_error for record in machine.calls)
        summary = f"{count} {'call' if count == 1 else 'calls'} made; the model says: {machine.closing_words}"
    return finish(
        machine,
        Done(
            proof=Proof.PROVEN if has_proof else Proof.CLAIMED,
            summary=f"{summary}; in doubt: step {doubts}" if doubts else summary,
            evidence=machine.evidence,
            result=result,
        ),
    )


def plan_is_goal(machine: Machine) -> bool:
    """Whether the goal itself is the only step, worked on call by call."""
    return machine.state.plan.origin == GOAL


def describe(check: Check) -> str:
    """Return a check in words."""
    match check:
        case ToolSucceeded(tool):
            return f"{tool} succeeded"
        case EndsAs(agreed=agreed, tries=tries):
            return f"{agreed} of {tries} tries in copies of the workspace ended the same"
        case _:
            fields = ", ".join(f"{name}={getattr(check, name)!r}" for name in check.__struct_fields__)
            return f"{check.__struct_config__.tag} {fields}"


def _check_goal(machine: Machine) -> Machine:
    goal = machine.state.goal
    called = {record.tool for record in machine.calls if not record.is_error}
    missing = missing_calls(required_tools(goal.checks), called)
    if missing:
        return _goal_failed(machine, f"no call of {missing[0]} has succeeded")
    # where the goal is the only step, they were checked when the model ended it
    also = () if plan_is_goal(machine) else unused_paths(machine)
    checks = (*world_checks(goal.checks), *also)
    if checks:
        return replace(machine, phase=CheckingGoal(checks))
    seen = tuple(Evidence(describe(check), True, machine.position) for check in goal.checks)
    return _conclude(replace(machine, evidence=(*machine.evidence, *seen)))


def unused_paths(machine: Machine) -> tuple[Check, ...]:
    """Return the checks that each path which the goal names and no call has used is at least there."""
    return tuple(map(PathExists, machine.unused_paths))


def _conclude(machine: Machine) -> Machine:
    if machine.state.goal.result is None:
        return done(machine)
    task = Task(kind=StepKind.ANSWER)
    return ask(replace(machine, phase=Answering(task)), task)


def _goal_failed(machine: Machine, why: str) -> Machine:
    failure = Failure(
        kind=FailureKind.CHECK_FAILED,
        fault=Fault.CONTRACT,
        what="every step ended, but the goal's check does not pass",
        value=why,
        fix="correct the plan or the check, then resume",
    )
    return fail(machine, None, failure)


def _ask_on(machine: Machine, task: Task) -> Machine:
    limits = machine.config.limits
    limit = limits.goal_calls if machine.state.step(task.step).is_open else limits.calls
    if task.attempts.calls < limit:
        return ask(machine, task)
    failure = Failure(
        kind=FailureKind.NO_PROGRESS,
        fault=Fault.MODEL,
        what=f"the step is not done after {limit} calls",
        value=f"step {task.step}",
        fix="split the step, or give it a check that says when it is done",
        attempts=task.attempts.calls,
    )
    return fail(machine, task, failure)


def _reasons(event: ChecksEvaluated) -> str:
    return "; ".join(reason for reason in event.why if reason)


def _unreachable(step: Step) -> Failure:
    return Failure(
        kind=FailureKind.CHECK_FAILED,
        fault=Fault.CONTRACT,
        what=f"step {step.number} can't begin: it depends on steps that are not finished",
        value=", ".join(map(str, step.depends_on)),
        fix="correct the steps that it depends on",
    )
