"""What recovery decided, carried out on the machine.

Laws: each retry changes something; a tier is never changed in silence; when nothing is left to try, the
run ends in a typed failure.
"""

from typing import assert_never

from msgspec.structs import replace

from nebulus.core.commands import Command
from nebulus.core.digest import canonical
from nebulus.core.events import PersonAbsent, PersonAnswered
from nebulus.core.failure import Failure, Recognised
from nebulus.core.findings import Call, Finding, FindingKind
from nebulus.core.outcome import Question
from nebulus.core.plan import StepStatus, ToolSucceeded
from nebulus.core.provenance import USER
from nebulus.core.state import State
from nebulus.core.tiers import StepKind
from nebulus.core.tools import Effect
from nebulus.loop.progress import Machine, Phase, Tries
from nebulus.loop.trying import answered, ask, ask_person, escalate, fail, failure_of, wait
from nebulus.loop.turn import has_next_tier, offered_readers, tier_of, tools_for
from nebulus.memory.distil import with_lesson, with_step_ended
from nebulus.memory.prompt import bounded
from nebulus.recovery import strategy
from nebulus.recovery.stagnation import changed
from nebulus.recovery.strategy import History, Move, Side


def on_finding(machine: Machine, finding: Finding) -> Machine:
    """Return the machine doing what recovery says about an answer that could not be used."""
    before = machine.tries.findings
    decided = strategy.for_finding(
        finding,
        before=before,
        history=History(possible=possible(machine) - {Move.WAIT}),
        limits=machine.setup.limits,
    )
    lesson = with_lesson(machine.state, step=machine.active, kind=finding.kind.value, why=finding.lesson())
    learned = replace(machine, state=lesson, queue=()).with_tries(findings=(*before, finding), claim="")
    return carry_out(learned, decided, failure_of(finding, attempts=len(before) + 1))


def on_model_failure(machine: Machine, failure: Failure) -> Machine:
    """Return the machine doing what recovery says about a backend that gave no usable answer."""
    tries = machine.tries
    history = _history(machine, "model", failure, total=tries.retries, moves=possible(machine))
    decided = strategy.for_model_failure(failure, history=history, limits=machine.setup.limits)
    counted = _noted(machine, "model", failure).with_tries(retries=tries.retries + 1)
    failed = replace(failure, attempts=tries.retries + 1)
    match decided:
        case strategy.WaitAndRetry(seconds):
            again = ask(counted)
            if again.phase is Phase.FINISHED or again.command is None:
                return again
            return wait(again, seconds=seconds, why=failure.sentence(), then=(again.phase, again.command))
        case _:
            lesson = with_lesson(
                counted.state, step=counted.active, kind=failure.kind.value, why=failure.what
            )
            return carry_out(replace(counted, state=lesson), decided, failed)


def on_tool_failure(machine: Machine, failure: Failure, *, again: tuple[Phase, Command]) -> Machine:
    """Return the machine doing what recovery says about a tool; `again` is the very same call."""
    tries = machine.tries
    history = _history(
        machine, "tool", failure, total=tries.tool_errors, moves=_possible_for_tool(machine, failure)
    )
    decided = strategy.for_tool_failure(failure, history=history, limits=machine.setup.limits)
    counted = _noted(machine, "tool", failure).with_tries(tool_errors=tries.tool_errors + 1)
    match decided:
        case strategy.WaitAndRetry(seconds):
            return wait(counted, seconds=seconds, why=failure.sentence(), then=again)
        case _:
            return carry_out(counted, decided, replace(failure, attempts=tries.tool_errors + 1))


def carry_out(machine: Machine, decided: strategy.Strategy, failure: Failure) -> Machine:
    """Return the machine after what was decided about `failure`, its envelope for the end or for a person."""
    match decided:
        case strategy.AskAgain():
            return ask(machine)
        case strategy.Reread():
            return ask(machine.with_tries(must_read=True))
        case strategy.OtherTool():
            return ask(machine.with_tries(avoided=(*machine.tries.avoided, machine.call.tool)))
        case strategy.Escalate():
            brief = f"{tier_of(machine).name} gave up: {failure.kind.value} after {failure.attempts}"
            return escalate(machine.with_tries(handed=(*machine.tries.handed, brief)))
        case strategy.Replan():
            return replan(machine, failure)
        case strategy.AskPersonFirst():
            return _ask_person(machine, failure)
        case strategy.WaitAndRetry() | strategy.GiveUp():
            return fail(machine, failure)
        case _:
            assert_never(decided)


def replan(machine: Machine, failure: Failure) -> Machine:
    """Return the machine asking for other steps from here on, told what is done and what failed."""
    broken = machine.step
    state = with_step_ended(machine.state, broken.number, StepStatus.DROPPED)
    steps = tuple(
        replace(step, status=StepStatus.DROPPED) if step.status is StepStatus.PENDING else step
        for step in state.plan.steps
    )
    state = replace(state, plan=replace(state.plan, steps=steps))
    cause = machine.tries.last_failed
    told = f"; the last call: {cause}" if cause and failure.what not in cause else ""
    state = with_lesson(
        state,
        step=0,
        kind=failure.kind.value,
        why=f"step {broken.number} ({broken.text}): {failure.what}{told}",
    )
    tries = Tries(is_replanning=True, is_tainted=machine.tries.is_tainted)
    return ask(replace(machine, state=state, active=0, tries=tries, queue=(), replans=machine.replans + 1))


def on_helped(machine: Machine, event: PersonAnswered) -> Machine:
    """A yes: the cause is mended, and the step is tried anew. A no ends the run with what broke."""
    assert machine.broken is not None
    known = answered(machine)
    if not event.is_yes:
        return fail(known, machine.broken)
    state: State = known.state
    if event.text:
        state = with_lesson(state, step=machine.active, kind="hint", why=event.text, provenance=USER)
    fresh = replace(known, state=state, broken=None)
    trail = changed(machine.tries.trail)  # what brought nothing before may bring something now
    return ask(fresh.anew(trail=trail, is_helped=True))


def on_nobody(machine: Machine, _: PersonAbsent) -> Machine:
    """Nobody is there to mend it: the run ends with what broke."""
    assert machine.broken is not None
    return fail(replace(machine, question=None), machine.broken)


def possible(machine: Machine) -> frozenset[Move]:
    """Return the moves that can be made about an answer or a backend here."""
    moves = {Move.WAIT, Move.ASK, Move.STOP}
    if has_next_tier(machine):
        moves.add(Move.ESCALATE)
    if _may_replan(machine):
        moves.add(Move.REPLAN)
    if machine.active and not machine.tries.is_helped:
        moves.add(Move.PERSON)
    return frozenset(moves)


def _possible_for_tool(machine: Machine, failure: Failure) -> frozenset[Move]:
    """Return the moves for the tool that failed: nothing is repeated on a guess, nothing required is avoided."""
    tool = machine.setup.tool(machine.call.tool)
    moves = set(possible(machine))
    if not (tool.is_repeatable or failure.recognised is not Recognised.TEXT):
        moves.discard(Move.WAIT)
    if tool.effect is not Effect.READ and offered_readers(machine, tier_of(machine)):
        moves.add(Move.REREAD)
    is_required = ToolSucceeded(tool.name) in machine.step.checks
    others = [spec for spec in tools_for(machine, tier_of(machine)) if spec.name != tool.name]
    if others and not is_required:
        moves.add(Move.OTHER_TOOL)
    return frozenset(moves)


def _may_replan(machine: Machine) -> bool:
    """Whether other steps may be asked for: never in place of those that the user wrote."""
    return (
        machine.active > 0
        and machine.state.plan.origin != "runbook"
        and machine.replans < machine.setup.limits.replans
        and bool(machine.setup.ladder(StepKind.PLAN))
    )


def _history(
    machine: Machine, side: Side, failure: Failure, *, total: int, moves: frozenset[Move]
) -> History:
    seen = machine.tries.broken.count(f"{side}.{failure.kind.value}")
    return History(seen=seen, total=total, possible=moves)


def _noted(machine: Machine, side: Side, failure: Failure) -> Machine:
    return machine.with_tries(broken=(*machine.tries.broken, f"{side}.{failure.kind.value}"))


def _ask_person(machine: Machine, failure: Failure) -> Machine:
    question = Question(
        question_id=f"{machine.call.call_id or machine.position}!",
        kind="question",
        text="It can't go on by itself. Is the cause mended, so that the step may be tried again?",
        tool=machine.call.tool,
        reason=failure.sentence(),
        run_id=machine.run_id,
        step=machine.active,
    )
    return replace(ask_person(machine, Phase.HELPING, question), broken=failure)


def no_progress(call: Call, why: str) -> Finding:
    """Return the finding that a proposed call would bring nothing."""
    fix = "make another call, or say what is missing"
    spelled = bounded(canonical(call.arguments).decode(), 200)
    return Finding(kind=FindingKind.NO_PROGRESS, rule=why, tool=call.tool, value=spelled, fix=fix)
