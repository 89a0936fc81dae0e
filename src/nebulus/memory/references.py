"""Mentions of earlier results in a step's text ("the result of step 3"), resolved by code.

Invariants: only what a tool returned is put in, character for character; a mention that names nothing known
stays as it is, for the model to read with the facts.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from msgspec import Struct

from nebulus.core.provenance import Provenance
from nebulus.core.state import Fact, FactKind

INLINE_CHARS = 200
"""The longest value that is put into a step's text; a longer one is shown among the facts instead."""

LITERAL_CHARS = 60
"""The longest value that can be nothing but the name of a result."""

_WORD = r"(?P<{0}>[A-Za-z_][A-Za-z0-9_]*)"
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\{\{\s*step\s+(?P<step>\d+)(?:[.\s]\s*" + _WORD.format("field") + r")?\s*\}\}",
        r"\b(?:the\s+)?" + _WORD.format("field") + r"\s+(?:of|from|in)\s+step\s+(?P<step>\d+)(?![\d])",
        r"\b(?:the\s+)?step\s+(?P<step>\d+)'s\s+" + _WORD.format("field") + r"\b",
        r"\bwhat\s+step\s+(?P<step>\d+)\s+(?P<field>returned|gave|found)\b",
    )
)
GENERIC_FIELDS = frozenset({"", "result", "output", "answer", "value", "returned", "gave", "found"})
"""Words that mean the whole result of a step and not one field of it."""

_LITERAL = re.compile(
    r"(?:the\s+)?(?:(?:result|output|content|text)\s+(?:of|from)\s+(?:the\s+last\s+)?(?:call|step)(?:\s+\d+)?|last\s+result)",
    re.IGNORECASE,
)
"""Words that name a result, as a whole value: nobody writes them into a file and means the words."""

_QUESTION = "question"
_ANSWER = "answer"


class Words(Struct, frozen=True):
    """A part of a step's text: its own words, or a value that code put in for a mention, with the provenance of each."""

    text: str
    provenance: Provenance


class Unresolved(Struct, frozen=True):
    """A mention whose value can't be written into the text: the words, the step, the field in lower case, and the place."""

    words: str
    step: int
    field: str
    start: int

    @property
    def is_whole(self) -> bool:
        """Whether it means all of the result."""
        return self.field in GENERIC_FIELDS


@lru_cache(maxsize=256)
def mentioned_steps(text: str) -> frozenset[int]:
    """Return the numbers of the steps whose results `text` mentions."""
    return frozenset(step for step, _ in mentioned_fields(text))


@lru_cache(maxsize=256)
def mentioned_fields(text: str) -> frozenset[tuple[int, str]]:
    """Return the steps whose results `text` mentions, each with the field's name in lower case."""
    return frozenset(
        (int(match["step"]), (match["field"] or "").lower())
        for pattern in _PATTERNS
        for match in pattern.finditer(text)
    )


def resolve(text: str, facts: Iterable[Fact]) -> str:
    """Return `text` with each mention of a known, short, one-line result replaced by its value."""
    return "".join(words.text for words in resolved(text, facts, label=Provenance()))


def resolved(text: str, facts: Iterable[Fact], *, label: Provenance) -> tuple[Words, ...]:
    """Return `text` as `resolve` does, in parts: each value with its fact's provenance, the words between with `label`."""
    wanted = mentioned_steps(text)
    if not wanted:
        return (Words(text, label),)
    known = tuple(fact for fact in facts if fact.step in wanted)
    parts: list[Words | str] = [text]
    for pattern in _PATTERNS:
        parts = [part for whole in parts for part in _put_in(pattern, whole, known)]
    return tuple(part if isinstance(part, Words) else Words(part, label) for part in parts if part)


def referenced(text: str, facts: Iterable[Fact]) -> frozenset[str]:
    """Return the values that `resolve` puts into `text`."""
    known = tuple(facts)
    found = (_inline(known, step, field) for step, field in mentioned_fields(text))
    return frozenset(fact.value for fact in found if fact is not None)


def unresolved(text: str, facts: Iterable[Fact]) -> tuple[Unresolved, ...]:
    """Return the mentions in `text` that `resolve` leaves as they are, since the value is unknown, long or of several lines."""
    wanted = mentioned_steps(text)
    known = tuple(fact for fact in facts if fact.step in wanted) if wanted else ()
    found = (
        Unresolved(match[0], int(match["step"]), (match["field"] or "").lower(), match.start())
        for pattern in (_PATTERNS if wanted else ())
        for match in pattern.finditer(text)
    )
    return tuple(each for each in found if _inline(known, each.step, each.field) is None)


def is_mention(value: str) -> bool:
    """Whether all of `value` is words that name a result, such as "the result of step 2"."""
    words = value.strip().rstrip(".")
    if len(words) > LITERAL_CHARS:
        return False
    matches = (pattern.fullmatch(words) for pattern in _PATTERNS)
    is_step = any(match is not None and (match["field"] or "").lower() in GENERIC_FIELDS for match in matches)
    return is_step or _LITERAL.fullmatch(words) is not None


def named_facts(facts: Iterable[Fact], field: str) -> list[Fact]:
    """Return those of one step's `facts` that `field`, in lower case, names; else the whole, for a generic word."""
    known = [fact for fact in facts if fact.kind is not FactKind.NOTE]
    named = [fact for fact in known if _name_of(fact) == field]
    return named or [fact for fact in known if not _name_of(fact) and field in GENERIC_FIELDS]


def is_note(fact: Fact) -> bool:
    """Whether `fact` is what a model said or asked, unverified by code."""
    return fact.kind in (FactKind.NOTE, FactKind.QUESTION)


def _put_in(pattern: re.Pattern[str], whole: Words | str, known: tuple[Fact, ...]) -> Iterator[Words | str]:
    """The parts of `whole` with the values of the mentions that `pattern` finds; a value is not searched again."""
    if isinstance(whole, Words):
        yield whole
        return
    end = 0
    for match in pattern.finditer(whole):
        fact = _inline(known, int(match["step"]), (match["field"] or "").lower())
        if fact is not None:
            yield whole[end : match.start()]
            yield Words(fact.value, fact.provenance)
            end = match.end()
    yield whole[end:]


def _inline(facts: tuple[Fact, ...], step: int, field: str) -> Fact | None:
    """The fact that `field` of `step` means, if it can be written into a step's text."""
    fact = _lookup(facts, step, field)
    is_short = fact is not None and 0 < len(fact.value) <= INLINE_CHARS and "\n" not in fact.value
    return fact if is_short else None


def _lookup(facts: tuple[Fact, ...], step: int, field: str) -> Fact | None:
    """The fact that `field` of `step` means: the latest of its name, or the step's only fact for a generic word.

    What was found by its form in a longer text is not the result of the step.
    """
    of_step = [fact for fact in facts if fact.step == step and not is_note(fact)]
    named = named_facts(of_step, field)
    if named:
        return named[-1]
    is_only = len(of_step) == 1 and not of_step[0].where
    return of_step[0] if is_only and field in GENERIC_FIELDS else None


def _name_of(fact: Fact) -> str:
    match fact.kind:
        case FactKind.QUESTION:
            return _QUESTION
        case FactKind.ANSWER:
            return _ANSWER
        case _:
            return fact.field.lower()
