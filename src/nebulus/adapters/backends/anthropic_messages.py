"""Any server that speaks Anthropic's /v1/messages."""

import msgspec

from nebulus.adapters.backends.anthropic_wire import AnthropicWire
from nebulus.adapters.backends.chat import ChatBackend, decoded
from nebulus.adapters.backends.estimate import estimate
from nebulus.adapters.backends.http import HttpClient
from nebulus.adapters.backends.probe import Flavour, probe
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.adapters.backends.window import agreed_window
from nebulus.adapters.backends.wire import ChatWire
from nebulus.core.answers import ModelRequest
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.failure import FailureKind
from nebulus.ports.backend import BackendInfo, TokenCount

API_VERSION = "2023-06-01"
"""Source: Anthropic API reference, versioning."""

LEAST_THINKING_TOKENS = 1024
"""Source: Anthropic API reference, extended thinking, `budget_tokens`."""


class AnthropicMessages(ChatBackend):
    """One model behind /v1/messages."""

    def __init__(self, settings: BackendSettings, http: HttpClient) -> None:
        super().__init__(settings, http)
        self._wire = AnthropicWire(settings.model)
        self._has_counter = True

    async def _connect(self) -> tuple[ChatWire, BackendInfo]:
        facts = await probe(self._http)
        served = facts.model(self._settings.model)
        if facts.flavour is Flavour.OLLAMA:
            raise ConfigError('Ollama can\'t be told its window over /v1/messages: use kind "openai"')
        self._wire = AnthropicWire(served.name)
        self._require_thinking_room(facts.flavour)
        window = agreed_window(self._settings.window_tokens, served.window_tokens, model=served.name)
        name = "Anthropic" if facts.flavour is Flavour.OTHER else facts.flavour.value
        return self._wire, BackendInfo(
            name=name,
            model=served.name,
            window_tokens=window,
            leaves_machine=self._settings.leaves_machine,
        )

    def _require_thinking_room(self, flavour: Flavour) -> None:
        tokens = self._settings.reasoning_tokens
        if tokens and flavour is not Flavour.OTHER:
            native = "llama.cpp+" if flavour is Flavour.LLAMA_CPP else ""
            raise ConfigError(
                f"reasoning_tokens={tokens}: {flavour.value} bounds no thought over /v1/messages",
                fix=f"use {native}{self._http.root}",
            )
        if 0 < tokens < LEAST_THINKING_TOKENS:
            raise ConfigError(
                f"reasoning_tokens={tokens} is less than the {LEAST_THINKING_TOKENS} that Anthropic takes",
                fix="give 0 or more than that",
            )

    async def _count(self, request: ModelRequest) -> TokenCount:
        """The server's own counter; an estimate where it has none.

        Its figure is an estimate by its own documentation, and is never used to convict.
        """
        if self._has_counter:
            try:
                raw = await self._http.post(self._wire.count_path, self._wire.count_body(request))
                return TokenCount(decoded(_tokens_of, raw), is_exact=False)
            except BackendError as error:
                if error.failure.kind is not FailureKind.NOT_FOUND:
                    raise
                self._has_counter = False
        return estimate(request)


class _Counted(msgspec.Struct, frozen=True):
    input_tokens: int


def _tokens_of(raw: bytes) -> int:
    return msgspec.json.decode(raw, type=_Counted).input_tokens
