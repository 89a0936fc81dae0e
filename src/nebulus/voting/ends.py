"""How tries of one goal ended, and which of the ends agree.

Invariants: ends are compared as files and values, never by what a model says about them; a try that did not end as done
agrees with none.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from nebulus.core.digest import canonical, digest

GONE = ""
"""In place of the digest of a file that is no longer there."""
_WORD = re.compile(r"[^\W_]+(?:[-./:@'\u2019_][^\W_]+)*")


class End(Struct, frozen=True, kw_only=True):
    """How a try ended: the files that it changed, with the digest of their content, and its answer.

    `is_done`: it ended as done. `failure` is why not, in a sentence.
    """

    files: dict[str, str] = field(default_factory=dict)
    answer: Any = None
    is_done: bool = True
    failure: str = ""


def digest_of(path: str, content: bytes) -> str:
    """Return the digest of a file's content, the same for contents that differ in form alone.

    Spaces at the ends of lines, empty lines at the end, and the layout and the order of keys of a JSON file don't count.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return digest(content.hex())
    if path.endswith(".json"):
        try:
            return digest(canonical(json.loads(text)).decode())
        except (ValueError, RecursionError):
            pass  # compared as text
    return digest("\n".join(line.rstrip() for line in text.splitlines()).rstrip("\n"))


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Return the digests in `after` that differ from those in `before`, and `GONE` for each file that is gone."""
    paths = sorted(before.keys() | after.keys())
    return {path: after.get(path, GONE) for path in paths if before.get(path) != after.get(path)}


def elected(ends: Sequence[End]) -> tuple[int, ...]:
    """Return the numbers of the ends in the largest group that agree, counted from 0; the earliest of equal groups."""
    groups = [
        tuple(other for other in range(number, len(ends)) if ends[other].is_done and agree(end, ends[other]))
        for number, end in enumerate(ends)
        if end.is_done
    ]
    return max(groups, key=len, default=())


def most_alike(ends: Sequence[End]) -> int:
    """Return how many of `ends` agree at most."""
    return len(elected(ends))


def agree(one: End, other: End) -> bool:
    """Whether two ends are the same: the same files with the same content, and the same answer."""
    return one.files == other.files and is_same_value(one.answer, other.answer)


def is_same_value(one: Any, other: Any) -> bool:
    """Whether two answers say the same: numbers up to the ninth digit, lists in any order, texts by their words."""
    match one, other:
        case bool(), bool():
            return one is other
        case int() | float(), int() | float() if not isinstance(one, bool) and not isinstance(other, bool):
            return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
        case str(), str():
            return is_same_text(one, other)
        case dict(), dict():
            return one.keys() == other.keys() and all(is_same_value(one[key], other[key]) for key in one)
        case list() | tuple(), list() | tuple():
            return len(one) == len(other) and _is_permutation(list(one), list(other))
        case _:
            return type(one) is type(other) and one == other


def _is_permutation(one: list[Any], other: list[Any]) -> bool:
    left = list(other)
    for item in one:
        same = next((at for at, rest in enumerate(left) if is_same_value(item, rest)), None)
        if same is None:
            return False
        del left[same]
    return True


def is_same_text(one: str, other: str) -> bool:
    """Whether two texts say the same, as far as code can tell: the same words, or a bare value and words around it.

    Wording beyond that is not understood: "it is safe" and "it is not safe" have most of their words in common.
    """
    left, right = _words(one), _words(other)
    if left == right:
        return True
    exact = _exact(left)
    return exact == _exact(right) and bool(exact) and exact in (left, right)


def _words(text: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in _WORD.findall(text))


def _exact(words: frozenset[str]) -> frozenset[str]:
    """Return the words that must not differ: those with a digit, or with a sign inside."""
    return frozenset(
        word for word in words if any(not sign.isalpha() and sign not in "'\u2019-" for sign in word)
    )
