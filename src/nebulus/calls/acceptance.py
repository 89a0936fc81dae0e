"""How much evidence a call needs: in proportion to what a mistake would cost."""

from collections.abc import Callable
from typing import TypeAlias

from nebulus.core.findings import Evidence
from nebulus.core.tools import Effect, ToolSpec

Needed: TypeAlias = Evidence | Callable[[ToolSpec], Evidence]
"""One level for all tools, or one for each."""

_BY_EFFECT = {
    Effect.READ: Evidence.OPENS,
    Effect.WRITE: Evidence.ANNOUNCED,
    Effect.IRREVERSIBLE: Evidence.WHOLE,
    Effect.EGRESS: Evidence.WHOLE,
}


def by_effect(tool: ToolSpec) -> Evidence:
    """Return the evidence that a call of `tool` needs where the model can be asked again.

    What only reads may be taken on an answer that it opens; what can't be undone needs an answer that is
    nothing but the call.
    """
    return _BY_EFFECT[tool.effect]


def needed_for(needed: Needed, tool: ToolSpec) -> Evidence:
    """Return the level that `needed` names for `tool`."""
    return needed if isinstance(needed, Evidence) else needed(tool)
