"""Rules about text that several principles share.

Invariants: pure; linear in the length of the text.
"""

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

# Whole values in a text -------------------------------------------------------------------------------------

Scalar: TypeAlias = str | int | float | bool | None

_JOINING = frozenset("_@/\\+-=&#%~")
"""Characters that make one word of what is on both sides of them."""
_PUNCTUATION = frozenset(".,:;'\u2019!?")
"""Characters that end a word, unless a letter or digit follows at once."""
_INTRODUCING = frozenset("=:,;#")
"""Characters that introduce a value: `path=a.txt`, `to:Oslo`, `a,b`, `#123`. Between two digits they join."""
_POSSESSIVE = re.compile(r"['\u2019]s(?!\w)")
_NUMBER = re.compile(r"(?<![\w.,])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w%]|[.,]\d)")
_EDGE_CHARS = 3
"""How far beyond a value its edge is decided."""
_COMPARED_CHARS = 4_000_000
"""The most characters that are compared for one value, so that a text which repeats itself costs no more."""


def stands_in(value: Scalar, text: str) -> bool:
    """Return whether `text` contains `value` as a whole, not as a piece of a longer word, path or address.

    A string must match exactly, except that any run of white space in `text` counts as one blank. A number
    matches any way to write the same number. Null, a truth value and blank text are never contained.
    """
    match value:
        case None | bool():
            return False
        case str():
            if not value.strip() or value != value.strip():
                return False
            return _contains(text, value) or _contains(" ".join(text.split()), value)
        case _:
            wanted = _decimal(str(value))
            return wanted is not None and any(wanted == _decimal(found) for found in _NUMBER.findall(text))


def _decimal(number: str) -> Decimal | None:
    try:
        return Decimal(number.replace(",", ""))
    except InvalidOperation:  # Not a number, so it equals none.
        return None


def _contains(text: str, wanted: str) -> bool:
    return any(
        _starts_word(text[max(0, at - _EDGE_CHARS) : at], wanted[0])
        and _ends_word(text[at + len(wanted) : at + len(wanted) + _EDGE_CHARS], wanted[-1])
        for at in _places(text, wanted)
    )


def _places(text: str, wanted: str) -> Iterator[int]:
    at = -1
    for _ in range(1 + _COMPARED_CHARS // len(wanted)):
        at = text.find(wanted, at + 1)
        if at < 0:
            return
        yield at


def _starts_word(before: str, first: str) -> bool:
    """Return whether a word may start with `first` behind the text `before`."""
    if before[-1:] in _INTRODUCING and before:
        return not (first.isdigit() and before[-2:-1].isdigit())
    return _is_edge(before[::-1])


def _ends_word(after: str, last: str) -> bool:
    """Return whether a word may end with `last` in front of the text `after`."""
    if _POSSESSIVE.match(after):
        return True
    if after[:1] in (",", ";") and after:
        return not (last.isdigit() and after[1:2].isdigit())
    return _is_edge(after)


def _is_edge(beyond: str) -> bool:
    """Return whether a word ends where `beyond` begins, read away from the word."""
    if not beyond:
        return True
    if beyond[0].isalnum() or beyond[0] in _JOINING:
        return False
    return not (beyond[0] in _PUNCTUATION and beyond[1:2].isalnum())
