"""What the operators and functions of `calculate` do to numbers and dates. Pure.

Invariants: numbers are fractions, so sums, products and quotients are exact; what has no exact value (most roots)
is marked; no result has more than `MOST_DIGITS` digits, and nothing larger is computed on the way.
"""

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction
from statistics import median
from typing import TypeAlias

from msgspec import Struct

from nebulus.adapters.tools.numbers import decimal_of
from nebulus.core.errors import ToolError
from nebulus.core.failure import FailureKind

MOST_DIGITS = 1000
"""Digits in front of the point, or zeros behind it."""
_EXACT_BITS = 8192
"""The largest numerator or denominator; beyond it a number is rounded to `_DIGITS`."""
_DIGITS = 34
"""Significant digits of what is not exact. Source: decimal128 of IEEE 754-2019."""
_CONTEXT = Context(prec=_DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN)
_MOST_PLACES = 100


class Number(Struct, frozen=True):
    """A number; `is_percent` if it was written as `12%` and nothing was done with it yet."""

    value: Fraction
    is_exact: bool = True
    is_percent: bool = False


Value: TypeAlias = Number | date
PI = Number(Fraction("3.141592653589793238462643383279502884"), is_exact=False)


def wrong(what: str, value: str = "", fix: str = "") -> ToolError:
    """Return the error for something that can't be calculated as it is written."""
    return ToolError(what, kind=FailureKind.INVALID_ARGUMENTS, value=value, fix=fix)


def applied(sign: str, left: Value, right: Value) -> Value:
    """Return `left sign right`.

    Raises:
        ToolError: it has no value, or one with too many digits.
    """
    if isinstance(left, date) or isinstance(right, date):
        return _with_dates(sign, left, right)
    if sign in "+-" and left.is_percent != right.is_percent:
        raise wrong(
            "adding a percentage to a number, or subtracting it, can mean two things",
            fix="write 200 * 110/100 for 10% more, or 200 + 10/100 for the plain sum",
        )
    if sign == "**":
        return _power(left, right)
    is_exact = left.is_exact and right.is_exact
    value = _of_fractions(sign, left.value, right.value)
    return _bounded(Number(value, is_exact, is_percent=sign in "+-" and left.is_percent))


def negated(value: Value) -> Value:
    """Return `-value`.

    Raises:
        ToolError: it is a date.
    """
    return Number(-number(value).value, number(value).is_exact, number(value).is_percent)


def percent(value: Value) -> Value:
    """Return `value%`: a hundredth of it."""
    return Number(number(value).value / 100, number(value).is_exact, is_percent=True)


def number(value: Value) -> Number:
    """Return `value` as a number.

    Raises:
        ToolError: it is a date.
    """
    if isinstance(value, date):
        raise wrong(
            "a date can't be used here", value.isoformat(), "dates can be subtracted, or moved by days"
        )
    return value


def called(name: str, values: Sequence[Value]) -> Value:
    """Return the value of the function `name`.

    Raises:
        ToolError: there is no such function, or it does not take these values.
    """
    if name == "days":
        return _days(values)
    if name not in FUNCTIONS:
        raise wrong(
            f"there is no function {name[:40]!r}", fix=f"known are {', '.join(sorted((*FUNCTIONS, 'days')))}"
        )
    least, most, function = FUNCTIONS[name]
    if not least <= len(values) <= most:
        count = (
            str(least)
            if least == most
            else f"{least} to {most}"
            if most < MOST_VALUES
            else f"{least} or more"
        )
        raise wrong(f"{name} takes {count} values, not {len(values)}")
    numbers = [number(value) for value in values]
    result = function([item.value for item in numbers])
    is_exact = all(item.is_exact for item in numbers)
    if isinstance(result, Number):
        return _bounded(Number(result.value, is_exact and result.is_exact))
    return _bounded(Number(result, is_exact))


def _of_fractions(sign: str, left: Fraction, right: Fraction) -> Fraction:
    if sign in ("/", "//", "%") and right == 0:
        raise wrong("division by zero")
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
        case "//":
            return Fraction(left // right)
        case _:
            return left % right


def _power(left: Number, right: Number) -> Number:
    base, power = left.value, right.value
    is_exact = left.is_exact and right.is_exact
    if base == 0 and power < 0:
        raise wrong("division by zero: 0 to a negative power")
    if base in (0, 1) or power == 0:
        return Number(base if power else Fraction(1), is_exact)
    if base < 0 and power.denominator != 1:
        raise wrong("a negative number has no root that is a number", str(base)[:40])
    digits = abs(power) * abs(Fraction(_log10(abs(base))))
    if digits > MOST_DIGITS:
        raise wrong(f"the power has more than {MOST_DIGITS} digits", f"{str(base)[:20]} ** {str(power)[:20]}")
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if power.denominator == 1 and bits * abs(power) <= _EXACT_BITS:
        return _bounded(Number(base ** int(power), is_exact))
    root = _exact_root(base, power)
    if root is not None:
        return Number(root, is_exact)
    result = _CONTEXT.power(decimal_of(abs(base), _DIGITS), decimal_of(power, _DIGITS))
    sign = -1 if base < 0 and power.numerator % 2 else 1
    return _bounded(Number(sign * Fraction(result), is_exact=False))


def _exact_root(base: Fraction, power: Fraction) -> Fraction | None:
    return _root(base) if power == Fraction(1, 2) else None


def _root(base: Fraction) -> Fraction | None:
    """The square root where it is a fraction."""
    above, below = math.isqrt(base.numerator), math.isqrt(base.denominator)
    is_exact = above**2 == base.numerator and below**2 == base.denominator
    return Fraction(above, below) if is_exact else None


def _log10(value: Fraction) -> float:
    return math.log10(value.numerator) - math.log10(value.denominator)


def _bounded(value: Number) -> Number:
    """Return `value`, rounded if it is an unwieldy fraction.

    Raises:
        ToolError: it has too many digits.
    """
    above, below = value.value.numerator, value.value.denominator
    if above and abs(_log10(abs(value.value))) > MOST_DIGITS:
        raise wrong(f"the result has more than {MOST_DIGITS} digits", fix="calculate with smaller numbers")
    if max(above.bit_length(), below.bit_length()) <= _EXACT_BITS:
        return value
    return Number(Fraction(decimal_of(value.value, _DIGITS)), is_exact=False, is_percent=value.is_percent)


def _with_dates(sign: str, left: Value, right: Value) -> Value:
    if isinstance(left, date) and isinstance(right, date):
        if sign == "-":
            return Number(Fraction((left - right).days))
        raise wrong(
            f"two dates can't be joined by {sign}", fix="subtract them: the result is a number of days"
        )
    day, days = (left, right) if isinstance(left, date) else (right, left)
    assert isinstance(day, date)
    amount = number(days).value
    if sign not in ("+", "-") or (sign == "-" and day is right) or amount.denominator != 1:
        raise wrong("a date can only be moved by whole days", fix="write 2024-03-01 + 30")
    try:
        return day + timedelta(days=int(amount) if sign == "+" else -int(amount))
    except OverflowError as error:
        raise wrong("the date is outside of the years 1 to 9999") from error


def _days(values: Sequence[Value]) -> Value:
    if len(values) != 2 or not all(isinstance(value, date) for value in values):
        raise wrong("days takes two dates", fix="write days(2024-03-01, 2024-05-09)")
    return applied("-", values[1], values[0])


def _square_root(values: list[Fraction]) -> Number:
    if values[0] < 0:
        raise wrong("a negative number has no square root that is a number", str(values[0])[:40])
    exact = _root(values[0])
    if exact is not None:
        return Number(exact)
    return Number(Fraction(_CONTEXT.sqrt(decimal_of(values[0], _DIGITS))), is_exact=False)


def _round(values: list[Fraction]) -> Fraction:
    """Half goes away from zero, as people round, and not to the even digit."""
    places = values[1] if len(values) == 2 else Fraction(0)
    if places.denominator != 1 or abs(places) > _MOST_PLACES:
        raise wrong(
            "round takes a whole number of places", f"places {str(places)[:40]}", "write round(2.345, 2)"
        )
    scale = Fraction(10) ** int(places)
    scaled = abs(values[0]) * scale
    return Fraction(math.floor(scaled + Fraction(1, 2))) / scale * (-1 if values[0] < 0 else 1)


def _mean(values: list[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def _to_the_power(values: list[Fraction]) -> Number:
    return _power(Number(values[0]), Number(values[1]))


MOST_VALUES = 2000
_Function: TypeAlias = Callable[[list[Fraction]], Fraction | Number]
FUNCTIONS: dict[str, tuple[int, int, _Function]] = {
    "abs": (1, 1, lambda values: abs(values[0])),
    "avg": (1, MOST_VALUES, _mean),
    "average": (1, MOST_VALUES, _mean),
    "ceil": (1, 1, lambda values: Fraction(math.ceil(values[0]))),
    "floor": (1, 1, lambda values: Fraction(math.floor(values[0]))),
    "max": (1, MOST_VALUES, max),
    "mean": (1, MOST_VALUES, _mean),
    "median": (1, MOST_VALUES, median),
    "min": (1, MOST_VALUES, min),
    "pow": (2, 2, _to_the_power),
    "round": (1, 2, _round),
    "sqrt": (1, 1, _square_root),
    "sum": (1, MOST_VALUES, lambda values: sum(values, Fraction(0))),
}
"""Each function with the least and the most values that it takes."""


def rounded_literal(text: str) -> Fraction:
    """Return a number as it is written: digits, a point, an exponent.

    Raises:
        ToolError: it has too many digits.
    """
    return _bounded(Number(Fraction(Decimal(text)))).value
