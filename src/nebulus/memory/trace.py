"""Where the values of an answer come from: whether each appears in what the run saw.

Invariants: a value counts as seen only if it appears whole, never as a part of a longer word, number,
date or identifier; what only a model said, or a tool said in an error, was not seen. That a value was seen does not
make it the right one.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeAlias

from msgspec import Struct

from nebulus.core.provenance import USER, Origin, Provenance
from nebulus.core.result import FieldSource
from nebulus.core.state import State
from nebulus.memory.references import is_note
from nebulus.memory.structure import scalars_of, slug
from nebulus.memory.whole import place_of

Scalar: TypeAlias = str | int | float | bool | None

SHORT_CHARS = 2
"""A text of at most this many ASCII characters counts as seen only if it is a whole value, not one word among others."""
_MODEL = Provenance((Origin("model"),))
_UNITS = "kg|g|mg|t|km|m|cm|mm|mi|ms|s|min|h|kb|mb|gb|tb|eur|usd|gbp|chf|nok|sek|c|f|k|l|ml|v|w|kw|kwh|mph"
_NUMBER = re.compile(
    rf"""
    (?<!\w)(?<!\d[.,:])(?<!\w[/\-.])       # not a piece of a word, a date, a time or a version
    (?P<sign>[\-+\u2212]?)
    (?P<digits>
      \d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?      # 1,234.50
    | \d{{1,3}}(?:\.\d{{3}})+,\d+           # 1.234,50
    | \d+,\d{{1,2}}                        # 7,5
    | \d+(?:\.\d+)?(?:e[\-+]?\d{{1,2}})?
    )
    (?:\s?°?(?P<unit>{_UNITS}|%))?
    (?!\w|[.,:/\-]\d)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
_SPACE = re.compile(r"\s+")
_QUOTES = "\"'`\u2018\u2019\u201c\u201d"


class _Seen(Struct, frozen=True):
    """One text that the run saw; `field` is the name of the value it is, "" for a text."""

    text: str
    provenance: Provenance
    where: str
    field: str = ""


def trace(value: Any, state: State, *, schema: Mapping[str, Any] | None = None) -> tuple[FieldSource, ...]:
    """Return for each scalar of `value` whether it appears in what the run of `state` saw, and where.

    Seen are facts, the results that the state still keeps, the beginnings of stored ones, the goal's inputs, and the
    user's goal and constraints. Numbers are compared as numbers ("7 °C" is 7.0); texts without regard to case, spaces and quotes. A
    truth value or null counts as seen only in a fact of the same name. What `schema` fixes (a constant, an
    enumeration of one) carries no information, and is left out.
    """
    seen = tuple(_seen(state))
    return tuple(_source(path, leaf, seen) for path, leaf in _leaves(value, schema or {}, ""))


def _leaves(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Scalar]]:
    """The scalars of a JSON value that `schema` leaves open, each with its JSON pointer."""
    match value:
        case dict():
            properties = schema.get("properties", {})
            for name, inner in value.items():
                pointer = f"{path}/{str(name).replace('~', '~0').replace('/', '~1')}"
                yield from _leaves(inner, _schema(properties.get(name)), pointer)
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from _leaves(inner, _schema(schema.get("items")), f"{path}/{index}")
        case _ if "const" in schema or len(schema.get("enum", ())) == 1:
            return
        case _:
            yield path, value


def _schema(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _seen(state: State) -> Iterator[_Seen]:
    """Yield what the run saw, the most specific first: facts, results, then the user's own words."""
    for fact in reversed(state.facts):
        if not is_note(fact):
            yield _Seen(fact.value, fact.provenance, fact.name, slug(fact.field))
    for item in reversed(state.observations):
        if not item.is_error:
            where = f"the result of step {item.step}"
            for mark in scalars_of(item.text):
                yield _Seen(mark.value, item.provenance, where, slug(mark.name.rpartition(".")[2]))
            yield _Seen(item.text, item.provenance, where)
    for stored in reversed(state.artifacts):
        yield _Seen(stored.head, stored.provenance, f"the result of step {stored.step}")
    for given in state.goal.inputs:
        yield _Seen(given.value, given.provenance, f"the input {given.name}", slug(given.name))
    for text in (state.goal.text, *state.goal.constraints):
        yield _Seen(text, USER, "the goal")


def _source(path: str, leaf: Scalar, seen: Iterable[_Seen]) -> FieldSource:
    """Return the source of one scalar: one with the same name, else the first."""
    name = slug(next((part for part in reversed(path.split("/")) if part and not part.isdigit()), ""))
    saying = [item for item in seen if _says(item, leaf, name)]
    if not saying:
        return FieldSource(path=path, is_proven=False, provenance=_MODEL)
    found = next((item for item in saying if name and item.field == name), saying[0])
    return FieldSource(path=path, is_proven=True, provenance=found.provenance, seen_in=found.where)


def _says(item: _Seen, leaf: Scalar, name: str) -> bool:
    match leaf:
        case None:
            return bool(name) and item.field == name and normal(item.text) in ("none", "null")
        case bool():
            return bool(name) and item.field == name and normal(item.text) == str(leaf).lower()
        case int() | float():
            return any(number == Decimal(str(leaf)) for number, _ in numbers_in(item.text))
        case str():
            return contains(item.text, leaf)


def contains(text: str, value: str) -> bool:
    """Whether `text` contains `value` as a whole, without regard to case, spaces and quotes.

    A value that is a number is found in any form of the same number; two units must be the same.
    """
    wanted, within = normal(value), normal(text)
    if not wanted:
        return False
    is_telling = len(wanted) > SHORT_CHARS or not wanted.isascii()
    if wanted == within or (is_telling and place_of(wanted, within) >= 0):
        return True
    written = _NUMBER.fullmatch(wanted)
    if written is None:
        return False
    number, unit = _value(written)
    return any(number == other and (not unit or known in ("", unit)) for other, known in numbers_in(text))


@lru_cache(maxsize=4096)
def numbers_in(text: str) -> frozenset[tuple[Decimal, str]]:
    """Return the numbers that `text` writes out, each with its unit; a comma is of thousands or of decimals by its place."""
    return frozenset(_value(match) for match in _NUMBER.finditer(text))


@lru_cache(maxsize=4096)
def normal(text: str) -> str:
    """Return `text` in one form: no compatibility characters, lower case, single spaces, no quotes around it."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip().strip(_QUOTES).strip()


def _value(match: re.Match[str]) -> tuple[Decimal, str]:
    digits = match["digits"].lower()
    if "," in digits:
        is_thousands = _THOUSANDS.fullmatch(digits) is not None
        digits = digits.replace(",", "") if is_thousands else digits.replace(".", "").replace(",", ".")
    number = Decimal(digits)
    return -number if match["sign"] in ("-", "\u2212") else number, (match["unit"] or "").lower()
