"""Pieces of words that look like calls: none of them vanishes without a reason."""

import re
from collections.abc import Mapping

from nebulus.core.findings import Mention
from nebulus.core.tools import ToolSpec

MAX_STRAYS = 16
"""Mentions of this kind in one reading."""
_CONTEXT = 40
_AS_CALL = re.compile(r"\s{0,4}(?:[({]|\n\s{0,40}\{|\n[^\n\w]{0,40}Action[ _]Input)")
_AS_JSON = re.compile(r"['\"]\s{0,4}[:,}]")
_SHAPES = re.compile(
    r"(?:^|[\[\n>:,]|\[['\"])[ \t]{0,4}(?P<python>[A-Za-z_][\w.-]{0,100})\((?=[\w'\"{\[)])"
    r"|(?:\A|\n)[ \t]{0,4}(?P<named>[A-Za-z_][\w.-]{0,100})\n\{(?=['\"])"
    r"|\{[ \t]?['\"](?:name|tool|tool_name|function|action)['\"][ \t]?:[ \t]?['\"](?P<json>[\w.:/-]{1,100})['\"]"
    r"|Action:[ \t]{0,4}(?P<react>[A-Za-z_][\w.-]{0,100})[ \t]{0,4}\n"
    r"|\[['\"](?P<pair>[\w.-]{1,100})['\"],[ \t]?\{|\[(?P<listed>[A-Za-z_][\w.-]{0,100}),[ \t]?\w+="
    r"|\{[ \t]?['\"](?P<key>[\w.-]{1,100})['\"][ \t]?:[ \t]?['\"]?\{",
    re.MULTILINE,
)
"""What is written like a call of a tool that nobody knows."""


def strays(words: str, offered: Mapping[str, ToolSpec]) -> tuple[Mention, ...]:
    """Return what looks like a call in `words`, at most `MAX_STRAYS`: first of tools on offer, then of none."""
    if not any(sign in words for sign in "({["):
        return ()
    found: list[Mention] = []
    for name in offered:
        place = words.find(name)
        while place >= 0 and len(found) < MAX_STRAYS:
            if _is_called(words, place, place + len(name)):
                piece = words[max(place - 1, 0) : place + len(name) + _CONTEXT]
                found.append(Mention(piece, "it is amid words and has no marks of a call"))
            place = words.find(name, place + len(name))
    if found:
        return tuple(found)
    names = ([name for name in match.groups() if name] for match in _SHAPES.finditer(words))
    return tuple(
        Mention(name, "no such tool is on offer")
        for (name,), _ in zip(names, range(MAX_STRAYS), strict=False)
    )


def _is_called(words: str, start: int, end: int) -> bool:
    """Whether the name of a tool is written there as a call would have it."""
    before = words[start - 1 : start] if start else ""
    if before in ("'", '"') and _AS_JSON.match(words, end):
        return True
    if before == "[" and words.startswith(",", end):
        return True
    return not (before.isalnum() or before == "_") and _AS_CALL.match(words, end) is not None
