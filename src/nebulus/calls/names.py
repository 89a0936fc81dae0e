"""Which tool on offer a written name means.

Invariants: only tools on offer exist; a name is snapped only where one candidate is near and the rest are
far, and never on to a tool whose effect can't be undone.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from nebulus.core.findings import Edit
from nebulus.core.tools import Effect, ToolSpec

MAX_NAME = 128
"""Longer names are not names. Source: the OpenAI API allows 64 characters, MCP servers use up to 128."""

_CHANNEL = re.compile(r"<\|.*", re.DOTALL)
_NAMESPACE = re.compile(r"\A(?:functions?|tools?|google|default_api|api|mcp|assistant|call)[.:/]")
_INDEX = re.compile(r":(?:index:)?\d+\Z")
_SEPARATORS = re.compile(r"[\s._:/\-]+")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]{1,60}(?![a-z])|\d+")
_FILLERS = frozenset(
    {"a", "an", "the", "to", "of", "for", "from", "in", "on", "by", "with", "tool", "function", "api"}
)


def resolve(written: str, tools: Mapping[str, ToolSpec]) -> tuple[ToolSpec | None, tuple[Edit, ...]]:
    """Return the tool that `written` means, and what was changed to see it; None if it is not certain."""
    if written in tools:
        return tools[written], ()
    if len(written) > MAX_NAME * 2:
        return None, ()
    for name, candidate in _cleaned(written):
        if candidate in tools:
            return tools[candidate], (Edit(name, "", written[:40], candidate),)
    bare = _cleaned(written)[-1][1]
    same = [tool for tool in tools.values() if _folded(tool.name) == _folded(bare)]
    if len(same) == 1:
        return same[0], (Edit("name spelled as declared", "", written[:40], same[0].name),)
    near = [tool for tool in tools.values() if _is_near(bare, tool.name)]
    if len(near) == 1 and not same and near[0].effect in (Effect.READ, Effect.WRITE):
        return near[0], (Edit("name snapped", "", written[:40], near[0].name),)
    return None, ()


def nearest(written: str, tools: Sequence[str]) -> list[str]:
    """Return at most three offered names that a person would offer as a correction."""
    return get_close_matches(written[:MAX_NAME], tools, n=3, cutoff=0.5)


def _cleaned(written: str) -> list[tuple[str, str]]:
    """Return ever barer spellings of a name, each with the edit that it takes."""
    steps = [("blanks around the name", written.strip())]
    steps.append(("channel tag in the name", _CHANNEL.sub("", steps[-1][1]).strip()))
    steps.append(("index behind the name", _INDEX.sub("", steps[-1][1])))
    bare = steps[-1][1]
    while (shorter := _NAMESPACE.sub("", bare)) != bare:
        bare = shorter
    steps.append(("namespace before the name", bare))
    return steps


def _folded(name: str) -> str:
    return _SEPARATORS.sub("", name).lower()


def words_of(name: str) -> list[str]:
    """Return the words of a name in snake case, camel case or with dots, in lower case."""
    return [word.lower() for word in _WORDS.findall(name)]


def _is_near(written: str, declared: str) -> bool:
    """Whether two names differ only in filling words, a plural, or one slipped letter of a long word."""
    ours = [word for word in words_of(written) if word not in _FILLERS]
    theirs = [word for word in words_of(declared) if word not in _FILLERS]
    return bool(ours) and len(ours) == len(theirs) and all(map(_is_same_word, ours, theirs))


def _is_same_word(first: str, second: str) -> bool:
    if first == second or first + "s" == second or second + "s" == first:
        return True
    return min(len(first), len(second)) >= 5 and _differ_by_one(first, second)


def _differ_by_one(first: str, second: str) -> bool:
    """Whether one letter was dropped, doubled, replaced, or two neighbours were swapped."""
    short, long = sorted((first, second), key=len)
    if len(long) - len(short) > 1:
        return False
    start = next((place for place, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    swapped = short[:start] + short[start + 1 : start + 2] + short[start : start + 1] + short[start + 2 :]
    return short[start + 1 :] == long[start + 1 :] or swapped == long
