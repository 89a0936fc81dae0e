"""What a text says, before any of it is looked up: words, reasoning, calls as spelled, or a doubt."""

import re
from collections.abc import Mapping

from msgspec import Struct

from nebulus.calls.abstain import NEAR, Around, around, is_doubted, is_echo, is_led_in, is_quoted
from nebulus.calls.candidate import Candidate
from nebulus.calls.dialect import Block, Source
from nebulus.calls.findings import ONLY_REASONING, ambiguous, too_many, unreadable
from nebulus.calls.literal import UnreadableError
from nebulus.calls.payload import NOTHING, Payload, read_payload
from nebulus.calls.scan import MAX_BLOCKS, Scan, scan
from nebulus.core.findings import Finding
from nebulus.core.tools import ToolSpec


class ReaderProfile(Struct, frozen=True, kw_only=True):
    """What is known of the model that wrote an answer.

    `calls_in_reasoning`: its template puts calls inside its reasoning. `starts_in_reasoning`: its prompt
    ends inside reasoning, so that no marker opens it. `max_calls`: more calls than this in one answer are
    a finding (0 for no limit).
    """

    calls_in_reasoning: bool = False
    starts_in_reasoning: bool = False
    max_calls: int = 0


DEFAULT = ReaderProfile()


class Written(Struct, frozen=True, kw_only=True):
    """What stands in a text. `words` are what is left without reasoning, calls and markers."""

    candidates: tuple[Candidate, ...] = ()
    words: str = ""
    reasoning: str = ""
    dialect: str = ""
    problem: UnreadableError | None = None
    finding: Finding | None = None


def written(
    text: str, offered: Mapping[str, ToolSpec], *, shown: str = "", profile: ReaderProfile = DEFAULT
) -> Written:
    """Return what `text` says: the calls that are meant, as they were spelled, or why that is in doubt."""
    is_bare = not profile.starts_in_reasoning and text.lstrip()[:1] in ("{", "[")
    if is_bare and (said := _alone(text, offered, shown)):
        return said
    source = Source(text, offered)
    scanned = scan(
        source,
        calls_in_reasoning=profile.calls_in_reasoning,
        starts_in_reasoning=profile.starts_in_reasoning,
    )
    if scanned.is_overfull:
        finding = too_many(len(scanned.blocks), MAX_BLOCKS - 1)
        return Written(words=text, reasoning=scanned.reasoning, finding=finding)
    if scanned.is_doubtful:
        finding = ambiguous("a call stands before the end of reasoning, and after it")
        return Written(words=text, reasoning=scanned.reasoning, finding=finding)
    if scanned.blocks:
        return _marked(text, scanned, shown)
    return _unmarked(text, scanned, source, shown=shown)


def _alone(text: str, offered: Mapping[str, ToolSpec], shown: str) -> Written | None:
    """Return what a text says that is an unmarked call from its first character to its last; None for others.

    Asked before the search for markers: in the strings of such a call they are content.
    """
    payload = read_payload(text, offered)
    if not payload.candidates or (shown and text.strip() in shown):
        return None
    return Written(candidates=payload.candidates, words=payload.words, dialect=payload.dialect)


def _marked(text: str, scanned: Scan, shown: str) -> Written:
    nearby = around(text, scanned.blocks)
    pairs = [pair for pair in zip(scanned.blocks, nearby, strict=True) if not is_quoted(pair[1])]
    meant = [block for block, _ in pairs]
    if not meant:
        return Written(words=text, reasoning=scanned.reasoning)
    dialect, words = meant[0].dialect, scanned.words.strip()
    problem = next((block.problem for block in meant if block.problem), None)
    doubt = _doubt(text, pairs, shown) or _leftover(scanned, _PARTS)
    if doubt or problem:
        return Written(
            words=words, reasoning=scanned.reasoning, dialect=dialect, problem=problem, finding=doubt
        )
    found = tuple(candidate for block in meant for candidate in block.candidates)
    return Written(candidates=found, words=words, reasoning=scanned.reasoning, dialect=dialect)


def _doubt(text: str, meant: list[tuple[Block, Around]], shown: str) -> Finding | None:
    for block, words in meant:
        if is_echo(text, block, shown):
            return ambiguous("the call stands word for word in what was shown: an echo is no call")
        if is_doubted(words):
            return ambiguous("the words around the call leave it open whether it is meant")
    return None


_PARTS = re.compile(r"</?(?:\w{1,12}:)?(?:parameter|invoke|arg_key|arg_value|function)\b[^<>\n]{0,80}>")
_CLOSERS = re.compile(r"</(?:\w{1,12}:)?(?:parameter|invoke|arg_key|arg_value)>")
_CODE = re.compile(r"`[^`\n]*+`")


def _leftover(scanned: Scan, parts: re.Pattern[str]) -> Finding | None:
    """Return the doubt that tags of a call leave which stand outside of any: its values may end elsewhere."""
    part = parts.search(_CODE.sub("", _outside(scanned)))
    return ambiguous("a tag of a call stands outside of the call", value=part.group()) if part else None


def _unmarked(text: str, scanned: Scan, source: Source, *, shown: str) -> Written:
    words = scanned.words if not scanned.reasoning else scanned.words.strip()
    reasoning = scanned.reasoning
    if not words.strip():
        return Written(reasoning=reasoning, finding=ONLY_REASONING if reasoning.strip() else None)
    if scanned.is_structured:
        return Written(words=words, reasoning=reasoning)
    payload = _sole(scanned, source.offered)
    if payload is NOTHING:
        finding = _beside_words(scanned, source.offered) or _leftover(scanned, _CLOSERS) or _orphan(scanned)
        return Written(words=words, reasoning=reasoning, finding=finding)
    if shown and words.strip() in shown:
        finding = ambiguous("the call stands word for word in what was shown: an echo is no call")
        return Written(words=text, reasoning=reasoning, dialect=payload.dialect, finding=finding)
    return Written(
        candidates=payload.candidates,
        words=payload.words,
        reasoning=reasoning,
        dialect=payload.dialect,
        problem=payload.problem,
    )


def _orphan(scanned: Scan) -> Finding | None:
    """Return the finding for a closing tag whose call is missing."""
    if not scanned.orphans:
        return None
    return unreadable(UnreadableError("a closing tag stands without its call", value=scanned.orphans[0]))


def _sole(scanned: Scan, offered: Mapping[str, ToolSpec]) -> Payload:
    """Return what the words spell without markers: all of them, or all that fences hold."""
    if not scanned.fences:
        return read_payload(scanned.words, offered)
    if len(scanned.fences) > MAX_BLOCKS or _outside(scanned).strip():
        return NOTHING
    read = [read_payload(fence.body, offered) for fence in scanned.fences]
    if any(payload is NOTHING for payload in read):
        return NOTHING
    problem = next((payload.problem for payload in read if payload.problem), None)
    found = tuple(candidate for payload in read for candidate in payload.candidates)
    return Payload("fence", found, problem)


def _outside(scanned: Scan) -> str:
    """The words that stand in no fence."""
    pieces, position = [], 0
    for fence in scanned.fences:
        pieces.append(scanned.words[position : fence.start])
        position = fence.end
    return "".join((*pieces, scanned.words[position:]))


def _beside_words(scanned: Scan, offered: Mapping[str, ToolSpec]) -> Finding | None:
    """Return the doubt that a fenced call of a tool on offer beside words leaves."""
    for fence in scanned.fences[:MAX_BLOCKS]:
        payload = read_payload(fence.body, offered)
        named = [candidate for candidate in payload.candidates if candidate.name in offered]
        if named and not is_led_in(scanned.words[max(fence.start - NEAR, 0) : fence.start]):
            return ambiguous("a call stands in a code block beside words", value=named[0].name)
    return None
