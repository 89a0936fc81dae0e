"""One reader for every answer: what came back becomes valid calls, words, or one finding.

Laws: calls or a finding, never both; an answer that hit its cap is never executed; only tools on offer
exist; two readings that differ are a finding; every change is recorded.
"""

from collections.abc import Sequence

from nebulus.calls.candidate import Candidate
from nebulus.calls.clean import clean_structured, clean_text
from nebulus.calls.findings import EMPTY, NOT_UNICODE, ambiguous, cut, too_many, unreadable
from nebulus.calls.literal import is_encodable
from nebulus.calls.settle import settle
from nebulus.calls.text import DEFAULT, ReaderProfile, Written, written
from nebulus.core.answers import FinishReason, ModelAnswer, RawCall
from nebulus.core.findings import Call, Edit, Finding, Reading
from nebulus.core.tools import ToolSpec

__all__ = ["DEFAULT", "ReaderProfile", "read"]


def read(
    answer: ModelAnswer,
    tools: Sequence[ToolSpec],
    *,
    shown: str = "",
    profile: ReaderProfile = DEFAULT,
    cap_tokens: int = 0,
) -> Reading:
    """Return what `answer` says: calls of `tools` that are certainly meant and valid, words, or a finding.

    `shown` is the prompt that the model saw: a call that stands in it word for word is an echo, and the
    arguments that a tool declares as grounded must stand in it ("" switches both off). `cap_tokens` is
    the cap that was asked for: an answer of that many tokens was cut, whatever its server says (0 for
    unknown). Nothing is executed or looked up.

    Raises:
        ToolDefinitionError: the schema of a tool that was called can't be compiled.
    """
    finish = FinishReason.LENGTH if 0 < cap_tokens <= answer.usage.completion_tokens else answer.finish
    if finish in (FinishReason.LENGTH, FinishReason.FILTER):
        return Reading(text=answer.text, finding=cut(finish))
    if not _is_unicode(answer):
        return Reading(text=answer.text, finding=NOT_UNICODE)
    is_plain = not (profile.max_calls or profile.starts_in_reasoning)
    if is_plain and (clean := _clean(answer, tools, shown)):
        return clean
    offered = {tool.name: tool for tool in tools}
    said = written(answer.text, offered, shown=shown, profile=profile)
    if not answer.calls:
        return _settled(said, offered, shown=shown, text=answer.text, profile=profile)
    structured = Written(candidates=_structured(answer.calls), words=said.words, dialect="structured")
    reading = _settled(structured, offered, shown=shown, text=answer.text, profile=profile)
    return reading if not said.candidates else _agreed(reading, said, offered)


def _is_unicode(answer: ModelAnswer) -> bool:
    return is_encodable(answer.text) and all(
        is_encodable(call.arguments) and is_encodable(call.name) for call in answer.calls
    )


def _clean(answer: ModelAnswer, tools: Sequence[ToolSpec], shown: str) -> Reading | None:
    if answer.calls:
        return None if answer.text else clean_structured(answer.calls, tools, shown=shown)
    return clean_text(answer.text, tools, shown=shown)


def _structured(calls: Sequence[RawCall]) -> tuple[Candidate, ...]:
    return tuple(Candidate(call.name, call.arguments) for call in calls)


def _agreed(reading: Reading, said: Written, offered: dict[str, ToolSpec]) -> Reading:
    """Return the reading of the structured calls, unless the text holds calls that differ from them."""
    in_text = [settle(candidate, offered, shown="") for candidate in said.candidates]
    calls = tuple(settled[0] for settled in in_text if not isinstance(settled, Finding))
    if reading.finding is not None or calls == reading.calls:
        return reading
    finding = ambiguous("the server's calls and the calls in the text differ")
    return Reading(text=reading.text, dialect=reading.dialect, finding=finding)


def _settled(
    said: Written, offered: dict[str, ToolSpec], *, shown: str, text: str, profile: ReaderProfile
) -> Reading:
    """Look up, read and validate every candidate; the first that fails is the finding of all."""
    if said.finding is not None:
        return Reading(text=text, dialect=said.dialect, finding=said.finding)
    if said.problem is not None:
        return Reading(text=text, dialect=said.dialect, finding=unreadable(said.problem))
    if not said.candidates:
        return Reading(text=said.words, finding=None if said.words.strip() else EMPTY)
    if 0 < profile.max_calls < len(said.candidates):
        return Reading(
            text=text, dialect=said.dialect, finding=too_many(len(said.candidates), profile.max_calls)
        )
    calls: list[Call] = []
    edits: list[Edit] = []
    for number, candidate in enumerate(said.candidates):
        settled = settle(candidate, offered, shown=shown)
        if isinstance(settled, Finding):
            return Reading(text=text, dialect=said.dialect, finding=settled)
        call, changes = settled
        calls.append(call)
        edits.extend(Edit(edit.name, f"/{number}{edit.where}", edit.before, edit.after) for edit in changes)
    return Reading(calls=tuple(calls), text=said.words, dialect=said.dialect, edits=tuple(edits))
