"""The models of the arms: one that counts its answers, one that makes no mistake."""

import json
import re
from typing import Any

from bench.recovery_parts.world import FaultyWorld
from nano.language import Reference
from nebulus.core.answers import FinishReason, ModelAnswer, ModelRequest, RawCall, Usage
from nebulus.ports.backend import BackendInfo, ModelBackend, OnText, TokenCount


class Counting:
    """A backend that counts its answers."""

    def __init__(self, inner: ModelBackend) -> None:
        self.inner, self.calls = inner, 0

    async def describe(self) -> BackendInfo:
        """As the inner one."""
        return await self.inner.describe()

    async def count(self, request: ModelRequest) -> TokenCount:
        """As the inner one."""
        return await self.inner.count(request)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """As the inner one, counted."""
        self.calls += 1
        return await self.inner.answer(request, on_text)

    async def close(self) -> None:
        """Leave the inner one open: it is shared."""


class Faultless:
    """A model that makes no mistake: it reads the step and calls what it says, from what it is shown alone.

    What stays wrong with it is the runtime's.
    """

    def __init__(self, world: FaultyWorld) -> None:
        self._world = world

    async def describe(self) -> BackendInfo:
        """Say what it pretends to be."""
        return BackendInfo(name="faultless", model="faultless", window_tokens=4096)

    async def count(self, request: ModelRequest) -> TokenCount:
        """Guess."""
        return TokenCount(500, is_exact=False)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """Call what the step under Now says; a value that does not stand in the prompt can't be known."""
        shown = request.messages[-1].content
        number = int(re.findall(r"^Now: step (\d+)\.", shown, re.MULTILINE)[-1])
        step = self._world.job.steps[number - 1]
        values = {name: self._value(value, shown) for name, value in step.arguments}
        call = RawCall(step.tool, json.dumps(values, ensure_ascii=False))
        return ModelAnswer(calls=(call,), finish=FinishReason.CALLS, usage=Usage(500, 40))

    def _value(self, value: Any, shown: str) -> Any:
        if not isinstance(value, Reference):
            return value
        known = self._world.world.results.get(value.step, {}).get(value.field)
        return known if known is not None and str(known) in shown else "unknown"

    async def close(self) -> None:
        """Nothing is open."""
