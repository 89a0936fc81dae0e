"""What a text says, before any of it is looked up: words, reasoning, and calls with the evidence for each."""

from collections.abc import Mapping

from msgspec import Struct

from nebulus.calls.dialect import Source
from nebulus.calls.evidence import Graded, graded
from nebulus.calls.findings import ONLY_REASONING, ambiguous, too_many, unreadable
from nebulus.calls.literal import UnreadableError
from nebulus.calls.scan import MAX_BLOCKS, Scan, scan
from nebulus.core.findings import CallEvidence, Finding
from nebulus.core.tools import ToolSpec


class ReaderProfile(Struct, frozen=True, kw_only=True):
    """What is known of the model that wrote an answer.

    `calls_in_reasoning`: its template puts calls inside its reasoning. `starts_in_reasoning`: its prompt
    ends inside reasoning, so that no marker opens it. `is_constrained`: a grammar held this answer to calls.
    `max_calls`: more calls than this in one answer are a finding (0 for no limit).
    """

    calls_in_reasoning: bool = False
    starts_in_reasoning: bool = False
    is_constrained: bool = False
    max_calls: int = 0


DEFAULT = ReaderProfile()


class Parsed(Struct, frozen=True, kw_only=True):
    """A text taken apart. `words` are what is left without reasoning, marks, and calls that are not refuted."""

    graded: tuple[Graded, ...] = ()
    words: str = ""
    reasoning: str = ""
    finding: Finding | None = None
    """What makes all of the text unreadable."""


def parse(
    text: str, offered: Mapping[str, ToolSpec], *, shown: str = "", profile: ReaderProfile = DEFAULT
) -> Parsed:
    """Return what `text` is made of: nothing is looked up, judged or dropped."""
    scanned = scan(
        Source(text, offered),
        calls_in_reasoning=profile.calls_in_reasoning,
        starts_in_reasoning=profile.starts_in_reasoning,
    )
    found = graded(scanned.parts, text, shown)
    refuted = {id(each.block) for each in found if each.evidence is CallEvidence.REFUTED}
    words = "".join(
        part if isinstance(part, str) else text[part.start : part.end] if id(part) in refuted else part.words
        for part in scanned.parts
    )
    is_alone = len(refuted) == len(found)
    finding = _finding(scanned, words, is_alone=is_alone)
    return Parsed(
        graded=tuple(found),
        words=words if is_alone and not scanned.reasoning else words.lstrip().rstrip("\n"),
        reasoning=scanned.reasoning,
        finding=finding,
    )


def _finding(scanned: Scan, words: str, *, is_alone: bool) -> Finding | None:
    """Return what makes all of a text unreadable; `is_alone`: no call in it may be meant."""
    if scanned.is_overfull:
        return too_many(MAX_BLOCKS, MAX_BLOCKS - 1)
    if scanned.is_doubtful:
        return ambiguous("a call is before the end of reasoning, and after it")
    if is_alone and scanned.orphans:
        return unreadable(UnreadableError("a closing tag has no call", value=scanned.orphans[0]))
    if is_alone and scanned.reasoning.strip() and not words.strip():
        return ONLY_REASONING
    return None
