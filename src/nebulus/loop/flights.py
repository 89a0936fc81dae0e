"""From a verdict to an effect and its result: one call, whatever else is under way.

Invariants: a call runs only after it was allowed; the verdict is recorded before the effect, so it records the intent;
an effect whose outcome is unknown is never repeated blindly.
"""

from typing import assert_never

from msgspec.structs import replace

from nebulus.core import strategy as s
from nebulus.core.budget import ACTING
from nebulus.core.digest import digest, short_digest
from nebulus.core.events import (
    CallDropped,
    CallJudged,
    OutcomeUnknown,
    PersonAbsent,
    PersonAnswered,
    RecoveryChosen,
    ToolFailed,
    ToolReturned,
    WaitEnded,
    WorkerBlocked,
)
from nebulus.core.failure import FailureKind
from nebulus.core.findings import FindingKind
from nebulus.core.outcome import Blocked, Question, Refused
from nebulus.core.provenance import Origin, Provenance
from nebulus.core.text import bounded
from nebulus.core.tools import Effect, ToolResult
from nebulus.core.verdict import Allow, Ask, Refuse
from nebulus.guard.compile import FLOW_RULES
from nebulus.guard.labels import untrusted
from nebulus.guard.usage import exceeded_limit, reads_tainted, usage_with
from nebulus.loop import phases as p
from nebulus.loop.ending import exhausted, finish, finish_stopping, over_budget
from nebulus.loop.extracting import begin_extraction
from nebulus.loop.machine import Machine
from nebulus.loop.phases import Flight, Stopping, Task
from nebulus.loop.places import CallAt
from nebulus.loop.settling import settled, shown_arguments_text
from nebulus.memory.distil import (
    kept_arguments,
    provenance_of,
    with_error,
    with_lesson,
    with_question,
    with_result,
    without_question,
)
from nebulus.memory.handles import labels_of
from nebulus.memory.mentions import looked_for, unused_after
from nebulus.recovery.classify import refined
from nebulus.recovery.stagnation import recorded, with_record

CARRIED = Provenance((Origin("document", "put there by an earlier call"),))
"""The provenance of a result that may contain text from outside although its tool is trusted."""
ERROR_CHARS = 1200
"""The most of a tool's error that a step is shown: enough for the passage of a file that was nearly meant."""


def on_judged(at: CallAt[p.Judging], event: CallJudged) -> Machine:
    """Run the call, with the paths that were judged; or ask a person; or refuse it."""
    machine, task, flight = at.machine, at.task, at.flight
    flight = _with_paths(flight, event.paths)
    flight = replace(flight, proposed=replace(flight.proposed, real=event.real))
    match event.verdict:
        case Allow():
            return _begin(machine, task, flight)
        case Refuse(rule=rule, reason=reason):
            return settled(machine, task, flight, state=p.Denied(rule, reason))
        case Ask(rule=rule, reason=reason):
            question = _question(
                machine, task, flight, kind="approval", reason=reason, about=event.policy_digest, rule=rule
            )
            asked = replace(machine, state=with_question(machine.state, question.text))
            return asked.with_flight(task, replace(flight, state=p.AwaitingApproval(question)))
        case _:
            assert_never(event.verdict)


def on_dropped(at: CallAt[p.Judging], event: CallDropped) -> Machine:
    """Drop a call that would give nothing new, and those after it."""
    machine, task, flight = at.machine, at.task, at.flight
    why = f"{flight.call.tool}: {event.reason}"
    state = with_lesson(machine.state, step=task.step, kind=FindingKind.NO_PROGRESS.value, why=why)
    return settled(replace(machine, state=state), task, flight, state=p.Dropped())


def on_approval(at: CallAt[p.AwaitingApproval], event: PersonAnswered) -> Machine:
    """A yes allows this call once; a no ends the run, since nothing else may be tried instead.

    But a no to a call that text from outside may have caused ends only that call: a document can't end a run.
    """
    machine, task, flight, state = at.machine, at.task, at.flight, at.state
    machine = _answered(machine, state.question)
    if event.is_yes:
        return _begin(machine, task, flight)
    reason = f"a person said no: {event.text or 'no reason was given'}"
    if state.question.rule in FLOW_RULES:
        return settled(machine, task, flight, state=p.Denied("person", reason))
    denied = machine.with_flight(task, replace(flight, state=p.Denied("person", reason)))
    return finish(denied, Refused(rule="person", reason=reason, step=task.step))


def on_nobody_approves(at: CallAt[p.AwaitingApproval | p.Reconciling], ___: PersonAbsent) -> Machine:
    """Block the run until somebody answers."""
    machine, state = at.machine, at.state
    return finish(machine, Blocked(question=state.question))


def on_returned(at: CallAt[p.Running], event: ToolReturned) -> Machine:
    """Distil the result, ask for the values that must be read from it, and go on with what comes after it."""
    machine, task, flight = at.machine, at.task, at.flight
    call, spec = flight.call, machine.config.tool(flight.call.tool)
    made_from = _made_from(machine, flight)
    result = replace(event.result, is_trusted=event.result.is_trusted and not spec.is_untrusted)
    reads = machine.state.step(task.step).reads | spec.reads
    known = len(machine.state.facts)
    state = with_result(
        machine.state,
        step=task.step,
        tool=call.tool,
        call_id=call.call_id,
        result=result,
        made_from=made_from,
        declared=spec.facts,
        reads=reads,
        arguments=kept_arguments(call.arguments),
    )
    attempts = task.attempts
    record = recorded(
        call, spec, step=task.step, result=result.text, is_lost=result.is_lost, history=attempts.history
    )
    is_change = spec.effect is not Effect.READ
    task = task.to(
        task.activity,
        calls=attempts.calls + 1,
        succeeded=(*attempts.succeeded, call.tool),
        history=with_record(attempts.history, record),
        last_error="",
        must_read=attempts.must_read and is_change,
    )
    machine = replace(
        machine,
        state=state,
        spent=machine.spent.with_tool(
            seconds=event.took_s, handed=event.handed.spent if event.handed else None
        ),
        calls=(*machine.calls, record),
        lost_results=(*machine.lost_results, task.step) if result.is_lost else machine.lost_results,
        unused=unused_after(machine.unused, call.arguments, result.text),
    )
    label = provenance_of(
        tool=call.tool, call_id=call.call_id, is_trusted=result.is_trusted, made_from=made_from
    )
    if not isinstance(machine.phase, Stopping):
        extracting = begin_extraction(
            machine, task, flight, result=result, reads=reads, known=known, label=label
        )
        if extracting is not None:
            return extracting
    return settled(machine, task, flight, state=p.Succeeded())


def on_tool_failed(at: CallAt[p.Running], event: ToolFailed) -> Machine:
    """Choose what to do about a tool that failed."""
    machine, task, flight, state = at.machine, at.task, at.flight, at.state
    failure, call = refined(event.failure), flight.call
    spec = machine.config.tool(call.tool)
    provenance = provenance_of(
        tool=call.tool,
        call_id=call.call_id,
        is_trusted=not spec.is_untrusted,
        made_from=_made_from(machine, flight),
    )
    kind, text = failure.kind.value, bounded(failure.sentence(), ERROR_CHARS)
    failed = with_lesson(
        machine.state, step=task.step, kind=kind, why=f"{call.tool}: {failure.what}", provenance=provenance
    )
    failed = with_error(
        failed,
        step=task.step,
        tool=call.tool,
        text=text,
        provenance=provenance,
        call_id=call.call_id,
        arguments=kept_arguments(call.arguments),
    )
    attempts = task.attempts
    record = recorded(
        call, spec, step=task.step, result=failure.sentence(), is_error=True, history=attempts.history
    )
    task = task.to(
        task.activity,
        calls=attempts.calls + 1,
        tool_errors=attempts.tool_errors + 1,
        failures=(*attempts.failures, f"tool.{kind}"),
        last_error=failure.sentence(),
        history=with_record(attempts.history, record),
    )
    is_missing = failure.kind is FailureKind.NOT_FOUND
    machine = replace(
        machine,
        state=failed,
        spent=machine.spent.with_tool(
            seconds=event.took_s, handed=event.handed.spent if event.handed else None
        ),
        calls=(*machine.calls, record),
        unused=(looked_for if is_missing else unused_after)(machine.unused, call.arguments),
    )
    counted_failure = replace(failure, attempts=task.attempts.tool_errors)
    if isinstance(machine.phase, Stopping):
        return settled(machine, task, flight, state=p.Broken(counted_failure, s.AskAgain()))
    return machine.with_flight(task, replace(flight, state=p.CallRecovering(counted_failure, state.key)))


def on_strategy(at: CallAt[p.CallRecovering], event: RecoveryChosen) -> Machine:
    """Make the same call again after a wait; or settle it as broken, so that the step carries out the strategy."""
    machine, task, flight, state = at.machine, at.task, at.flight, at.state
    if isinstance(event.strategy, s.WaitAndRetry):
        why = state.failure.sentence()
        wait = p.CallWaiting(event.strategy.seconds, event.until_s, why, state.key)
        return machine.with_flight(task, replace(flight, state=wait))
    return settled(machine, task, flight, state=p.Broken(state.failure, event.strategy))


def on_waited(at: CallAt[p.CallWaiting], _: WaitEnded) -> Machine:
    """Make the same call again."""
    machine, task, flight, state = at.machine, at.task, at.flight, at.state
    return machine.with_flight(task, replace(flight, state=p.Running(state.key)))


def on_unknown(at: CallAt[p.Running], event: OutcomeUnknown) -> Machine:
    """Ask a person whether it happened, since code could not tell."""
    machine, task, flight, state = at.machine, at.task, at.flight, at.state
    question = _question(
        machine, task, flight, kind="unknown_outcome", reason=event.why, about=state.key, rule=""
    )
    asked = replace(machine, state=with_question(machine.state, question.text))
    asked = asked.with_flight(task, replace(flight, state=p.Reconciling(question)))
    return finish_stopping(asked)


def on_worker_blocked(at: CallAt[p.Running], event: WorkerBlocked) -> Machine:
    """Block the run by its worker's question; when it is resumed, the same call takes up the same worker."""
    machine, task, flight, state = at.machine, at.task, at.flight, at.state
    waiting = p.CallWaiting(0.0, 0.0, "a worker waits for a person", state.key)
    spent = machine.spent.with_tool(seconds=event.took_s, handed=event.handed.spent if event.handed else None)
    blocked = replace(machine.with_flight(task, replace(flight, state=waiting)), spent=spent)
    return finish(blocked, Blocked(question=event.question))


def on_reconciled(at: CallAt[p.Reconciling], event: PersonAnswered) -> Machine:
    """If it happened, go on as if the tool had returned; if not, run it."""
    machine, task, flight, state = at.machine, at.task, at.flight, at.state
    machine = _answered(machine, state.question)
    if not event.is_yes:
        return _begin(machine, task, flight)
    result = ToolResult(
        text=event.text or "a person confirmed that it happened; what it returned is not known",
        is_lost=not event.text,
    )
    known = ToolReturned(call_id=flight.call.call_id, result=result)
    return on_returned(CallAt(machine, task, flight, p.Running("")), known)


def _begin(machine: Machine, task: Task, flight: Flight) -> Machine:
    over = over_budget(machine, ACTING)
    if over is not None:
        return over
    call, spec = flight.call, machine.config.tool(flight.call.tool)
    usage = usage_with(machine.usage, call, spec, labels=flight.proposed.labels, real=flight.proposed.real)
    resource, limit = exceeded_limit(machine.config.budget, usage, call.tool)
    if resource:
        return exhausted(machine, resource, limit=limit)
    key = f"{machine.run_id}/{call.call_id}/{short_digest([call.tool, call.arguments])}"
    return machine.with_flight(task, replace(flight, state=p.Running(key)), usage=usage)


def _made_from(machine: Machine, flight: Flight) -> tuple[Provenance, ...]:
    """Return the provenance of a call's inputs: its result, an error included, is never more trusted than they are."""
    call, spec = flight.call, machine.config.tool(flight.call.tool)
    carried = (CARRIED,) if reads_tainted(machine.usage, call, spec) else ()
    stored = labels_of(call.arguments, spec, machine.state.artifacts)
    return (*untrusted(flight.proposed.labels), *carried, *stored)


def _question(
    machine: Machine, task: Task, flight: Flight, *, kind: str, reason: str, about: str, rule: str
) -> Question:
    """Return a question about a call, bound to exactly this call and its real values, at this place, as it was judged.

    `about` is the policy's digest, or the key of the effect. The place includes the position in the journal, so the
    same question asked later is a different one.
    """
    call = flight.call
    is_approval = kind == "approval"
    values = (flight.proposed.real.call_digest,) if flight.proposed.real.call_digest else ()
    place = (machine.run_id, machine.position, task.step, call.call_id)
    return Question(
        question_id=call.call_id if is_approval else f"{call.call_id}?",
        kind=kind,
        text=f"May {call.tool} be called?" if is_approval else f"Did {call.tool} take effect?",
        tool=call.tool,
        arguments=shown_arguments_text(flight),
        reason=reason,
        rule=rule,
        digest=digest((kind, place, call.tool, call.arguments, flight.proposed.labels, about, *values)),
        run_id=machine.run_id,
        step=task.step,
    )


def _answered(machine: Machine, question: Question) -> Machine:
    return replace(machine, state=without_question(machine.state, question.text))


def _with_paths(flight: Flight, paths: dict[str, str]) -> Flight:
    if not paths:
        return flight
    call = replace(flight.call, arguments={**flight.call.arguments, **paths})
    return replace(flight, proposed=replace(flight.proposed, call=call))
