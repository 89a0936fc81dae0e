"""What the cells of a column mean: numbers, dates or text, decided for the whole column. Pure.

Invariants: a column is read by one convention (decimal point or comma, day or month first, one unit), and one that
can be read in two ways stays text and says why; a cell that is not what its column is keeps its text, and is
counted.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

Key: TypeAlias = int | float | str
"""What a cell is compared by: a number, or a date in ISO 8601."""

MISSING = frozenset({"na", "n/a", "null", "none", "nan", "-", "–", "—"})
"""Words for a missing value, in a column of numbers or dates. Source: the usual ones of pandas.read_csv, and dashes."""
_WIDEST_WHOLE = 1 << 63
_SAMPLED = 500
"""Different cells, spread over the column, of which a quarter must be numbers before all are looked at."""
_ISO_CHARS = 10
_CURRENCIES = (
    "$",
    "€",
    "£",
    "¥",
    "USD",
    "EUR",
    "GBP",
    "JPY",
    "CHF",
    "CNY",
    "INR",
    "NOK",
    "SEK",
    "DKK",
    "CAD",
    "AUD",
)
_AMOUNT = re.compile(
    rf"(?P<before>{'|'.join(map(re.escape, _CURRENCIES))})?\s?(?P<core>[-−]?[\d.,][^%A-Za-z$€£¥]*?"
    rf"(?:[eE][+-]?\d{{1,3}})?)\s?(?P<after>%|{'|'.join(map(re.escape, _CURRENCIES))})?"
)
_QUICK = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_QUICK_CHARS = 16
"""So many characters with a point have at most 15 digits, which a float gives back unchanged."""
_SPACED = re.compile(r"\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:[.,]\d+)?")
_POINT = re.compile(r"(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][+-]?\d{1,3})?|\.\d+|[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_COMMA = re.compile(r"(?:0|[1-9]\d*)(?:,\d+)?|[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?")
_TIME = r"(?:[T ](?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.0{1,6})?)?Z?)?"
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})(?P<joint>[-/.])(?P<month>\d{1,2})(?P=joint)(?P<day>\d{1,2})" + _TIME
)
_YEAR_LAST = re.compile(r"(?P<one>\d{1,2})(?P<joint>[-/.])(?P<two>\d{1,2})(?P=joint)(?P<year>\d{4})" + _TIME)
_NAMED = re.compile(
    r"(?:(?P<day>\d{1,2})\.? (?P<month>[A-Za-z]{3,9})|(?P<named>[A-Za-z]{3,9})\.? (?P<number>\d{1,2})),? (?P<year>\d{4})"
)
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)


class Kind(StrEnum):
    """What a column contains."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"


class Reading(Struct, frozen=True):
    """The convention by which a column is read; `note` says it in words, or why the column stays text."""

    kind: Kind = Kind.TEXT
    is_comma: bool = False
    is_day_first: bool = False
    unit: str = ""
    note: str = ""

    def key(self, text: str) -> Key | None:
        """Return what `text` is compared by, None if it is not what the column contains."""
        match self.kind:
            case Kind.NUMBER:
                found = amount(text, is_comma=self.is_comma)
                return found[0] if found and found[1] == self.unit else None
            case Kind.DATE:
                return day(text, is_day_first=self.is_day_first)
            case Kind.TEXT:
                return None


_Found: TypeAlias = tuple[Reading, dict[str, Key | None]]
"""How a column is read, and the key of each different cell."""


class Column(Struct, frozen=True):
    """A column: its name, how its cells are read, and how many of them are empty or not what the column contains."""

    name: str
    reading: Reading
    empty: int = 0
    odd: int = 0
    odd_example: str = ""


def read_column(name: str, cells: Sequence[str], *, separator: str) -> tuple[Column, list[Key | None]]:
    """Return the column, and the key of each cell.

    `separator` is that of the file: with ";" numbers are often written with a decimal comma.
    """
    counts = Counter(cells)
    different = [cell for cell in counts if cell and cell.casefold() not in MISSING]
    reading, keys = _number_reading(different, separator) or _date_reading(different)
    if reading.kind is Kind.TEXT:
        return Column(name, reading, empty=counts[""]), [None] * len(cells)
    odd = [cell for cell in different if keys[cell] is None]
    column = Column(
        name,
        reading,
        empty=len(cells) - sum(counts[cell] for cell in different),
        odd=sum(counts[cell] for cell in odd),
        odd_example=odd[0] if odd else "",
    )
    return column, [keys.get(cell) for cell in cells]


def is_missing(text: str, reading: Reading) -> bool:
    """Whether a cell says that there is no value."""
    return not text or (reading.kind is not Kind.TEXT and text.casefold() in MISSING)


def amount(text: str, *, is_comma: bool) -> tuple[int | float, str] | None:
    """Return the number that `text` writes and its unit; None if it is not a number, or one that JSON can't write.

    Leading zeros make a code (`007`), not a number.
    """
    if not is_comma and len(text) <= _QUICK_CHARS and _QUICK.fullmatch(text):
        return (int(text) if text.isdecimal() else _whole(float(text))), ""
    sign, core = 1, text.strip()
    if core.startswith("(") and core.endswith(")"):
        sign, core = -1, core[1:-1]
    elif core[:1] in ("-", "−", "+"):
        sign, core = (1 if core[0] == "+" else -1), core[1:].lstrip()
    match = _AMOUNT.fullmatch(core[:64])
    if match is None or len(core) > 64 or (match["before"] and match["after"]):
        return None
    digits = match["core"].strip()
    if digits[:1] in ("-", "−"):
        sign, digits = -sign, digits[1:]
    if _SPACED.fullmatch(digits):
        digits = re.sub(r"[ \u00a0\u202f]", "", digits)
    if not (_COMMA if is_comma else _POINT).fullmatch(digits):
        return None
    plain = digits.replace(".", "").replace(",", ".") if is_comma else digits.replace(",", "")
    number = _plain(sign * Decimal(plain))
    return None if number is None else (number, match["before"] or match["after"] or "")


def day(text: str, *, is_day_first: bool) -> str | None:
    """Return the date that `text` writes in ISO 8601, with its time if it has one; None if it writes none."""
    if len(text) == _ISO_CHARS and text[4] == "-":
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:  # Written like a date, and none: 31 February.
            return None
    text = text.strip()
    if match := _YEAR_FIRST.fullmatch(text):
        return _iso((match["year"], match["month"], match["day"]), match)
    if match := _YEAR_LAST.fullmatch(text):
        is_day = is_day_first or match["joint"] == "."
        month, day_ = (match["two"], match["one"]) if is_day else (match["one"], match["two"])
        return _iso((match["year"], month, day_), match)
    if match := _NAMED.fullmatch(text):
        word = (match["month"] or match["named"]).lower()
        found = [number for number, name in enumerate(_MONTHS, start=1) if name.startswith(word)]
        return _iso((match["year"], str(found[0]), match["day"] or match["number"])) if found else None
    return None


def _whole(number: float) -> int | float:
    return int(number) if number.is_integer() else number


def _plain(number: Decimal) -> int | float | None:
    """Return the number as SQLite compares it exactly, None where it can't."""
    if number == number.to_integral_value() and abs(number) < _WIDEST_WHOLE:
        return int(number)
    found = float(number)
    return found if Decimal(repr(found)) == number else None


def _iso(numbers: tuple[str, str, str], match: "re.Match[str] | None" = None) -> str | None:
    """Return year, month and day, with the time of `match` if it has one; None if there is no such moment."""
    year, month, day_ = map(int, numbers)
    parts = match.groupdict() if match else {}
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    try:
        moment = datetime(year, month, day_, hour, minute, second)  # noqa: DTZ001 - a file names no zone
    except ValueError:  # 31 February, month 13: not a date.
        return None
    return moment.isoformat(" ") if parts.get("hour") else moment.date().isoformat()


def _number_reading(cells: Sequence[str], separator: str) -> _Found | None:
    """How a column of numbers is read, or of what could be numbers; None if it is something else."""
    sample = cells[:: max(1, len(cells) // _SAMPLED)]
    if _count([amount(cell, is_comma=False) or amount(cell, is_comma=True) for cell in sample]) * 4 < len(
        sample
    ):
        return None
    points = {cell: amount(cell, is_comma=False) for cell in cells}
    has_commas = any("," in cell for cell in cells)
    commas = {cell: amount(cell, is_comma=True) for cell in cells} if has_commas else {}
    by_point, by_comma = _count(points.values()), _count(commas.values())
    if max(by_point, by_comma) * 2 < len(cells) or not max(by_point, by_comma):
        return None
    if separator == ";" and by_point == by_comma and points != commas:
        return Reading(note='numbers such as "1,200" can be read in two ways, so it is text'), {}
    is_comma = by_comma > by_point
    found = commas if is_comma else points
    units = {item[1] for item in found.values() if item}
    if len(units) > 1:
        names = ", ".join(unit or "none" for unit in sorted(units))
        return Reading(note=f"its numbers have different units ({names}), so it is text"), {}
    unit = units.pop()
    reading = Reading(Kind.NUMBER, is_comma=is_comma, unit=unit, note=_number_note(found, unit))
    return reading, {cell: item[0] if item else None for cell, item in found.items()}


def _number_note(found: Mapping[str, tuple[int | float, str] | None], unit: str) -> str:
    """Say how numbers that are not written plainly were read."""
    notes = [f"in {unit}"] if unit else []
    grouped = next(((cell, item[0]) for cell, item in found.items() if item and "," in cell), None)
    if grouped:
        notes.append(f'"{grouped[0]}" is read as {grouped[1]}')
    return "; ".join(notes)


def _date_reading(cells: Sequence[str]) -> _Found:
    """How a column of dates is read, or of text."""
    sample = cells[:: max(1, len(cells) // _SAMPLED)]
    if _count([day(cell, is_day_first=True) or day(cell, is_day_first=False) for cell in sample]) * 4 < len(
        sample
    ):
        return Reading(), {}
    by_day = {cell: day(cell, is_day_first=True) for cell in cells}
    by_month = {cell: day(cell, is_day_first=False) for cell in cells}
    days, months = _count(by_day.values()), _count(by_month.values())
    if max(days, months) * 2 < len(cells) or not max(days, months):
        return Reading(), {}
    if days == months:
        if by_day != by_month:
            return Reading(note="its dates can be read day first or month first, so it is text"), {}
        return Reading(Kind.DATE), dict(by_day)
    if days > months:
        return Reading(Kind.DATE, is_day_first=True, note="read day first"), dict(by_day)
    return Reading(Kind.DATE, note="read month first"), dict(by_month)


def _count(found: Iterable[object]) -> int:
    return sum(item is not None for item in found)
