"""From a verdict to an effect, and what the effect brought.

Laws: a call is run only after it was allowed; an effect is intended, durably, before it happens; an
effect whose outcome is unknown is never repeated blindly.
"""

from msgspec.structs import replace

from nebulus.core.budget import ACTING
from nebulus.core.commands import Intend, RunTool
from nebulus.core.digest import canonical, digest, short_digest
from nebulus.core.events import (
    ApprovalAsked,
    CallAllowed,
    CallRefused,
    EffectIntended,
    OutcomeUnknown,
    PersonAbsent,
    PersonAnswered,
    ToolFailed,
    ToolReturned,
)
from nebulus.core.findings import Call, Finding, FindingKind
from nebulus.core.outcome import Blocked, Question, Refused
from nebulus.core.provenance import Origin, Provenance
from nebulus.core.tools import Effect, ToolResult
from nebulus.guard.compile import FLOW_RULES
from nebulus.guard.conduct import counted, overdrawn, reads_tainted
from nebulus.guard.labels import untrusted
from nebulus.loop.progress import Machine, Phase
from nebulus.loop.reading import reads_of, take_in
from nebulus.loop.recovering import on_tool_failure
from nebulus.loop.trying import answered, ask, ask_person, exhausted, over_budget
from nebulus.memory.distil import provenance_of, with_error, with_lesson, with_result
from nebulus.memory.handles import addressed, labels_of
from nebulus.memory.prompt import bounded
from nebulus.recovery.claims import Deed, words_of
from nebulus.recovery.classify import refined
from nebulus.recovery.stagnation import after

CARRIED = Provenance((Origin("document", "put there by an earlier call"),))
"""Where a result comes from that may hold text from outside, though its tool is trusted."""


def on_allowed(machine: Machine, event: CallAllowed) -> Machine:
    """Go on to the effect, with the paths that were judged."""
    return _begin_effect(_judged(machine, event.canonical))


def on_refused(machine: Machine, event: CallRefused) -> Machine:
    """Tell the model once; the same call again, or too many refusals, end the run."""
    finding = Finding(
        kind=FindingKind.REFUSED, rule=event.reason, tool=machine.call.tool, value=_spelled(machine.call)
    )
    limit, refusals = machine.setup.limits.refusals, machine.tries.refusals + 1
    is_repeated = any(
        (earlier.kind, earlier.tool, earlier.value) == (finding.kind, finding.tool, finding.value)
        for earlier in machine.tries.findings
    )
    if is_repeated or refusals >= limit:
        return machine.finished(Refused(rule=event.rule, reason=event.reason, step=machine.active))
    state = with_lesson(
        machine.state, step=machine.active, kind="refused", why=f"{machine.call.tool}: {event.reason}"
    )
    tried = replace(machine, state=state, queue=())
    return ask(tried.with_tries(refusals=refusals, findings=(*machine.tries.findings, finding)))


def on_approval_asked(machine: Machine, event: ApprovalAsked) -> Machine:
    """Put the call, with the paths that were judged, before a person."""
    machine = _judged(machine, event.canonical)
    question = Question(
        question_id=machine.call.call_id,
        kind="approval",
        text=f"May {machine.call.tool} be called?",
        tool=machine.call.tool,
        arguments=_spelled(machine.call),
        reason=event.reason,
        rule=event.rule,
        digest=_binding(machine, "approval", event.policy_digest),
        run_id=machine.run_id,
        step=machine.active,
    )
    return ask_person(machine, Phase.APPROVING, question)


def on_approval(machine: Machine, event: PersonAnswered) -> Machine:
    """A yes serves this call once; a no ends the run, since nothing else may be tried in its place.

    But a no to what text from outside may have brought in ends that call alone: no document ends a run.
    """
    asked = machine.question
    machine = answered(machine)
    if event.is_yes:
        return _begin_effect(machine)
    reason = f"a person said no: {event.text or 'no reason was given'}"
    if asked is not None and asked.rule in FLOW_RULES:
        return on_refused(machine, CallRefused(call_id=machine.call.call_id, rule="person", reason=reason))
    return machine.finished(Refused(rule="person", reason=reason, step=machine.active))


def on_absent(machine: Machine, _: PersonAbsent) -> Machine:
    """Nobody is there: the run is blocked until somebody answers."""
    assert machine.question is not None
    return machine.finished(Blocked(question=machine.question))


def on_intended(machine: Machine, event: EffectIntended) -> Machine:
    """The intent is durable: make it happen."""
    return _run(machine, machine.call, event.key)


def on_returned(machine: Machine, event: ToolReturned) -> Machine:
    """Distil the result; have read what must be read out of it; then see what comes after it."""
    call, spec = machine.call, machine.setup.tool(machine.call.tool)
    made_from = _made_from(machine)
    result = replace(event.result, is_trusted=event.result.is_trusted and not spec.is_untrusted)
    state = with_result(
        machine.state,
        step=machine.active,
        tool=call.tool,
        call_id=call.call_id,
        result=result,
        made_from=made_from,
        declared=spec.facts,
        reads=reads_of(machine),
    )
    spent = machine.spent.with_tool(seconds=event.took_s)
    is_change = spec.effect is not Effect.READ
    words = words_of(call.arguments.values())
    deed = Deed(call.tool, spec.effect, words, machine.active, is_lost=result.is_lost)
    done = replace(machine, state=state, spent=spent, deeds=(*machine.deeds, deed)).with_tries(
        calls=machine.tries.calls + 1,
        succeeded=(*machine.tries.succeeded, call.tool),
        trail=after(machine.tries.trail, call, result=result.text, is_change=is_change, is_error=False),
        last_failed="",
        must_read=machine.tries.must_read and is_change,
    )
    label = provenance_of(
        tool=call.tool, call_id=call.call_id, is_trusted=result.is_trusted, made_from=made_from
    )
    return take_in(done, result, known=len(machine.state.facts), label=label)


def _made_from(machine: Machine) -> tuple[Provenance, ...]:
    """Return the labels of what the call under way was given: what it says, in an error too, is no better."""
    call, spec = machine.call, machine.setup.tool(machine.call.tool)
    carried = (CARRIED,) if reads_tainted(machine.conduct, call, spec) else ()
    stored = labels_of(call.arguments, spec, machine.state.artifacts)
    return (*untrusted(machine.context.labels), *carried, *stored)


def on_tool_failed(machine: Machine, event: ToolFailed) -> Machine:
    """Do what recovery says about a tool that did not do its work."""
    failure, tool = refined(event.failure), machine.call.tool
    state = with_lesson(
        machine.state, step=machine.active, kind=failure.kind.value, why=f"{tool}: {failure.what}"
    )
    label = provenance_of(
        tool=tool,
        call_id=machine.call.call_id,
        is_trusted=not machine.setup.tool(tool).is_untrusted,
        made_from=_made_from(machine),
    )
    text = bounded(failure.sentence(), 400)
    state = with_error(state, step=machine.active, tool=tool, text=text, provenance=label)
    failed = replace(machine, state=state, spent=machine.spent.with_tool(seconds=event.took_s), queue=())
    trail = after(
        machine.tries.trail, machine.call, result=failure.sentence(), is_change=False, is_error=True
    )
    failed = failed.with_tries(calls=machine.tries.calls + 1, last_failed=failure.sentence(), trail=trail)
    again = (Phase.RUNNING, RunTool(call=machine.call, key=machine.key, reads=reads_of(machine)))
    return on_tool_failure(failed, failure, again=again)


def on_unknown(machine: Machine, event: OutcomeUnknown) -> Machine:
    """Ask a person whether it happened: code could not tell."""
    question = Question(
        question_id=f"{machine.call.call_id}?",
        kind="unknown_outcome",
        text=f"Did {machine.call.tool} take effect?",
        tool=machine.call.tool,
        arguments=_spelled(machine.call),
        reason=event.why,
        digest=_binding(machine, "unknown_outcome", machine.key),
        run_id=machine.run_id,
        step=machine.active,
    )
    return ask_person(machine, Phase.RECONCILING, question)


def on_reconciled(machine: Machine, event: PersonAnswered) -> Machine:
    """It happened: go on as if the tool had said so. It did not: do it."""
    known = answered(machine)
    if not event.is_yes:
        return _begin_effect(known)
    result = ToolResult(
        text=event.text or "a person confirmed that it happened; what it gave back is not known",
        is_lost=not event.text,
    )
    return on_returned(known, ToolReturned(call_id=machine.call.call_id, result=result))


def _begin_effect(machine: Machine) -> Machine:
    over = over_budget(machine, ACTING)
    if over is not None:
        return over
    call, spec = machine.call, machine.setup.tool(machine.call.tool)
    conduct = counted(machine.conduct, call, spec, labels=machine.context.labels)
    resource, limit = overdrawn(machine.setup.budget, conduct, call.tool)
    if resource:
        return exhausted(machine, resource, limit=limit)
    machine = replace(machine, conduct=conduct)
    key = f"{machine.run_id}/{call.call_id}/{short_digest([call.tool, call.arguments])}"
    if spec.effect is Effect.READ:
        named = replace(call, arguments=addressed(call.arguments, spec, machine.state.artifacts))
        return _run(machine, named, key)
    return machine.to(Phase.INTENDING, Intend(call=call, key=key), key=key)


def _run(machine: Machine, call: Call, key: str) -> Machine:
    return machine.to(Phase.RUNNING, RunTool(call=call, key=key, reads=reads_of(machine)), key=key)


def _binding(machine: Machine, kind: str, about: str) -> str:
    """Return what an answer is bound to: this call at this place, as it was judged, and nothing else.

    `about` is the policy's digest, or the key of the effect. The place is one position of the record, so that
    the same question asked later on is another one.
    """
    call = machine.call
    place = (machine.run_id, machine.position, machine.active, call.call_id)
    return digest((kind, place, call.tool, call.arguments, machine.context.labels, about))


def _judged(machine: Machine, canonical_paths: dict[str, str]) -> Machine:
    if not canonical_paths:
        return machine
    return replace(
        machine, call=replace(machine.call, arguments={**machine.call.arguments, **canonical_paths})
    )


def _spelled(call: Call) -> str:
    return bounded(canonical(call.arguments).decode(), 2000)
