"""The port for a tool: a spec that can be judged without running it, and an effect.

Invariants: a returned `Failure` means that nothing happened; a tool that can't promise that raises, and the
outcome is unknown. The runtime limits the time.
"""

from typing import Any, Protocol, runtime_checkable

from msgspec import Struct, field

from nebulus.core.authority import HandedBack, HandOver
from nebulus.core.failure import Failure
from nebulus.core.outcome import Question
from nebulus.core.scalars import Scalar
from nebulus.core.tools import ToolSpec

__all__ = ["Handed", "Scalar", "Tool", "ToolOutput", "Worker"]


class ToolOutput(Struct, frozen=True, kw_only=True):
    """Everything that a tool returned, unbounded; `fields` are the scalars worth remembering.

    `is_lost`: the tool succeeded, but what it returned can't be recorded; `text` says why.
    """

    text: str
    fields: dict[str, Scalar] = field(default_factory=dict)
    is_trusted: bool = True
    is_lost: bool = False


class Handed(Struct, frozen=True):
    """What came of a hand-over, and what the worker's run cost, if there was one.

    `output` is what the worker returned, its failure, or the question that it waits for.
    """

    output: ToolOutput | Failure | Question
    back: HandedBack | None = None


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


@runtime_checkable
class Worker(Tool, Protocol):
    """A tool whose calls are runs of their own, under a contract."""

    async def hand_over(self, arguments: dict[str, Any], key: str, handed: HandOver) -> Handed:
        """Let a run do the work, or take up the one that began it with the same `key`, and wait for its end."""
        ...
