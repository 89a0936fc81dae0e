"""The socket for a tool: a spec that can be judged without running it, and an effect.

Laws: what went wrong comes back as a `Failure`, and then nothing happened; a tool that can't say so
raises, and the outcome is unknown. The runtime bounds the time.
"""

from typing import Any, Protocol

from msgspec import Struct, field

from nebulus.core.failure import Failure
from nebulus.core.scalars import Scalar
from nebulus.core.tools import ToolSpec

__all__ = ["Scalar", "Tool", "ToolOutput"]


class ToolOutput(Struct, frozen=True, kw_only=True):
    """All that a tool gave back, unbounded; `fields` are the scalars worth remembering.

    `is_lost`: the work was done, and what it gave back can't be recorded; `text` says why.
    """

    text: str
    fields: dict[str, Scalar] = field(default_factory=dict)
    is_trusted: bool = True
    is_lost: bool = False


class Tool(Protocol):
    """One thing that can be done."""

    @property
    def spec(self) -> ToolSpec:
        """What the runtime knows of it."""
        ...

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Do it. `key` is the idempotency key: the same for each attempt at the same effect."""
        ...

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """Tell after a crash whether the call with `key` took effect; None if that can't be told."""
        ...
