"""The port for a model server.

Invariants: a backend states its window and counts tokens; what a server does silently (a cut prompt, dropped
tools, ignored structure, a reached token limit) becomes a typed failure or `FinishReason.LENGTH`, never an answer
that looks right. A backend never retries: recovery belongs to the machine.
"""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from nebulus.core.answers import ModelAnswer, ModelRequest


class BackendInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a backend is, as probed: `window_tokens` is the server's own figure.

    `counts_exactly`: it has the model's own tokenizer. `constrains_calls` and `constrains_json`: an
    answer has the requested form by construction. `template_calls`: tools reach the model through the
    model's own chat template. `reasons`: it honours a request's `reasoning_tokens`: the thought is bounded,
    and returned apart from the answer. `leaves_machine`: its prompts go to another machine.
    """

    name: str
    model: str
    window_tokens: int
    counts_exactly: bool = False
    constrains_calls: bool = False
    constrains_json: bool = False
    template_calls: bool = True
    reasons: bool = False
    leaves_machine: bool = False


class TokenCount(Struct, frozen=True):
    """Tokens of a whole prompt, template and tools included. An estimate is never too small on purpose."""

    tokens: int
    is_exact: bool


OnText = Callable[[str], None]


class ModelBackend(Protocol):
    """One model on one server."""

    async def describe(self) -> BackendInfo:
        """Probe the server once and describe it; later calls return the same description.

        Raises:
            BackendError: it can't be reached, or does not serve this model.
        """
        ...

    async def count(self, request: ModelRequest) -> TokenCount:
        """Count the prompt tokens of `request`.

        Raises:
            BackendError: the server's tokenizer did not answer.
        """
        ...

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """Ask once. With `on_text`, stream: it is called with each piece of text as it arrives.

        Raises:
            BackendError: there is no usable answer; its `failure` says why.
        """
        ...

    async def close(self) -> None:
        """Close connections, and stop the server if we started it. May be called twice."""
        ...
