"""What the words of a step assign to a tool's parameters: "path = notes/a.md", "3 as page".

Invariants: only a parameter's own name assigns; a word of prose is a value only after a sign; what is in quotes,
or was put in for a reference, is one value and names nothing, whatever is written in it; where the words allow
two readings, nothing is assigned.
"""

import functools
import itertools
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.tools import ToolSpec

Span = tuple[int, int]

QUOTED = r"\"[^\"\n]{1,400}\"|`[^`\n]{1,400}`|(?<!\w)'[^'\n]{1,400}'(?!\w)"
_STUFF = r"[^\s,;|&()\[\]{}\"'`]"
_END = (
    r"(?=\s*(?:[,;|&)\]}]|[.:!?]*\s*$)|[.!?]*\s+(?:(?:and|as|for|with|in|of|on|at|by)\b"
    r"|--\w|[\w\-]+\s*(?::?=|->)))"
)
"""A value without quotes ends where a list, a phrase or the step does, or where the next name is given one;
several words are not a certain value."""
_WORD = rf"{_STUFF}{{1,400}}?{_END}"
_PLAIN = r"[\w.\-/@:~#%+$]"
_TELLING = rf"(?=\S*[\d/@_]|\S*\w\.\w|(?:true|false)\b){_PLAIN}{{1,400}}?"
"""No word of prose: it holds a digit, a slash, an @, an underscore or a dot inside, or is a truth value.

No formula either: how it is to be spelled is the tool's.
"""
_NO_COUNT = r"(?![\d.,]+\s)"
"""A number before another word counts something: "size = 5 MB"."""
_SIGN = r"\s*(?:[:=]=?>?|->|<-)\s*"
_COPULA = (
    r"\s+(?:(?:should|must|shall|will|can|may)\s+)?(?:is|are|be|being|equals?|equal\s+to|set\s+to"
    r"|(?:with|of|having)?\s*(?:the\s+|a\s+)?value(?:\s+of)?)\s+(?:(?:set|equal)\s+to\s+)?"
)
_GOES_ON = re.compile(r"\s*(?:(?:or|to|into|instead)\b|with\s+[\"'`]|[+\"'`])", re.IGNORECASE)
"""After a value: it is only a part of what is meant, or what shall be changed."""
_NOT_MEANT = re.compile(
    r"\b(?:(?:not|never|except|than|if|when|unless|until|while)\s+(?:\w+\s+){0,3}"
    r"|(?:or|old|current|previous|existing|original|former|default)\s+)$",
    re.IGNORECASE,
)
"""Before a parameter's name: what is said there is a condition, or what is not to be."""
_BEFORE_CHARS = 440
GRAMMARS = 256


class Assignment(Struct, frozen=True):
    """A parameter, the value that the step gives it, spelled without quotes, and where that is.

    `how` is the word between them: "" for a sign, a copula or nothing; else "as", "to" or "for". It
    `is_certain` without one, by "as" after the value, and where two parameters are said in the same way:
    "the message to `bob`" is none.
    """

    name: str
    value: str
    how: str
    is_certain: bool
    place: Span


def assignments(step: str, tool: ToolSpec, known: Collection[str] = ()) -> tuple[Assignment, ...]:
    """Return what `step` assigns to the parameters of `tool`; `known` are values that code put in for references."""
    after, before = _grammar(tuple(sorted(known, key=len, reverse=True)))
    shapes = tool.parameters.get("properties", {})
    found = []
    for name, (start, end) in mentions(step, shapes, known):
        if not _is_meant(step, start):
            continue
        one, other = _after(after.match(step, end), name), _before(before, step, (start, name))
        read = one or other
        if read is not None and not (one and other) and _fits(read.value, shapes[name]):
            found.append(read)
    return _agreed(found)


def mentions(step: str, names: Collection[str], known: Collection[str] = ()) -> Iterator[tuple[str, Span]]:
    """Yield where one of `names` is by itself: not within quotes, though it may be all that is quoted.

    Nor within one of `known`: a value that a document brought in assigns nothing.
    """
    quoted = {match.span() for match in re.finditer(QUOTED, step)}
    opaque = {match.span() for value in known for match in re.finditer(re.escape(value), step)}
    closed = _Spans({*quoted, *opaque})
    for name in names:
        pattern = rf"(?<![\w./@\-])(?:--)?([`\"']?){re.escape(name)}\1(?![\w/@\-]|\.\w)"
        for match in re.finditer(pattern, step):
            inside = closed.touching(match.span())
            if all(span == match.span() and span not in opaque for span in inside):
                yield name, match.span()


class _Spans:
    """Places in a text, found by where they are without a look at each."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = sorted(spans)
        self._starts = [start for start, _ in self._spans]
        self._furthest = list(itertools.accumulate((end for _, end in self._spans), max))

    def touching(self, place: Span) -> list[Span]:
        """Return those that have a character in common with `place`."""
        start, end = place
        found = []
        for at in range(bisect_left(self._starts, end) - 1, -1, -1):
            if self._furthest[at] <= start:
                break
            if self._spans[at][1] > start:
                found.append(self._spans[at])
        return found


def _is_meant(step: str, at: int) -> bool:
    return _NOT_MEANT.search(step, max(0, at - _BEFORE_CHARS), at) is None


def unquoted(text: str) -> str:
    """Return a value as the step writes it, without quotes around it or a full stop after it."""
    if text[0] in "\"'`" and text[-1] == text[0] and len(text) > 1:
        return text[1:-1]
    return text.rstrip(".:!?") or text


@functools.lru_cache(maxsize=GRAMMARS)
def _grammar(known: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return how a value is said after a parameter's name, and before it."""
    whole = "".join(rf"|{re.escape(value)}(?![\w/@\-])" for value in known)
    value = rf"{QUOTED}{whole}|{_TELLING}{_END}"
    after = (
        rf"{_SIGN}(?P<sign>{QUOTED}{whole}|{_WORD}|{_NO_COUNT}{_TELLING}(?=\s))"
        rf"|(?:{_COPULA}|\s+|\s*\(\s*)(?P<beside>{value})|\s+(?P<how>to|as)\s+(?P<likely>{value})"
    )
    before = rf"(?:^|(?<=[\s(,;]))(?P<value>{value})\s+(?P<how>as|for)\s+(?:the\s+)?$"
    return re.compile(after, re.IGNORECASE), re.compile(before, re.IGNORECASE)


def _after(match: re.Match[str] | None, name: str) -> Assignment | None:
    if match is None:
        return None
    group = next(kind for kind in ("sign", "beside", "likely") if match[kind] is not None)
    if _GOES_ON.match(match.string, match.end(group)):
        return None
    how = (match["how"] or "").lower()
    return Assignment(name, unquoted(match[group]), how, not how, match.span(group))


def _before(pattern: re.Pattern[str], step: str, mention: tuple[int, str]) -> Assignment | None:
    at, name = mention
    match = pattern.search(step, max(0, at - _BEFORE_CHARS), at)
    if match is None:
        return None
    how = match["how"].lower()
    return Assignment(name, unquoted(match["value"]), f"{how}<", how == "as", match.span("value"))


def _agreed(found: list[Assignment]) -> tuple[Assignment, ...]:
    """Leave out a name with two values and a value with two names; a wording used for two names is certain."""
    values = Counter(name for name, _ in {(each.name, each.value) for each in found})
    owners = Counter(place for place, _ in {(each.place, each.name) for each in found})
    hows = Counter(how for how, _ in {(each.how, each.name) for each in found})
    return tuple(
        replace(each, is_certain=each.is_certain or hows[each.how] > 1)
        for each in found
        if values[each.name] == 1 and owners[each.place] == 1
    )


def _fits(value: str, shape: Any) -> bool:
    """Whether a parameter of this schema can take the value as it is spelled; if not, it is not meant."""
    if not isinstance(shape, dict):
        return True
    if "enum" in shape:
        return value in map(str, shape["enum"])
    match shape.get("type"):
        case "integer" | "number":
            return re.fullmatch(r"[+-]?\d+(?:\.\d+)?", value) is not None
        case "boolean":
            return value.lower() in ("true", "false")
        case "array" | "object":
            return False
        case _:
            return True
