"""One answer of a model, checked against what the client asked for: an accepted answer, or one finding.

Invariants: pure; an answer that was cut is never a call; one call of a batch that can't be used makes the whole
answer a finding, so that no client runs half of what a model meant.
"""

from msgspec import Struct

from nebulus.adapters.backends.forms import shape_failure
from nebulus.calls import ReaderProfile, read
from nebulus.core.answers import FinishReason, ModelAnswer
from nebulus.core.findings import Call, Finding, FindingKind
from nebulus.core.tools import ToolSpec
from nebulus.proxy.asked import ChoiceKind, ClientRequest
from nebulus.proxy.gate import StopCutter, TextGate

EMPTY = Finding(kind=FindingKind.EMPTY, rule="the answer is empty", fix="answer in words, or call a tool")
CUT_CALL = Finding(
    kind=FindingKind.TRUNCATED,
    rule="the answer was cut by the window while it made a call",
    fix="make the same call with shorter values",
)


class Accepted(Struct, frozen=True, kw_only=True):
    """An answer that may go to the client."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    finish: FinishReason = FinishReason.STOP
    stop: str = ""
    notes: tuple[str, ...] = ()


def check(
    answer: ModelAnswer, asked: ClientRequest, *, shown: str, is_capped_by_us: bool
) -> Accepted | Finding:
    """Return `answer` as the client may have it, or what is wrong with it.

    `shown` is what the model was shown. `is_capped_by_us`: its cap was below what the client allowed, so that being
    cut is a mistake to repair, and not what the client asked for.
    """
    text, stop = _until_stop(answer.text, asked.stops)
    if answer.finish is FinishReason.FILTER:
        return Accepted(text=text, finish=answer.finish, stop=stop)
    if answer.finish is FinishReason.LENGTH and not stop:
        return _cut(answer, text, asked, is_capped_by_us=is_capped_by_us)
    if stop:
        answer = ModelAnswer(text=text, model=answer.model, starts_in_reasoning=answer.starts_in_reasoning)
    if not asked.tools and not answer.calls:
        return _words(text, asked, stop=stop)
    profile = ReaderProfile(starts_in_reasoning=answer.starts_in_reasoning)
    reading = read(answer, asked.tools, shown=shown, profile=profile)
    if reading.finding is not None:
        is_stopped = bool(stop) and reading.finding.kind is FindingKind.EMPTY
        return Accepted(stop=stop) if is_stopped else reading.finding
    if not reading.calls:
        return _no_call(asked) if asked.is_bound else _words(reading.text, asked, stop=stop)
    forbidden = _forbidden(reading.calls, asked)
    if forbidden is not None:
        return forbidden
    calls, notes = _as_many_as_asked(reading.calls, asked)
    notes += tuple(f"{edit.name} {edit.where}".strip() for edit in reading.edits)
    return Accepted(text=reading.text, calls=calls, finish=FinishReason.CALLS, notes=notes)


def _until_stop(text: str, stops: tuple[str, ...]) -> tuple[str, str]:
    cutter = StopCutter(stops)
    kept = cutter.feed(text)
    return kept + cutter.finish(), cutter.hit


def _cut(
    answer: ModelAnswer, text: str, asked: ClientRequest, *, is_capped_by_us: bool
) -> Accepted | Finding:
    """Return the words of an answer that was cut, before any call in it."""
    gate = TextGate(tool.name for tool in asked.tools)
    gate.feed(text)
    is_calling = bool(answer.calls) or gate.is_closed or asked.is_bound
    if is_calling and is_capped_by_us:
        return CUT_CALL
    notes = ("a call that was cut was left out",) if is_calling else ()
    words = gate.released if is_calling else text
    return Accepted(text=words, finish=FinishReason.LENGTH, notes=notes)


def _words(text: str, asked: ClientRequest, *, stop: str) -> Accepted | Finding:
    if not text.strip() and not stop:
        return EMPTY
    if asked.schema is not None and asked.tools and (wrong := shape_failure(text, asked.schema)) is not None:
        return Finding(kind=FindingKind.INVALID_ARGUMENTS, rule=wrong.what, value=wrong.value, fix=wrong.fix)
    return Accepted(text=text, stop=stop)


def _no_call(asked: ClientRequest) -> Finding:
    rule = "a call is required, and the answer has none"
    return Finding(kind=FindingKind.NO_CALL, rule=rule, tool=asked.choice.tool, fix="call a tool")


def _forbidden(calls: tuple[Call, ...], asked: ClientRequest) -> Finding | None:
    """Return what is wrong with the tools that are called, None if they are those that the client allows."""
    if asked.choice.kind is ChoiceKind.NONE:
        rule = "no tool may be called for this answer"
        return Finding(kind=FindingKind.UNKNOWN_TOOL, rule=rule, value=calls[0].tool, fix="answer in words")
    other = next((call.tool for call in calls if call.tool != asked.choice.tool), "")
    if asked.choice.kind is not ChoiceKind.NAMED or not other:
        return None
    rule = f"only {asked.choice.tool} may be called for this answer"
    return Finding(kind=FindingKind.UNKNOWN_TOOL, rule=rule, value=other, fix=f"call {asked.choice.tool}")


def _as_many_as_asked(
    calls: tuple[Call, ...], asked: ClientRequest
) -> tuple[tuple[Call, ...], tuple[str, ...]]:
    """Return the calls without repeated ones, and only the first if the client takes one at a time."""
    kept: list[Call] = []
    for call in calls:
        if call not in kept:
            kept.append(call)
    notes = []
    if len(kept) < len(calls):
        notes.append(f"identical calls left out: {len(calls) - len(kept)}")
    if not asked.is_parallel and len(kept) > 1:
        notes.append(f"only one call was asked for; left out: {', '.join(call.tool for call in kept[1:])}")
        kept = kept[:1]
    return tuple(kept), tuple(notes)


def offered(asked: ClientRequest) -> tuple[ToolSpec, ...]:
    """Return the tools that the model is shown."""
    return () if asked.choice.kind is ChoiceKind.NONE else asked.tools
