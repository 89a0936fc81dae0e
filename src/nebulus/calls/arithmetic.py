"""Arithmetic of plain numbers, as models write it in place of its result: computed only where that is exact."""

import re
from decimal import Decimal
from fractions import Fraction

_NUMBER = re.compile(r"\s*((?:0|[1-9][0-9_]{0,30})(?![0-9])(?:\.[0-9]{0,30})?(?:[eE][+-]?[0-9]{1,3})?)")
_SIGN = re.compile(r"\s*(\*\*|//|/\*|[+\-*/()])")
_COMMENTS = ("//", "/*")
_DATE_LIKE = re.compile(r"\d[-/]\d+[-/]\d")
"""`2024-10-15` is a date that lost its quotes, and not a difference."""
_LEVELS = (("+", "-"), ("*", "/"))
MAX_POWER = 64
MAX_DEPTH = 8
"""Parentheses inside each other, and signs in front of a number."""


def follows_sign(text: str, position: int) -> bool:
    """Whether a sign of arithmetic follows at `position`."""
    match = _SIGN.match(text, position)
    return match is not None and match[1] not in ("(", ")", *_COMMENTS)


def computed(text: str, position: int) -> tuple[int | float, int] | None:
    """Return the value of the sum at `position` and where it ends; None where it is not exact, or none.

    The value is exact where it is whole, or where its shortest decimal spelling is it.
    """
    try:
        value, end = _chain(text, position, 0, depth=0)
        number = value.numerator / value.denominator
    except (ZeroDivisionError, ValueError, OverflowError):  # no sum, or one without an exact value
        return None
    if _DATE_LIKE.search(text[position:end]):
        return None
    is_whole = not any(sign in text[position:end] for sign in "./eE")
    if is_whole and value.denominator == 1:
        return int(value), end
    return (number, end) if Fraction(Decimal(repr(number))) == value else None


def _chain(text: str, position: int, level: int, *, depth: int) -> tuple[Fraction, int]:
    """Return the value of operands joined by signs of one level."""
    if level == len(_LEVELS):
        return _power(text, position, depth=depth)
    value, position = _chain(text, position, level + 1, depth=depth)
    while (sign := _SIGN.match(text, position)) and sign[1] in _LEVELS[level]:
        other, position = _chain(text, sign.end(), level + 1, depth=depth)
        match sign[1]:
            case "+":
                value += other
            case "-":
                value -= other
            case "*":
                value *= other
            case _:
                value /= other
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > 4096:
            raise OverflowError
    return value, position


def _power(text: str, position: int, *, depth: int) -> tuple[Fraction, int]:
    value, position = _operand(text, position, depth=depth)
    sign = _SIGN.match(text, position)
    if sign is None or sign[1] != "**":
        return value, position
    power, position = _power(text, sign.end(), depth=depth + 1)
    if power.denominator != 1 or abs(power) > MAX_POWER:
        raise ValueError("a power that is not small and whole")
    return value ** int(power), position


def _operand(text: str, position: int, *, depth: int) -> tuple[Fraction, int]:
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    if number := _NUMBER.match(text, position):
        return Fraction(Decimal(number[1].replace("_", ""))), number.end()
    sign = _SIGN.match(text, position)
    if sign is None:
        raise ValueError("no number")
    match sign[1]:
        case "-":
            value, end = _operand(text, sign.end(), depth=depth + 1)
            return -value, end
        case "(":
            value, end = _chain(text, sign.end(), 0, depth=depth + 1)
            closer = _SIGN.match(text, end)
            if closer and closer[1] == ")":
                return value, closer.end()
            raise ValueError("a parenthesis is open")
        case _:
            raise ValueError("no number")
