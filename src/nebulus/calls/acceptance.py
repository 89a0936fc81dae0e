"""How much evidence a call needs: in proportion to what a mistake would cost."""

from collections.abc import Callable
from typing import TypeAlias

from nebulus.core.findings import CallEvidence
from nebulus.core.tools import Effect, ToolSpec

Needed: TypeAlias = CallEvidence | Callable[[ToolSpec], CallEvidence]
"""One level for all tools, or one for each."""

_BY_EFFECT = {
    Effect.READ: CallEvidence.OPENS,
    Effect.WRITE: CallEvidence.ANNOUNCED,
    Effect.IRREVERSIBLE: CallEvidence.WHOLE,
    Effect.EGRESS: CallEvidence.WHOLE,
}


def by_effect(tool: ToolSpec) -> CallEvidence:
    """Return the evidence that a call of `tool` needs where the model can be asked again.

    What only reads may be taken on an answer that it opens; what can't be undone needs an answer that is
    nothing but the call.
    """
    return _BY_EFFECT[tool.effect]


def needed_for(needed: Needed, tool: ToolSpec) -> CallEvidence:
    """Return the level that `needed` names for `tool`."""
    return needed if isinstance(needed, CallEvidence) else needed(tool)
