"""One reader for every answer: what came back becomes valid calls, words, or one finding.

Invariants: calls or a finding, never both; an answer that hit its cap is never executed; only tools on offer
exist; a call is accepted only on the evidence that its tool needs; what looks like a call and is not accepted
is a finding or a mention with its reason; every change is recorded.
"""

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from nebulus.calls.acceptance import Needed, by_effect, needed_for
from nebulus.calls.candidate import Candidate
from nebulus.calls.clean import clean_structured, clean_text
from nebulus.calls.dialect import Block
from nebulus.calls.evidence import Graded
from nebulus.calls.findings import EMPTY, NOT_UNICODE, ambiguous, cut, too_many, unconfirmed, unreadable
from nebulus.calls.literal import is_encodable
from nebulus.calls.settle import settle
from nebulus.calls.strays import strays
from nebulus.calls.text import DEFAULT, ReaderProfile, parse
from nebulus.core.answers import FinishReason, ModelAnswer
from nebulus.core.findings import Call, CallEvidence, Edit, Finding, FindingKind, Mention, Reading
from nebulus.core.tools import Effect, ToolSpec

__all__ = ["DEFAULT", "ReaderProfile", "read"]


class _Need(Struct, frozen=True):
    """What a call is judged by: the tools on offer, what was shown, and the evidence that is needed."""

    offered: dict[str, ToolSpec]
    shown: str
    level: Needed


class _Accepted(Struct):
    """What was accepted so far, and what was not."""

    calls: list[Call]
    evidence: list[CallEvidence]
    edits: list[Edit]
    mentions: list[Mention]


_Made: TypeAlias = tuple[Call, tuple[Edit, ...]]


def read(
    answer: ModelAnswer,
    tools: Sequence[ToolSpec],
    *,
    shown: str = "",
    profile: ReaderProfile = DEFAULT,
    cap_tokens: int = 0,
    needed: Needed = by_effect,
) -> Reading:
    """Return what `answer` says: calls of `tools` that are meant and valid, words, or a finding.

    `shown` is the prompt that the model saw: a call that is in it word for word may be an echo, and the
    arguments that a tool declares as grounded must be in it ("" switches both off). `cap_tokens` is the cap
    that was asked for: an answer of that many tokens was cut, whatever its server says (0 for unknown).
    `needed` is the evidence without which a call is not accepted: one level, or one for each tool. Nothing is
    executed or looked up.

    Raises:
        ToolDefinitionError: the schema of a tool that was called can't be compiled.
    """
    finish = FinishReason.LENGTH if 0 < cap_tokens <= answer.usage.completion_tokens else answer.finish
    if finish in (FinishReason.LENGTH, FinishReason.FILTER):
        return Reading(text=answer.text, finding=cut(finish))
    if not _is_unicode(answer):
        return Reading(text=answer.text, finding=NOT_UNICODE)
    if (
        (profile is DEFAULT or profile == DEFAULT)
        and (clean := _clean(answer, tools, shown))
        and _is_enough(clean, tools, needed)
    ):
        return clean
    need = _Need({tool.name: tool for tool in tools}, shown, needed)
    echoable = "" if profile.is_constrained else shown  # a grammar can force a call that was shown before
    parsed = parse(answer.text, need.offered, shown=echoable, profile=profile)
    level = CallEvidence.CONSTRAINED if profile.is_constrained else CallEvidence.WHOLE
    if answer.calls:
        found = tuple(Candidate(call.name, call.arguments) for call in answer.calls)
        block = Block(start=0, end=0, dialect="structured", candidates=found)
        reading = _decided((Graded(block, level),), need, words=parsed.words, profile=profile)
        return _agreed(reading, parsed.graded, need)
    if parsed.finding is not None:
        return Reading(text=parsed.words, finding=parsed.finding)
    graded = tuple(
        replace(each, evidence=level) if each.evidence is CallEvidence.WHOLE else each
        for each in parsed.graded
    )
    reading = _decided(graded, need, words=parsed.words, profile=profile)
    return replace(reading, text=answer.text) if reading.finding and reading.dialect else reading


def _is_unicode(answer: ModelAnswer) -> bool:
    return is_encodable(answer.text) and all(
        is_encodable(call.arguments) and is_encodable(call.name) for call in answer.calls
    )


def _clean(answer: ModelAnswer, tools: Sequence[ToolSpec], shown: str) -> Reading | None:
    if answer.calls:
        return None if answer.text else clean_structured(answer.calls, tools, shown=shown)
    return clean_text(answer.text, tools, shown=shown)


def _is_enough(reading: Reading, tools: Sequence[ToolSpec], needed: Needed) -> bool:
    """Whether a clean answer, which is all of it calls, is as much evidence as their tools need."""
    if needed is by_effect:
        return True
    if isinstance(needed, CallEvidence):
        return needed <= CallEvidence.WHOLE
    names = {call.tool for call in reading.calls}
    return all(needed(tool) <= CallEvidence.WHOLE for tool in tools if tool.name in names)


def _agreed(reading: Reading, in_text: Sequence[Graded], need: _Need) -> Reading:
    """Return the reading of the server's own calls, unless the text has calls that differ from them."""
    found = [
        settle(candidate, need.offered, shown="")
        for each in in_text
        if each.evidence > CallEvidence.UNMARKED
        for candidate in each.block.candidates
    ]
    calls = tuple(made[0] for made in found if not isinstance(made, Finding))
    if reading.finding is not None or not found or calls == reading.calls:
        return reading
    finding = ambiguous("the server's calls and the calls in the text differ")
    return Reading(text=reading.text, dialect=reading.dialect, finding=finding)


def _decided(graded: Sequence[Graded], need: _Need, *, words: str, profile: ReaderProfile) -> Reading:
    """Accept the calls that have the evidence they need; the first that is refused is the finding of all."""
    if not any(each.evidence is not CallEvidence.REFUTED for each in graded):
        mentions = (*(_mention(each) for each in graded), *strays(words, need.offered))
        return Reading(text=words, mentions=mentions, finding=None if words.strip() else EMPTY)
    count = sum(
        len(each.block.candidates)
        for each in graded
        if each.evidence not in (CallEvidence.REFUTED, CallEvidence.UNMARKED)
    )
    dialect = next(each.block.dialect for each in graded if each.evidence is not CallEvidence.REFUTED)
    if 0 < profile.max_calls < count:
        return Reading(text=words, dialect=dialect, finding=too_many(count, profile.max_calls))
    done = _Accepted([], [], [], [])
    doubt: Finding | None = None
    for each in graded:
        refusal = _taken(each, need, done)
        if refusal is not None and refusal.kind is not FindingKind.UNCONFIRMED:
            return Reading(text=words, dialect=dialect, mentions=tuple(done.mentions), finding=refusal)
        doubt = doubt or refusal
    if doubt is not None:
        return Reading(text=words, dialect=dialect, mentions=tuple(done.mentions), finding=doubt)
    return Reading(
        calls=tuple(done.calls),
        evidence=tuple(done.evidence),
        text=words,
        dialect=dialect if done.calls else "",
        edits=tuple(done.edits),
        mentions=(*done.mentions, *strays(words, need.offered)),
    )


def _taken(each: Graded, need: _Need, done: _Accepted) -> Finding | None:
    """Accept the calls of one block, or return why not; what is only words is mentioned."""
    made = _made(each, need)
    is_weak = each.evidence is CallEvidence.UNMARKED
    if each.evidence is CallEvidence.REFUTED or (is_weak and isinstance(made, Finding)):
        done.mentions.append(_mention(each))
        return None
    if isinstance(made, Finding):
        return made
    is_said_again = not each.block.is_marked and all(call in done.calls for call, _ in made)
    for call, changes in made:
        is_read = need.offered[call.tool].effect is Effect.READ
        if call in done.calls and (is_read or is_said_again):
            done.mentions.append(Mention(call.tool, "it repeats a call"))
            continue
        level = needed_for(need.level, need.offered[call.tool])
        if each.evidence < level:
            return unconfirmed(each.evidence, level, why=each.why, tool=call.tool)
        number = len(done.calls)
        done.calls.append(call)
        done.evidence.append(each.evidence)
        done.edits.extend(
            Edit(edit.name, f"/{number}{edit.where}", edit.before, edit.after) for edit in changes
        )
    return None


def _made(each: Graded, need: _Need) -> list[_Made] | Finding:
    """Return the valid calls of a block with the edits they took, or the finding for the first that is not."""
    if each.block.problem is not None:
        return unreadable(each.block.problem)
    made: list[_Made] = []
    for candidate in each.block.candidates:
        settled = settle(candidate, need.offered, shown=need.shown)
        if isinstance(settled, Finding):
            return settled
        made.append(settled)
    return made


def _mention(each: Graded) -> Mention:
    names = ", ".join(candidate.name for candidate in each.block.candidates)
    return Mention(names[:80] or "a call that can't be read", each.why)
