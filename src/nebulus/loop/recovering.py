"""Carries out recovery decisions on the machine.

Invariants: each retry changes something; a tier is never changed silently; when nothing is left to try, the run ends
in a typed failure.
"""

from typing import assert_never

from msgspec.structs import replace

from nebulus.core import strategy as s
from nebulus.core.events import PersonAbsent, PersonAnswered, RecoveryChosen, WaitEnded
from nebulus.core.failure import Failure
from nebulus.core.findings import Finding, FindingKind
from nebulus.core.outcome import Blocked, Question
from nebulus.core.plan import StepStatus
from nebulus.core.routes import Weighed
from nebulus.core.text import bounded
from nebulus.core.tiers import StepKind
from nebulus.loop.ending import ask, fail, failure_of, finish
from nebulus.loop.machine import Machine
from nebulus.loop.phases import (
    Attempts,
    Consulting,
    NeedsHelp,
    Planning,
    Problem,
    Recovering,
    Task,
    Waiting,
)
from nebulus.loop.places import TaskAt
from nebulus.memory.distil import (
    with_lesson,
    with_question,
    with_step_ended,
    with_user_answer,
    without_question,
)
from nebulus.recovery.stagnation import changed

QUESTION_CHARS = 1000
"""The longest question that a person is asked; a cut is marked."""


def on_finding(machine: Machine, task: Task, finding: Finding, *, question: str = "") -> Machine:
    """Return the machine choosing what to do about an answer that could not be used."""
    attempts = task.attempts
    failure = failure_of(finding, attempts=len(attempts.findings) + 1)
    state = machine.state
    if not question:
        state = with_lesson(state, step=task.step, kind=finding.kind.value, why=finding.lesson())
    recovering = task.to(
        Recovering(Problem(failure, finding, question)),
        findings=(*attempts.findings, finding),
        claim="",
        is_reminded=attempts.is_reminded or finding.kind is FindingKind.UNUSED,
        is_told_missing=attempts.is_told_missing or finding.kind is FindingKind.MISSING,
    )
    return replace(machine, state=state).with_task(recovering)


def on_model_failure(machine: Machine, task: Task, failure: Failure) -> Machine:
    """Return the machine choosing what to do about a backend that gave no usable answer."""
    attempts = task.attempts
    counted = replace(failure, attempts=attempts.retries + 1)
    return machine.with_task(
        task.to(
            Recovering(Problem(counted)),
            retries=attempts.retries + 1,
            failures=(*attempts.failures, f"model.{failure.kind.value}"),
        )
    )


def on_strategy(at: TaskAt[Recovering], event: RecoveryChosen) -> Machine:
    """Do what was decided about a task."""
    machine, task, activity = at.machine, at.task, at.state
    problem = activity.problem
    if isinstance(event.strategy, s.WaitAndRetry):
        why = problem.failure.sentence()
        wait = Waiting(event.strategy.seconds, event.until_s, why)
        return machine.with_task(replace(task, activity=wait))
    if problem.question:
        return _ask_or_consult(machine, task, problem, strategy=event.strategy)
    if problem.finding is None:
        kind, why = problem.failure.kind.value, problem.failure.what
        machine = replace(machine, state=with_lesson(machine.state, step=task.step, kind=kind, why=why))
    return carry_out(machine, task, event.strategy, failure=problem.failure)


def on_waited(at: TaskAt[Waiting], __: WaitEnded) -> Machine:
    """Ask again."""
    machine, task = at.machine, at.task
    return ask(machine, task)


def carry_out(
    machine: Machine, task: Task, strategy: s.Strategy, *, failure: Failure, tool: str = ""
) -> Machine:
    """Return the machine after `strategy`, which was chosen for `failure`; `tool` is the one that failed, if any."""
    attempts = task.attempts
    match strategy:
        case s.AskAgain():
            return ask(machine, task)
        case s.Reread():
            return ask(machine, task.to(task.activity, must_read=True))
        case s.OtherTool():
            return ask(machine, task.to(task.activity, avoided_tools=(*attempts.avoided_tools, tool)))
        case s.Escalate():
            return _escalate(machine, task, failure)
        case s.Replan():
            return _replan(machine, task, failure)
        case s.AskPersonFirst():
            return _ask_for_help(machine, task, failure, tool=tool)
        case s.WaitAndRetry() | s.GiveUp():
            return fail(machine, task, failure)
        case _:
            assert_never(strategy)


def on_helped(at: TaskAt[NeedsHelp], event: PersonAnswered) -> Machine:
    """A yes: the cause is fixed, and the step is tried again. A no ends the run with the failure."""
    machine, task, activity = at.machine, at.task, at.state
    state = without_question(machine.state, activity.question.text)
    if not event.is_yes:
        return fail(replace(machine, state=state), task, activity.failure)
    if event.text:
        state = with_lesson(state, step=task.step, kind="hint", why=event.text)
    history = changed(task.attempts.history)  # what gave nothing new before may do so now
    fresh = replace(task, attempts=task.attempts.reset(history=history, is_helped=True))
    return ask(replace(machine, state=state), fresh)


def on_nobody_helps(at: TaskAt[NeedsHelp], _: PersonAbsent) -> Machine:
    """Nobody is available to fix the cause: the run ends with the failure."""
    machine, task, activity = at.machine, at.task, at.state
    return fail(machine, task, activity.failure)


def on_consulted(at: TaskAt[Consulting], event: PersonAnswered) -> Machine:
    """Go on with the step and the user's answer; without a text, their yes or no is the answer."""
    machine, task, activity = at.machine, at.task, at.state
    question = activity.question.text
    state = with_user_answer(
        without_question(machine.state, question),
        question,
        event.text or ("yes" if event.is_yes else "no"),
        step=task.step,
        model=machine.tier_of(task).name,
        is_trusted=not task.attempts.is_tainted,
    )
    asked = task.attempts.questions_asked + 1
    return ask(
        replace(machine, state=state), replace(task, attempts=task.attempts.reset(questions_asked=asked))
    )


def on_nobody_answers(at: TaskAt[Consulting], __: PersonAbsent) -> Machine:
    """Block the run until somebody answers."""
    machine, activity = at.machine, at.state
    return finish(machine, Blocked(question=activity.question))


def _ask_or_consult(machine: Machine, task: Task, problem: Problem, *, strategy: s.Strategy) -> Machine:
    """Do what was decided about an answer that only asks; where recovery would give up, ask a person."""
    assert problem.finding is not None
    if not isinstance(strategy, s.GiveUp):
        why = problem.finding.lesson()
        state = with_lesson(machine.state, step=task.step, kind=problem.finding.kind.value, why=why)
        return carry_out(replace(machine, state=state), task, strategy, failure=problem.failure)
    asked = task.attempts.questions_asked
    if asked >= machine.config.limits.attempts:
        return fail(machine, task, failure_of(problem.finding, attempts=asked + 1))
    step = machine.state.step(task.step)
    question = Question(
        question_id=f"q{machine.position}",
        kind="question",
        text=bounded(problem.question.strip(), QUESTION_CHARS),
        reason=f"{machine.tier_of(task).name} asks this about step {step.number}: {step.text}",
        run_id=machine.run_id,
        step=step.number,
    )
    state = with_question(machine.state, question.text)
    return replace(machine, state=state).with_task(replace(task, activity=Consulting(question)))


def _escalate(machine: Machine, task: Task, failure: Failure) -> Machine:
    """Return the machine asking the next tier, or the same one if a changed configuration has no other."""
    why = f"{machine.tier_of(task).name} gave up: {failure.kind.value} after {failure.attempts}"
    return _go_up(machine, task, task.attempts.tier_index + machine.has_next_tier(task), why=why)


def ask_larger(machine: Machine, task: Task, weighed: Weighed) -> Machine:
    """Return the machine asking a larger tier, since the answer of the smaller one was not good enough to be used."""
    names = [tier.name for tier in machine.config.tiers_for(task.kind)]
    why = f"{machine.tier_of(task).name}'s answer is not used: {weighed.reason}"
    return _go_up(machine, task, names.index(weighed.larger_tier), why=why)


def _go_up(machine: Machine, task: Task, index: int, *, why: str) -> Machine:
    """Return the machine asking the tier at `index`, which begins without the mistakes of the smaller one."""
    attempts = task.attempts
    fresh = attempts.reset(tier_index=index, escalation_reasons=(*attempts.escalation_reasons, why))
    if task.kind is StepKind.EXECUTE:
        machine = replace(machine, highest_tier=max(machine.highest_tier, index))
    return ask(machine, replace(task, attempts=fresh))


def _replan(machine: Machine, task: Task, failure: Failure) -> Machine:
    """Return the machine asking for new steps from here on; the planner is told what is done and what failed."""
    broken = machine.state.step(task.step)
    state = with_step_ended(machine.state, broken.number, StepStatus.DROPPED)
    steps = tuple(
        replace(step, status=StepStatus.DROPPED)
        if step.status in (StepStatus.PENDING, StepStatus.ACTIVE)
        else step
        for step in state.plan.steps
    )
    cause = task.attempts.last_error
    last_call = f"; the last call: {cause}" if cause and failure.what not in cause else ""
    state = with_lesson(
        replace(state, plan=replace(state.plan, steps=steps)),
        step=0,
        kind=failure.kind.value,
        why=f"step {broken.number} ({broken.text}): {failure.what}{last_call}",
    )
    attempts = Attempts(is_replanning=True, is_tainted=task.attempts.is_tainted)
    planning = Task(kind=StepKind.PLAN, attempts=attempts)
    changed_plan = replace(
        machine, state=state, phase=Planning(planning), replans=machine.replans + 1, pending=()
    )
    return ask(changed_plan, planning)


def _ask_for_help(machine: Machine, task: Task, failure: Failure, *, tool: str) -> Machine:
    question = Question(
        question_id=f"h{machine.position}",
        kind="question",
        text="The run can't continue by itself. Is the cause fixed, so that the step may be tried again?",
        tool=tool,
        reason=failure.sentence(),
        run_id=machine.run_id,
        step=task.step,
    )
    state = with_question(machine.state, question.text)
    return replace(machine, state=state).with_task(replace(task, activity=NeedsHelp(question, failure)))


ASKED = Finding(
    kind=FindingKind.ASKED,
    rule="the answer is a question, and nothing was done",
    fix="do the step with what is known; ask again only what only the user can say",
)
"""The finding for an answer that only asks."""


def no_progress(tool: str, arguments_text: str, why: str) -> Finding:
    """Return the finding that a proposed call would give nothing new."""
    fix = "make another call, or say what is missing"
    return Finding(kind=FindingKind.NO_PROGRESS, rule=why, tool=tool, value=arguments_text, fix=fix)
