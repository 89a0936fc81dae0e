"""A model on one server for a whole measurement, and what each run of it cost."""

import asyncio

from msgspec import Struct

from nebulus.adapters.backends.faults import failure
from nebulus.adapters.backends.settings import ToolForm
from nebulus.app import bootstrap
from nebulus.app.settings import TierSettings
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.errors import BackendError
from nebulus.core.failure import FailureKind
from nebulus.ports.backend import BackendInfo, ModelBackend, OnText, TokenCount


class Cost(Struct):
    """Answers that were asked for, and tokens; `evaluated` prompt tokens were not cached, as the server says."""

    answers: int = 0
    prompt_tokens: int = 0
    evaluated_tokens: int = 0
    answer_tokens: int = 0


class MeteredBackend:
    """Counts what a run costs, and can be told to answer nothing more; the inner backend stays open."""

    def __init__(self, inner: ModelBackend) -> None:
        self._inner = inner
        self._asking: asyncio.Future[ModelAnswer] | None = None
        self._is_over = False
        self.cost = Cost()

    async def describe(self) -> BackendInfo:
        """As the inner one."""
        return await self._inner.describe()

    async def count(self, request: ModelRequest) -> TokenCount:
        """As the inner one."""
        return await self._inner.count(request)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """As the inner one, counted.

        Raises:
            BackendError: as the inner one; or the run's limit is reached.
        """
        if self._is_over:
            raise _over()
        self.cost.answers += 1
        self._asking = asyncio.ensure_future(self._inner.answer(request, on_text))
        try:
            answer = await self._asking
        except asyncio.CancelledError:
            if self._is_stopped() and not _is_cancelled():
                raise _over() from None
            self._asking.cancel()
            raise
        finally:
            self._asking = None
        used = answer.usage
        self.cost.prompt_tokens += used.prompt_tokens
        self.cost.evaluated_tokens += used.prompt_tokens - used.cached_tokens
        self.cost.answer_tokens += used.completion_tokens
        return answer

    def _is_stopped(self) -> bool:
        return self._is_over

    def stop(self) -> None:
        """Give up the answer under way, and answer nothing more."""
        self._is_over = True
        if self._asking is not None:
            self._asking.cancel()

    async def close(self) -> None:
        """Leave the inner one open: it is shared."""


def _over() -> BackendError:
    return BackendError(failure(FailureKind.PERMANENT, "the measurement's limit is reached"))


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def open_model(model: str, tool_form: ToolForm = "auto") -> ModelBackend:
    """Return the backend that a user gets for `model` with this `tool_form`; its server starts at the first use.

    Raises:
        ConfigError: `model` does not name one.
    """
    return bootstrap.backend(TierSettings(model=model, tool_form=tool_form).backend())
