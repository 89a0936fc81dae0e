"""Which tools a step is shown: few, chosen by the step, in an order that changes as little as it can.

The tools come first in a prompt: if they equal those of the previous prompt, a server's prefix cache still works.

Source for the cap of five: small models lose calls beyond a handful of tools; Docker's and forge's
evaluations of 8B models use 3 to 5.
"""

import re
from collections.abc import Sequence

from nebulus.core.plan import Step
from nebulus.core.tools import ToolSpec

_WORDS = re.compile(r"[a-z0-9]+")


def offer(
    step: Step, tools: Sequence[ToolSpec], *, most: int, before: Sequence[str] = ()
) -> tuple[ToolSpec, ...]:
    """Return at most `most` tools for `step`: first those shown `before`, in that order, then in the order of `tools`.

    A step's own list takes precedence, then the tools that its text names. With a tool that it names, those shown before stay,
    the first of them longest; a step that names none is shown those that share most words with it.
    """
    allowed = [tool for tool in tools if not step.tools or tool.name in step.tools]
    if len(allowed) <= most:
        return tuple(allowed)
    named = named_tools(step.text, allowed)
    places = {name: place for place, name in enumerate(before)} if named else {}

    def place(tool: ToolSpec) -> int:
        return places.get(tool.name, len(places))

    ranked = sorted(
        allowed, key=lambda tool: (tool.name not in named, place(tool), -_overlap(step.text, tool))
    )
    chosen = {tool.name for tool in ranked[:most]}
    return tuple(sorted((tool for tool in allowed if tool.name in chosen), key=place))


def named_tools(text: str, tools: Sequence[ToolSpec]) -> frozenset[str]:
    """Return the names of the tools that `text` mentions as whole words, with a capital or not."""
    words = set(re.findall(r"[A-Za-z0-9_.\-]+", text))
    stripped = words | {word.strip(".-") for word in words}
    stripped |= {word[:1].lower() + word[1:] for word in stripped}
    return frozenset(tool.name for tool in tools if tool.name in stripped)


def _overlap(text: str, tool: ToolSpec) -> int:
    wanted = set(_WORDS.findall(text.lower()))
    return len(wanted & set(_WORDS.findall(f"{tool.name.replace('_', ' ')} {tool.description}".lower())))
