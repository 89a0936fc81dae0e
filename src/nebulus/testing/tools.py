"""A tool that follows a script and remembers which effects took place."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from nebulus.core.failure import Failure
from nebulus.core.tools import Effect, ToolSpec
from nebulus.ports.tool import ToolOutput

Reply: TypeAlias = ToolOutput | Failure | Exception
OK = ToolOutput(text="ok")


class FakeTool:
    """Gives the replies in order, and repeats the last one.

    An output or an exception comes after the effect took place, a failure instead of it. `calls` lists
    each attempt with its key, `effects` the key of each effect that took place. A tool whose spec is
    idempotent takes effect once per key; one whose spec has a check can tell what happened.
    """

    def __init__(self, spec: ToolSpec, replies: Iterable[Reply] = (OK,)) -> None:
        self._spec = spec
        self._replies = list(replies) or [OK]
        self.calls: list[tuple[dict[str, Any], str]] = []
        self.effects: list[str] = []

    @property
    def spec(self) -> ToolSpec:
        """What the runtime knows about it."""
        return self._spec

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Give the next reply.

        Raises:
            Exception: the reply is one; the effect took place.
        """
        self.calls.append((arguments, key))
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Failure):
            return reply
        if self._spec.effect is not Effect.READ and not (self._spec.is_idempotent and key in self.effects):
            self.effects.append(key)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """Tell whether the effect of `key` took place; None if the spec has no check."""
        return key in self.effects if self._spec.has_check else None
