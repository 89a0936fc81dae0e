"""A demand as numbers, each about 0 for ordinary work and about 1 apart, so that one prior fits every weight."""

import math
from collections.abc import Sequence

from nebulus.core.demand import Demand, WorkKind

OTHER_KINDS = tuple(kind for kind in WorkKind if kind is not WorkKind.ACT)
_SCALES = {
    "tools": (0.9, 0.5),
    "schema depth": (1.25, 0.5),
    "required arguments": (1.1, 0.4),
    "optional arguments": (0.5, 0.55),
    "name match": (0.6, 0.35),
    "text match": (0.35, 0.25),
    "facts": (1.5, 0.7),
    "longest copy": (2.0, 1.0),
    "calls": (1.25, 0.6),
    "prompt": (5.3, 0.8),
}
"""Centre and spread of each count, rounded; counts are taken as log(1 + n), for one more of many is little more.

Source: 850 recorded tool-calling items, bench/routing.py.
"""
NAMES = (
    "always",
    *_SCALES,
    "flag",
    "fraction",
    "list",
    "untyped",
    "one tool",
    "arithmetic",
    "ordering",
    "code",
    "other script",
    "window share",
    "failures",
    *(kind.value for kind in OTHER_KINDS),
)
"""What each number is about, in order."""


def features(demand: Demand) -> tuple[float, ...]:
    """Return `demand` as numbers, in the order of `NAMES`."""
    tools, values, log = demand.tools, demand.values, math.log1p
    counts = (
        log(tools.count),
        float(tools.schema_depth),
        log(tools.required_arguments),
        log(max(0, tools.optional_arguments)),
        tools.name_match,
        tools.text_match,
        log(values.facts),
        log(values.longest_copy_characters),
        log(demand.calls),
        log(demand.prompt_tokens) if demand.prompt_tokens else _SCALES["prompt"][0],
    )
    flags = (
        *(tools.has_flag, tools.has_fraction, tools.has_list, tools.has_untyped, tools.count == 1),
        *(values.needs_arithmetic, values.needs_ordering),
        *(demand.language == "code", demand.language == "other"),
    )
    return (
        1.0,
        *(
            (value - centre) / spread
            for value, (centre, spread) in zip(counts, _SCALES.values(), strict=True)
        ),
        *map(float, flags),
        _window_share(demand),
        log(demand.failures),
        *(float(demand.kind is kind) for kind in OTHER_KINDS),
    )


def _window_share(demand: Demand) -> float:
    return min(1.0, demand.prompt_tokens / demand.window_tokens) if demand.window_tokens else 0.0


def cells(demand: Demand) -> Sequence[str]:
    """Return the groups that a demand belongs to, from the finest to "all", named for a reader."""
    tools, arguments = demand.tools.count, demand.tools.required_arguments
    kind = demand.kind.value
    shown = "no tool" if tools == 0 else "1 tool" if tools == 1 else "2-5 tools" if tools < 6 else "6+ tools"
    needed = "0-1 arguments" if arguments < 2 else "2-3 arguments" if arguments < 4 else "4+ arguments"
    return f"{kind}, {shown}, {needed}", f"{kind}, {shown}", kind, "all"
