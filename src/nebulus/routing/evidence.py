"""What an answer shows about itself once it was parsed: whether its values come from the text, and what it left unused.

Counts only; nothing here rejects a call. The same counts are taken from every model and in every dialect.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from nebulus.core.digest import canonical
from nebulus.core.findings import Call, CallEvidence, FindingKind, Reading
from nebulus.core.tools import ToolSpec
from nebulus.routing.words import stem, stems, stems_of_name

_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?")
_PLAIN = re.compile(r"[^\W_]+")
_NUMBER_WORDS = {
    "two": 2.0,
    "three": 3.0,
    "four": 4.0,
    "five": 5.0,
    "six": 6.0,
    "seven": 7.0,
    "eight": 8.0,
    "nine": 9.0,
    "ten": 10.0,
    "twelve": 12.0,
    "dozen": 12.0,
    "hundred": 100.0,
    "thousand": 1000.0,
}
_SCALES = (1.0, 100.0, 0.01)
"""A percentage may be written as a fraction, and the other way round."""


class AnswerEvidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one parsed answer shows."""

    calls: int = 0
    finding: FindingKind | None = None
    certainty: CallEvidence = CallEvidence.REFUTED
    """That of its weakest call; meaningless without calls."""
    edits: int = 0
    repeated: int = 0
    """Calls that are the same as one before them."""
    name_match: float = 0.0
    """How much of the name of the called tool the text uses, for the call that fits worst."""
    text_match: float = 0.0
    """How much of the text its tool explains, for the call that fits worst."""
    is_other_better: bool = False
    """Whether a tool that was not called fits the text better than one that was."""
    values: "ValueEvidence"


class ValueEvidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the arguments of an answer come from, counted over all of its calls."""

    given: int = 0
    """Values that could be looked for in the text: neither empty, nor true or false."""
    found: int = 0
    """Those of them that the text contains."""
    required_unfound: int = 0
    """Required arguments with a value that neither the text nor the schema contains."""
    optional_given: int = 0
    optional_unfound: int = 0
    optional_left: int = 0
    """Optional arguments that were left out."""
    empty: int = 0
    numbers_unused: int = 0
    """Numbers of the text that no call uses."""
    words_unused: int = 0
    """Words of the text that are in no value and don't describe a called tool or its arguments."""


def evidence_of(reading: Reading, text: str, tools: Sequence[ToolSpec], *, shown: str = "") -> AnswerEvidence:
    """Return what `reading` shows, given the `text` that asked for it and the `tools` that were offered.

    `shown` is what the model was shown besides, such as earlier results: values may come from there, too.
    """
    offered = {tool.name: tool for tool in tools}
    called = [offered[call.tool] for call in reading.calls if call.tool in offered]
    wanted = stems(text)
    matches = {tool.name: _match(wanted, tool) for tool in tools}
    mine = [matches[tool.name] for tool in called]
    distinct = {(call.tool, canonical(call.arguments)) for call in reading.calls}
    return AnswerEvidence(
        calls=len(reading.calls),
        finding=reading.finding.kind if reading.finding is not None else None,
        certainty=min(reading.evidence, default=CallEvidence.REFUTED),
        edits=len(reading.edits),
        repeated=len(reading.calls) - len(distinct),
        name_match=min((match[0] for match in mine), default=0.0),
        text_match=min((match[1] for match in mine), default=0.0),
        is_other_better=bool(mine) and min(map(_fit, mine)) < max(map(_fit, matches.values())),
        values=_values(reading.calls, text, offered, shown=shown),
    )


def _match(wanted: frozenset[str], tool: ToolSpec) -> tuple[float, float]:
    name = stems_of_name(tool.name)
    explained = wanted & (name | stems(tool.description))
    return len(wanted & name) / max(1, len(name)), len(explained) / max(1, len(wanted))


def _fit(match: tuple[float, float]) -> float:
    return match[1]


class _Said(Struct, frozen=True):
    """The text of a step, as values are looked for in it."""

    plain: str
    stems: frozenset[str]
    numbers: frozenset[float]

    def contains(self, value: Any) -> bool:
        """Whether a scalar is in the text, in one form or another."""
        if isinstance(value, int | float):
            return any(round(value * scale, 9) in self.numbers for scale in _SCALES)
        words = _PLAIN.findall(str(value).lower())
        return " ".join(words) in self.plain or all(stem(word) in self.stems for word in words)


def _said(text: str) -> _Said:
    words = _PLAIN.findall(text.lower())
    numbers = {number for found in _NUMBER.findall(text) if (number := _number(found)) is not None}
    numbers.update(_NUMBER_WORDS[word] for word in words if word in _NUMBER_WORDS)
    return _Said(" ".join(words), frozenset(map(stem, words)), frozenset(numbers))


def _number(text: str) -> float | None:
    try:
        return round(float(text.replace(",", "")), 9)
    except ValueError:  # "1,2,3.4.5" is not a number
        return None


class _Tally(Struct):
    """Counts while the arguments are walked."""

    given: int = 0
    found: int = 0
    required_unfound: int = 0
    optional_given: int = 0
    optional_unfound: int = 0
    optional_left: int = 0
    empty: int = 0


def _values(calls: Sequence[Call], text: str, offered: dict[str, ToolSpec], *, shown: str) -> ValueEvidence:
    if not calls:
        return ValueEvidence()
    said, tally = _said(text), _Tally()
    sources = (said, _said(shown)) if shown else (said,)
    scalars = [value for call in calls for value in _scalars(call.arguments)]
    explained = set(stems(" ".join(str(value) for value in scalars)))
    for call in calls:
        tool = offered.get(call.tool)
        if tool is not None:
            explained |= stems_of_name(tool.name) | stems(tool.description)
    unexplained = stems(text) - explained
    for call in calls:
        if call.tool in offered:
            _count(call, offered[call.tool], sources=sources, tally=tally)
    used = {number for value in scalars for number in _numbers_in(value)}
    unused = [
        number for number in said.numbers if not any(round(number * scale, 9) in used for scale in _SCALES)
    ]
    names = {word for call in calls for name in call.arguments for word in stems_of_name(name)}
    return ValueEvidence(
        given=tally.given,
        found=tally.found,
        required_unfound=tally.required_unfound,
        optional_given=tally.optional_given,
        optional_unfound=tally.optional_unfound,
        optional_left=tally.optional_left,
        empty=tally.empty,
        numbers_unused=len(unused),
        words_unused=len(unexplained - names),
    )


def _count(call: Call, tool: ToolSpec, *, sources: Sequence[_Said], tally: _Tally) -> None:
    properties = tool.parameters.get("properties") or {}
    required = set(tool.parameters.get("required") or ())
    for name, value in call.arguments.items():
        schema = properties.get(name)
        schema = schema if isinstance(schema, dict) else {}
        tally.empty += value in ("", [], {}, None)
        looked_for = [
            each for each in _scalars(value) if not isinstance(each, bool) and each not in (None, "")
        ]
        found = sum(any(source.contains(each) for source in sources) for each in looked_for)
        is_unfound = found < len(looked_for) and not _is_in_schema(value, schema)
        tally.given += len(looked_for)
        tally.found += found
        tally.required_unfound += name in required and is_unfound
        tally.optional_given += name not in required
        tally.optional_unfound += name not in required and is_unfound
    tally.optional_left += len(properties.keys() - required - call.arguments.keys())


def _is_in_schema(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is the default, or an example in the description."""
    if "default" in schema and schema["default"] == value:
        return True
    return str(value).lower() in str(schema.get("description", "")).lower()


def _scalars(value: Any) -> Iterator[Any]:
    match value:
        case dict():
            for each in value.values():
                yield from _scalars(each)
        case list():
            for each in value:
                yield from _scalars(each)
        case _:
            yield value


def _numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, str):
        yield from (number for found in _NUMBER.findall(value) if (number := _number(found)) is not None)
        words = _PLAIN.findall(value.lower())
        yield from (_NUMBER_WORDS[word] for word in words if word in _NUMBER_WORDS)
        yield from (float(word) for word in words if word.isdecimal() and word.isascii())
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield round(float(value), 9)
