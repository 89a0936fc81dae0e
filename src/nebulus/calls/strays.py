"""Pieces of words that look like calls of tools on offer: none of them vanishes without a reason."""

import re
from collections.abc import Mapping

from nebulus.core.findings import Mention
from nebulus.core.tools import ToolSpec

_CONTEXT = 40
MAX_STRAYS = 16
"""Mentions of this kind in one reading."""
_AS_CALL = re.compile(r"\s{0,4}(?:[({]|\n\s{0,40}\{|\n[^\n\w]{0,40}Action[ _]Input)")
_AS_JSON = re.compile(r"['\"]\s{0,4}[:,}]")


def strays(words: str, offered: Mapping[str, ToolSpec]) -> tuple[Mention, ...]:
    """Return the places in `words` that name a tool on offer as a call would, at most `MAX_STRAYS`."""
    if not ("(" in words or "{" in words):
        return ()
    found: list[Mention] = []
    for name in offered:
        place = words.find(name)
        while place >= 0 and len(found) < MAX_STRAYS:
            end = place + len(name)
            is_quoted = words[place - 1 : place] in ("'", '"') and _AS_JSON.match(words, end)
            if is_quoted or (_AS_CALL.match(words, end) and not words[place - 1 : place].isalnum()):
                piece = words[max(place - 1, 0) : end + _CONTEXT]
                found.append(Mention(piece, "it is amid words and has no marks of a call"))
            place = words.find(name, end)
    return tuple(found)
