"""The tool that calculates, and the grammar of its expressions.

Invariants: an expression is parsed, never executed as code; each of its parts is used, or it is refused with the
place; its length, its depth and the size of every number are bounded.

`+ - * / // % **` and parentheses bind as in Python; `^` is a power, `15%` a percentage and `15% of 80` a share.
Functions are `abs`, `avg`, `ceil`, `floor`, `max`, `median`, `min`, `pow`, `round`, `sqrt` and `sum`; `round` takes half
away from zero. Numbers may have commas between thousands and one currency sign. Dates are written 2024-03-01; two can be
subtracted, and one can be moved by days. A result is exact unless it is a root or never ends; then it has 15 digits.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from nebulus.adapters.tools.arithmetic import (
    PI,
    Number,
    Value,
    applied,
    called,
    negated,
    percent,
    rounded_literal,
    wrong,
)
from nebulus.adapters.tools.numbers import written
from nebulus.core.scalars import Scalar
from nebulus.core.text import bounded
from nebulus.ports.tool import ToolOutput

MOST_CHARS = 4000
DEEPEST = 40
"""Parentheses, functions and signs within each other."""
_SHOWN_CHARS = 120
_SHORT_FRACTION_CHARS = 24

_SAME = str.maketrans(
    {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "\0", "\u00a0": " ", "[": "(", "]": ")"}
)
_QUOTED_DATE = re.compile(r"[\"'](\d{4}-\d\d-\d\d)[\"']")
_CURRENCY = re.compile(r"[$€£¥]")
_OTHER_DATE = re.compile(r"(?<![\d/.])(?:\d{1,2}/\d{1,2}/|\d{1,2}\.\d{1,2}\.)\d{4}(?!\d)")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?!\d)")
_GROUPED = re.compile(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?")
"""A number with commas between its thousands: `1,234,567.5`."""
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4}(?!\d))?")
_NAME = re.compile(r"[A-Za-z_]\w*")
_SIGN = re.compile(r"\*\*|//|[-+*/%(),]")
_LEVELS = (("+", "-"), ("*", "/", "//", "%", "of"))


def calculate(expression: str) -> ToolOutput:
    """Calculate exactly with numbers: + - * / % **, round, sum, avg, min, max, sqrt, days between dates.

    Args:
        expression: Such as 12.5 * (3 + 4), avg(3, 5, 9), 15% of 80 or days(2024-01-31, 2024-03-01).
    """
    value = evaluated(expression)
    if isinstance(value, date):
        return ToolOutput(text=value.isoformat(), fields={"result": value.isoformat()})
    result = written(value.value, is_exact=value.is_exact)
    fields: dict[str, Scalar] = {"result": result.scalar}
    fraction = str(value.value)
    if value.is_exact and not result.is_exact and len(fraction) <= _SHORT_FRACTION_CHARS:
        fields["exact"] = fraction
    return ToolOutput(text=result.text, fields=fields)


def evaluated(expression: str) -> Value:
    """Return the value of `expression`.

    Raises:
        ToolError: it is not an expression, or has no value; the message names the place and the fix.
    """
    if len(expression) > MOST_CHARS:
        raise wrong(
            f"the expression has {len(expression)} characters; {MOST_CHARS} are the most",
            fix="calculate it in parts, or use query_table for numbers in a file",
        )
    if other := _OTHER_DATE.search(expression):
        raise wrong("dates are written year first", other[0], "write for example 2024-05-09")
    symbols = set(_CURRENCY.findall(expression))
    if len(symbols) > 1:
        raise wrong(
            "amounts in two currencies can't be joined", " ".join(sorted(symbols)), "convert one of them"
        )
    text = _CURRENCY.sub(" ", expression).translate(_SAME).replace("\0", "**")
    text = _QUOTED_DATE.sub(r"\1", text).strip().rstrip("=?").rstrip()
    if not text:
        raise wrong("the expression is empty", fix="write for example 12 * 3.5")
    return _Expression(text).value()


class _Expression:
    """A reading of one expression from left to right; `_at` is where it has come to."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._depth = self._calls = 0

    def value(self) -> Value:
        """Return the value of all of the text."""
        value = self._chain(0)
        if self._rest():
            raise self._unexpected()
        return value

    def _chain(self, level: int) -> Value:
        """Read operands joined by the signs of one level."""
        if level == len(_LEVELS):
            return self._signed()
        value = self._chain(level + 1)
        while sign := self._taken(*_LEVELS[level]):
            other = self._chain(level + 1)
            value = applied("*" if sign == "of" else sign, value, other)
        return value

    def _signed(self) -> Value:
        with self._deeper():
            match self._taken("-", "+"):
                case "-":
                    return negated(self._signed())
                case "+":
                    return self._signed()
                case _:
                    return self._raised()

    def _raised(self) -> Value:
        value = self._operand()
        if self._is_percent():
            self._taken("%")
            value = percent(value)
        return applied("**", value, self._signed()) if self._taken("**") else value

    def _is_percent(self) -> bool:
        """Whether a % follows that has no operand behind it, and so does not mean the remainder."""
        rest = self._rest()
        if not rest.startswith("%"):
            return False
        after = rest[1:].lstrip()
        return not (
            after[:1].isdigit() or after[:1] in ("(", ".") or (after[:1].isalpha() and not _of(after))
        )

    def _operand(self) -> Value:
        rest = self._rest()
        if day := _DATE.match(rest):
            self._at += day.end()
            try:
                return date(*map(int, day.groups()))
            except ValueError as error:
                raise wrong(f"there is no such date: {error}", day[0]) from error
        if digits := self._digits(rest):
            self._at += len(digits)
            return Number(rounded_literal(digits.replace(",", "")))
        if self._taken("("):
            with self._deeper():
                value = self._chain(0)
            self._close()
            return value
        return self._named(rest)

    def _digits(self, rest: str) -> str:
        """Return the number at the front of `rest`, "" if there is none."""
        grouped = _GROUPED.match(rest)
        if grouped and not self._calls:
            return grouped[0]
        plain = _NUMBER.match(rest)
        return plain[0] if plain else ""

    def _named(self, rest: str) -> Value:
        name = _NAME.match(rest)
        if name is None:
            raise self._unexpected()
        self._at += name.end()
        word = name[0].lower()
        if word == "pi":
            return PI
        if not self._taken("("):
            raise wrong(
                f"{name[0][:40]!r} is not a number",
                bounded(self._text, _SHOWN_CHARS),
                "put its value there; for the column of a table, use query_table",
            )
        self._require_clear_commas()
        self._calls += 1
        with self._deeper():
            values = list(self._values())
        self._calls -= 1
        self._close()
        return called(word.removesuffix("_between"), values)

    def _require_clear_commas(self) -> None:
        """Refuse values such as `1,200,2,400`: four numbers, or two with commas between their thousands.

        Raises:
            ToolError: the commas of the call that begins here can be taken in both ways.
        """
        inner = _inside(self._rest())
        if _GROUPED.search(inner) and "," in _GROUPED.sub("0", inner):
            raise wrong(
                "a comma without a blank can separate thousands or values",
                bounded(inner, _SHOWN_CHARS),
                "write numbers without commas, and a blank after each comma between values",
            )

    def _values(self) -> Iterator[Value]:
        if self._rest().startswith(")"):
            return
        is_list = self._rest().startswith("(") and _is_list(self._rest())
        if is_list:
            self._taken("(")
        yield self._chain(0)
        while self._taken(","):
            yield self._chain(0)
        if is_list:
            self._close()

    def _close(self) -> None:
        if not self._taken(")"):
            raise (
                self._unexpected()
                if self._rest()
                else wrong("a parenthesis is not closed", bounded(self._text, _SHOWN_CHARS), "add )")
            )

    def _taken(self, *signs: str) -> str:
        """Return the sign that follows, and go beyond it, if it is one of `signs`; else ""."""
        rest = self._rest()
        if "of" in signs and _of(rest):
            self._at += 2
            return "of"
        sign = _SIGN.match(rest)
        if sign is None or sign[0] not in signs:
            return ""
        self._at += sign.end()
        return sign[0]

    def _rest(self) -> str:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._text[self._at :]

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > DEEPEST:
            raise wrong(f"the expression is nested more than {DEEPEST} deep", fix="calculate it in parts")
        yield
        self._depth -= 1

    def _unexpected(self) -> Exception:
        rest = self._rest()
        shown = bounded(self._text, _SHOWN_CHARS)
        if not rest:
            return wrong("the expression ends where a number must follow", shown)
        fix = (
            "write * between factors"
            if rest[0] == "("
            else "use numbers, + - * / % ** ( ) and functions such as sum"
        )
        if rest[0] == ",":
            fix = "write numbers without commas: 1200, not 1,200"
        return wrong(f"{rest[:1]!r} at character {self._at + 1} can't be calculated", shown, fix)


def _of(text: str) -> bool:
    return text[:2].lower() == "of" and not (text[2:3].isalnum() or text[2:3] == "_")


def _inside(text: str) -> str:
    """Return what is in front of the parenthesis that closes the one before `text`."""
    depth = 1
    for at, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if not depth:
            return text[:at]
    return text


def _is_list(text: str) -> bool:
    """Whether the parenthesis that `text` opens with contains a comma of its own, as in sum([1, 2])."""
    depth = 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 1 and character == ",":
            return True
        if depth == 0:
            return False
    return False
