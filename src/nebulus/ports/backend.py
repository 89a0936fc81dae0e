"""The socket for a model server.

Laws: a backend states its window and counts tokens; what a server does in silence (a cut prompt,
dropped tools, ignored structure, a hit cap) comes back as a typed failure or as `FinishReason.LENGTH`,
never as an answer that looks right. No retries inside: recovery belongs to the machine.
"""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from nebulus.core.answers import ModelAnswer, ModelRequest


class BackendInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a backend is, as probed: `window_tokens` is the server's own figure.

    `counts_exactly`: it has the model's own tokenizer. `constrains_calls` and `constrains_json`: an
    answer has the asked form by construction. `template_calls`: tools reach the model through the
    model's own chat template. `reasons`: a request's `reasoning_tokens` are carried out: the thought comes
    back apart from the answer, and bounded.
    """

    name: str
    model: str
    window_tokens: int
    counts_exactly: bool = False
    constrains_calls: bool = False
    constrains_json: bool = False
    template_calls: bool = True
    reasons: bool = False


class TokenCount(Struct, frozen=True):
    """Tokens of a whole prompt, template and tools included. An estimate is never too small on purpose."""

    tokens: int
    is_exact: bool


OnText = Callable[[str], None]


class ModelBackend(Protocol):
    """One model on one server."""

    async def describe(self) -> BackendInfo:
        """Probe the server once and say what it is; later calls answer from memory.

        Raises:
            BackendError: it can't be reached, or does not serve this model.
        """
        ...

    async def count(self, request: ModelRequest) -> TokenCount:
        """Count the tokens that `request` would put before the model.

        Raises:
            BackendError: the server's tokenizer did not answer.
        """
        ...

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """Ask once. With `on_text`, stream: each piece of text is handed over as it comes.

        Raises:
            BackendError: no answer that may be used; its `failure` says of which kind.
        """
        ...

    async def close(self) -> None:
        """Let go of connections, and of the server if we started it. May be called twice."""
        ...
