"""Whether a value stands in a text, whole: not a piece of a longer word, address, path or number.

Law: spelled exactly, or not at all; a look-alike is another value.
"""

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

_JOINING = frozenset("_@/\\+-=&#%~")
"""Characters that make one word of what stands on both sides of them."""
_STOPS = frozenset(".,:;'\u2019!?")
"""Characters that end a word, unless a letter or digit follows them at once."""
_NUMBER = re.compile(r"(?<![\w.,])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w%]|[.,]\d)")


def leaves(value: Any) -> Iterator[Scalar]:
    """Return the scalars in a JSON value, the keys of its objects among them."""
    match value:
        case dict():
            for key, inner in value.items():
                yield str(key)
                yield from leaves(inner)
        case list() | tuple():
            for inner in value:
                yield from leaves(inner)
        case _:
            yield value


def says_nothing(value: Any) -> bool:
    """Whether a JSON value is nothing at all: null, or empty."""
    return value is None or value in ("", [], {})


def stands_in(value: Scalar, text: str) -> bool:
    """Whether `text` holds `value` as a whole; where a line of `text` ends counts as a blank.

    A number is found in any spelling of the same number. A truth value stands in no text.
    """
    match value:
        case None | bool():
            return False
        case str():
            if not value.strip() or value != value.strip():
                return False
            return _holds(text, value) or _holds(" ".join(text.split()), value)
        case _:
            return _exact(str(value)) in {_exact(found) for found in _NUMBER.findall(text)}


def _exact(number: str) -> Decimal | None:
    try:
        return Decimal(number.replace(",", ""))
    except InvalidOperation:  # Not the spelling of a number: it is equal to none.
        return None


def _holds(text: str, wanted: str) -> bool:
    at = text.find(wanted)
    while at >= 0:
        before, after = text[:at][::-1][:2], text[at + len(wanted) :][:2]
        if _is_edge(before) and _is_edge(after):
            return True
        at = text.find(wanted, at + 1)
    return False


def _is_edge(beyond: str) -> bool:
    """Whether a word ends before `beyond`, read away from the word."""
    if not beyond:
        return True
    if beyond[0].isalnum() or beyond[0] in _JOINING:
        return False
    return not (beyond[0] in _STOPS and len(beyond) > 1 and beyond[1].isalnum())
