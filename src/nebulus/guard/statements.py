"""Splits a file in Cedar's language into its policies, so that each is named by its line.

Invariant: nothing is dropped: text after the last `;` is a policy too, an invalid one.
"""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

_TOKENS = re.compile(r"//[^\n]*|\"(?:\\.|[^\"\\])*\"?|;|[^/\";]+|.", re.DOTALL)
_BLANKS = re.compile(r"(?:\s|//[^\n]*)*")


class Statement(Struct, frozen=True):
    """The text of one policy in its file, and the line (from 1) on which it begins."""

    text: str
    line: int


def statements(text: str) -> Iterator[Statement]:
    """Return the policies in `text`, in order."""
    parts: list[str] = []
    line = 1
    for piece in _TOKENS.findall(text):
        parts.append(piece)
        if piece == ";":
            whole = "".join(parts)
            yield Statement(whole, line + _lines_before(whole))
            line += whole.count("\n")
            parts.clear()
    rest = "".join(parts)
    if len(_blanks(rest)) < len(rest):
        yield Statement(rest, line + _lines_before(rest))


def _lines_before(text: str) -> int:
    """Return how many lines of blanks and comments come before the policy itself."""
    return _blanks(text).count("\n")


def _blanks(text: str) -> str:
    """Return the blanks and comments at the beginning of `text`."""
    match = _BLANKS.match(text)
    return match[0] if match else ""


def is_impossible(policy: Any, declared: frozenset[str]) -> bool:
    """Whether the conditions of a policy (in Cedar's JSON form) are certainly false for every request.

    It recognises constants, `has` of an attribute that no schema declares (`declared` are all names of attributes),
    and a value that must equal two constants at once.
    """
    needed: list[Any] = []
    for condition in policy.get("conditions", []):
        is_true = _value(condition["body"], declared)
        if is_true is (condition["kind"] == "unless"):
            return True
        if condition["kind"] == "when":
            needed += _conjuncts(condition["body"])
    equals: dict[str, Any] = {}
    for part in needed:
        for place, value in _equalities(part):
            if equals.setdefault(place, value) != value:
                return True
    return False


def _value(body: Any, declared: frozenset[str]) -> bool | None:
    """Return the value of `body` if it is the same for every request, else None."""
    match body:
        case {"Value": bool(value)}:
            return value
        case {"!": {"arg": arg}}:
            inner = _value(arg, declared)
            return None if inner is None else not inner
        case {"&&": {"left": left, "right": right}}:
            both = (_value(left, declared), _value(right, declared))
            return False if False in both else (True if both == (True, True) else None)
        case {"||": {"left": left, "right": right}}:
            either = (_value(left, declared), _value(right, declared))
            return True if True in either else (False if either == (False, False) else None)
        case {"==": {"left": {"Value": left}, "right": {"Value": right}}}:
            return bool(left == right)
        case {"has": {"attr": str(name)}} if name not in declared:
            return False
        case _:
            return None


def _conjuncts(body: Any) -> list[Any]:
    match body:
        case {"&&": {"left": left, "right": right}}:
            return _conjuncts(left) + _conjuncts(right)
        case _:
            return [body]


def _equalities(body: Any) -> Iterator[tuple[str, Any]]:
    match body:
        case {"==": {"left": {"Value": value}, "right": place}} | {
            "==": {"left": place, "right": {"Value": value}}
        }:
            yield repr(place), value
        case _:
            return
