"""The port for a tool: a spec that can be judged without running it, and an effect.

Invariants: a returned `Failure` means that nothing happened; a tool that can't promise that raises, and the
outcome is unknown. The runtime limits the time.
"""

from typing import Any, Protocol

from msgspec import Struct, field

from nebulus.core.failure import Failure
from nebulus.core.scalars import Scalar
from nebulus.core.tools import ToolSpec

__all__ = ["Scalar", "Tool", "ToolOutput"]


class ToolOutput(Struct, frozen=True, kw_only=True):
    """Everything that a tool returned, unbounded; `fields` are the scalars worth remembering.

    `is_lost`: the tool succeeded, but what it returned can't be recorded; `text` says why.
    """

    text: str
    fields: dict[str, Scalar] = field(default_factory=dict)
    is_trusted: bool = True
    is_lost: bool = False


class Tool(Protocol):
    """One action that a model may propose."""

    @property
    def spec(self) -> ToolSpec:
        """What the runtime knows about it."""
        ...

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Perform the call. `key` is the idempotency key: the same for each attempt at the same effect."""
        ...

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """Tell after a crash whether the call with `key` took effect; None if that can't be determined."""
        ...
