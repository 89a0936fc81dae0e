"""Which tools a step is shown: few, chosen by the step, in an order that changes as little as it can.

The tools come first in a prompt: if they equal those of the previous prompt, a server's prefix cache still works.

Source for the cap of five: small models lose calls beyond a handful of tools; Docker's and forge's
evaluations of 8B models use 3 to 5.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from math import log, sqrt

from nebulus.core.plan import Step
from nebulus.core.tools import ToolSpec

_WORDS = re.compile(r"[a-z0-9]+")
_SHORT = 3
_SMOOTHING = 10
"""Words that every description is taken to have beyond its own, so that a short one does not win by being short."""


def offer(
    step: Step, tools: Sequence[ToolSpec], *, most: int, before: Sequence[str] = ()
) -> tuple[ToolSpec, ...]:
    """Return at most `most` tools for `step`: first those shown `before`, in that order, then in the order of `tools`.

    A step's own list takes precedence, then the tools that its text names. With a tool that it names, those shown before stay,
    the first of them longest; a step that names none is shown those whose words tell most of what it says.
    """
    allowed = [tool for tool in tools if not step.tools or tool.name in step.tools]
    if len(allowed) <= most:
        return tuple(allowed)
    named = named_tools(step.text, allowed)
    places = {name: place for place, name in enumerate(before)} if named else {}

    def place(tool: ToolSpec) -> int:
        return places.get(tool.name, len(places))

    shared = _shared_words(step.text, allowed)
    ranked = sorted(allowed, key=lambda tool: (tool.name not in named, place(tool), -shared[tool.name]))
    chosen = {tool.name for tool in ranked[:most]}
    return tuple(sorted((tool for tool in allowed if tool.name in chosen), key=place))


def named_tools(text: str, tools: Sequence[ToolSpec]) -> frozenset[str]:
    """Return the names of the tools that `text` mentions as whole words, with a capital or not."""
    words = set(re.findall(r"[A-Za-z0-9_.\-]+", text))
    stripped = words | {word.strip(".-") for word in words}
    stripped |= {word[:1].lower() + word[1:] for word in stripped}
    return frozenset(tool.name for tool in tools if tool.name in stripped)


def _shared_words(text: str, tools: Sequence[ToolSpec]) -> dict[str, float]:
    """Return for each tool how much its words say that `text` says too; a word that few of the tools have says most.

    Source: Spärck Jones 1972, doi:10.1108/eb026526 (the weight of a word); a long description is not better for it.
    """
    wanted = _words_of(text)
    words = {tool.name: _words_of(_said(tool)) for tool in tools}
    spread = Counter(word for found in words.values() for word in found)
    return {
        name: sum(log(1 + len(tools) / spread[word]) for word in wanted & found)
        / sqrt(_SMOOTHING + len(found))
        for name, found in words.items()
    }


def _said(tool: ToolSpec) -> str:
    """Return all that a tool says of itself: its name, its description, its parameters with theirs."""
    properties = tool.parameters.get("properties", {})
    inner = (
        f"{name} {schema.get('description', '') if isinstance(schema, dict) else ''}"
        for name, schema in properties.items()
    )
    return " ".join((tool.name, tool.description, *inner))


@lru_cache(maxsize=1024)
def _words_of(text: str) -> frozenset[str]:
    """Return the words of `text`, an `s` at the end of a longer one left out."""
    found = _WORDS.findall(text.lower().replace("_", " "))
    return frozenset(word[:-1] if len(word) > _SHORT and word.endswith("s") else word for word in found)
