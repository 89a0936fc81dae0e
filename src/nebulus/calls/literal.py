"""One value read from text: JSON as it should be, or one that slipped and can be mended without loss.

Invariants: time is linear in what is read; an open string is never closed; nothing is invented, cut or
guessed; every change is a named edit with its place.
"""

import json
from decimal import Decimal
from json import JSONDecodeError
from typing import Any, NoReturn

from msgspec import Struct

from nebulus.core.findings import Edit

MAX_DEPTH = 64
"""Containers inside each other. Tool schemas stay below ten; past this, recursion is the input's aim."""

_PIECE = 4096
"""Characters that are decoded at first, far inside a text."""
_LONGEST_TOKEN = 16
"""An error so near to the end of a piece may be the cut's: `-Infinity` and `\\ud83d\\ude00` are shorter."""

MISSING_CLOSER = "missing closer"
"""The edit that supplies a closer. Its `before` is what was there instead, "" for the end."""


class UnreadableError(Exception):
    """The text is not a value: which rule it breaks, where, by what, and how far it was read."""

    def __init__(
        self, rule: str, *, where: str = "", value: str = "", reached: int = 0, is_open: bool = False
    ) -> None:
        super().__init__(rule)
        self.rule = rule
        self.where = where
        self.value = value
        self.reached = reached
        """Where in the text reading stopped."""
        self.is_open = is_open
        """The text ended inside the value: it may have been cut."""


class RawText(str):
    """Text that a dialect writes without quotes, whatever its type; the schema says what it is."""

    __slots__ = ()


class Value(Struct, frozen=True):
    """What was read, where it ended, and the edits that it took.

    `is_terminated`: something that can't belong to a value is behind it, such as a closing tag; so
    the text was not cut there.
    """

    value: Any
    end: int
    edits: tuple[Edit, ...] = ()
    is_terminated: bool = False


def unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of `pairs`.

    Raises:
        UnreadableError: a key appears twice.
    """
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for number, key in enumerate(keys) if key in keys[:number])
        raise UnreadableError("a key appears twice in one object", value=twice)
    return result


def _no_constant(name: str) -> NoReturn:
    raise UnreadableError("JSON has no such number", value=name)


def finite(spelled: str) -> float:
    """Return the number that `spelled` is.

    Raises:
        UnreadableError: a float can't hold it: it is too large, or it would become another whole number, or zero.
    """
    number = float(spelled)
    if number in (float("inf"), float("-inf")):
        raise UnreadableError("this number is too large", value=spelled[:40])
    if number.is_integer() and not is_exact(number, spelled):
        raise UnreadableError("no float is exactly this number", value=spelled[:40])
    return number


def is_exact(number: float, spelled: str) -> bool:
    """Whether the shortest decimal spelling of `number` has the value that `spelled` has."""
    return Decimal(repr(number)) == Decimal(spelled)


_strict = json.JSONDecoder(object_pairs_hook=unique_object, parse_constant=_no_constant, parse_float=finite)


def strict_value(text: str, start: int = 0) -> Value | None:
    """Return the JSON value that begins exactly at `start`; None if none does, or a key appears twice."""
    try:
        value, end = _decoded(text, start)
    except (JSONDecodeError, UnreadableError, RecursionError, ValueError):  # the tolerant way says why
        return None
    has_pairs = text.find("\\ud", start, end) >= 0 or text.find("\\uD", start, end) >= 0
    return (
        None if has_pairs and not is_encodable(json.dumps(value, ensure_ascii=False)) else Value(value, end)
    )


def _decoded(text: str, start: int) -> tuple[Any, int]:
    """Decode the JSON value at `start`; far inside a text in pieces, for json's errors count the lines before them."""
    if start <= _PIECE:
        return _strict.raw_decode(text, start)
    size = _PIECE
    while True:
        piece = text[start : start + size]
        try:
            value, length = _strict.raw_decode(piece)
        except JSONDecodeError as error:
            is_cut = error.pos > len(piece) - _LONGEST_TOKEN or error.msg.startswith("Unterminated string")
            if start + size >= len(text) or not is_cut:
                raise
            size *= 8
        except UnreadableError:  # a number that was cut with the piece may be one that no float holds
            if start + size >= len(text):
                raise
            size *= 8
        else:
            return value, start + length


def is_encodable(text: str) -> bool:
    """Whether `text` is Unicode that can be written down: no half of a surrogate pair is in it."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
