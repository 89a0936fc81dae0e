"""One way from settings to a backend."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from nebulus.adapters.backends.anthropic_messages import API_VERSION, AnthropicMessages
from nebulus.adapters.backends.detected import DetectedServer
from nebulus.adapters.backends.embedded import EmbeddedLlamaCpp
from nebulus.adapters.backends.http import HttpClient
from nebulus.adapters.backends.llama_cpp import LlamaCppServer
from nebulus.adapters.backends.openai_chat import OpenAIChat
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.core.errors import ConfigError
from nebulus.ports.backend import ModelBackend

LEAST_LIMIT_BYTES = 1024
"""Below this, not even a list of models could be read."""


def open_backend(
    settings: BackendSettings, *, locate: Callable[[], Awaitable[Path]] | None = None
) -> ModelBackend:
    """Return a backend that is not connected yet: its first use probes the server.

    `locate` finds or fetches the file of an embedded model, at that first use; without it `path` is the file.

    Raises:
        ConfigError: a setting is missing or can't be meant.
    """
    _check(settings)
    if settings.kind == "embedded":
        return EmbeddedLlamaCpp(settings, locate=locate)
    client = _client(settings)
    match settings.kind:
        case "llama.cpp":
            return LlamaCppServer(settings, client)
        case "auto":
            return DetectedServer(settings, client)
        case "openai":
            return OpenAIChat(settings, client)
        case "anthropic":
            return AnthropicMessages(settings, client)


def _check(settings: BackendSettings) -> None:
    if settings.kind == "embedded":
        if not settings.path:
            raise ConfigError('kind "embedded" needs path, the path of a GGUF file')
    elif not settings.url:
        raise ConfigError(
            f'kind "{settings.kind}" needs url, the address of the server, such as http://127.0.0.1:8080'
        )
    least = {"window_tokens": 0, "reasoning_tokens": 0, "threads": 0, "slots": 1}
    for name, smallest in least.items():
        if getattr(settings, name) < smallest:
            raise ConfigError(f"{name}={getattr(settings, name)}: give a whole number, at least {smallest}")
    for name in ("max_answer_bytes", "max_error_bytes", "max_line_bytes"):
        if getattr(settings.answer_limits, name) < LEAST_LIMIT_BYTES:
            raise ConfigError(
                f"answer_limits.{name}={getattr(settings.answer_limits, name)}: give a number of bytes, "
                f"at least {LEAST_LIMIT_BYTES}"
            )
    if settings.timeout_s <= 0 or settings.connect_timeout_s <= 0 or settings.start_timeout_s <= 0:
        raise ConfigError("timeout_s, connect_timeout_s and start_timeout_s must be greater than 0 seconds")


def _client(settings: BackendSettings) -> HttpClient:
    return HttpClient(
        settings.url,
        headers=_headers(settings),
        timeout_s=settings.timeout_s,
        connect_timeout_s=settings.connect_timeout_s,
        limits=settings.answer_limits,
    )


def _headers(settings: BackendSettings) -> dict[str, str]:
    headers = {"anthropic-version": API_VERSION} if settings.kind == "anthropic" else {}
    if not settings.api_key_env:
        return headers
    key = os.environ.get(settings.api_key_env, "")
    if not key:
        raise ConfigError(f"api_key_env names {settings.api_key_env}, which is not set in the environment")
    named = {"x-api-key": key} if settings.kind == "anthropic" else {"Authorization": f"Bearer {key}"}
    return headers | named
