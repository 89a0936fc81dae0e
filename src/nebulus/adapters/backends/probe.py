"""What a server is, which models it serves, and in which window: asked of the server, never assumed.

Invariant: a window that the server does not tell is 0, and then the settings must say it.
"""

import asyncio
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from nebulus.adapters.backends.faults import failure, malformed
from nebulus.adapters.backends.http import HttpClient
from nebulus.core.errors import BackendError
from nebulus.core.failure import FailureKind
from nebulus.core.unreadable import UNREADABLE

OLLAMA_WINDOW_TOKENS = 8192
"""Asked of Ollama where neither settings nor model say: twice its own default, which cuts without saying so.

Source: Ollama's documentation, context length: 4,096 below 24 GiB of graphics memory.
"""


class Flavour(StrEnum):
    """Servers that are told apart."""

    LLAMA_CPP = "llama.cpp"
    OLLAMA = "Ollama"
    VLLM = "vLLM"
    LM_STUDIO = "LM Studio"
    OTHER = "OpenAI-compatible"


class ServedModel(Struct, frozen=True, omit_defaults=True):
    """One model; `window_tokens` 0 if the server does not tell. `aliases` are other names that it takes.

    `reasons`: the server says that it can. `takes_tools`: its chat template does, as far as the server tells.
    """

    name: str
    window_tokens: int = 0
    aliases: tuple[str, ...] = ()
    reasons: bool = False
    takes_tools: bool = True


class ServerFacts(Struct, frozen=True):
    """A server as probed; `template` is the chat template that llama.cpp's server tells."""

    flavour: Flavour
    models: tuple[ServedModel, ...]
    template: str = ""

    def model(self, wanted: str) -> ServedModel:
        """Return the model that is meant by `wanted`, the only one for "".

        Raises:
            BackendError: no such model is served, or "" leaves a choice.
        """
        if not wanted and len(self.models) == 1:
            return self.models[0]
        for served in self.models:
            if wanted and wanted in (served.name, *served.aliases):
                return served
        names = ", ".join(served.name for served in self.models[:8]) or "none"
        what = f"the server has no model {wanted!r}" if wanted else "the server has several models"
        raise BackendError(
            failure(FailureKind.NOT_FOUND, what, value=f"it serves: {names}", fix="name one of these")
        )


async def probe(http: HttpClient) -> ServerFacts:
    """Ask a server what it is.

    Raises:
        BackendError: it can't be reached, or it serves no list of models.
    """
    models, props, version, studio = await asyncio.gather(
        http.get("/v1/models"),
        _object(http, "/props"),
        _object(http, "/api/version"),
        _object(http, "/api/v0/models"),
        return_exceptions=True,
    )
    if isinstance(models, BaseException):
        raise models
    listed = _listed(models)
    if isinstance(props, dict) and _is_llama_cpp(props):
        window = int(props["default_generation_settings"].get("n_ctx", 0))
        served = tuple(_llama_model(entry, window) for entry in listed)
        return ServerFacts(Flavour.LLAMA_CPP, served, str(props.get("chat_template", "")))
    if isinstance(version, dict) and "version" in version:
        names = [entry["id"] for entry in listed]
        return ServerFacts(
            Flavour.OLLAMA, tuple(await asyncio.gather(*(_ollama_model(http, n) for n in names)))
        )
    if isinstance(studio, dict) and isinstance(studio.get("data"), list):
        return ServerFacts(Flavour.LM_STUDIO, tuple(map(_studio_model, studio["data"])))
    flavour = Flavour.VLLM if any("max_model_len" in entry for entry in listed) else Flavour.OTHER
    return ServerFacts(
        flavour, tuple(ServedModel(entry["id"], int(entry.get("max_model_len") or 0)) for entry in listed)
    )


async def is_llama_cpp(http: HttpClient) -> bool:
    """Return whether a llama.cpp server answers.

    Raises:
        BackendError: nothing answers.
    """
    try:
        return _is_llama_cpp(msgspec.json.decode(await http.get("/props")))
    except UNREADABLE:
        return False
    except BackendError as error:
        if error.failure.is_retryable:
            raise
        return False


def _is_llama_cpp(props: Any) -> bool:
    return isinstance(props, dict) and "default_generation_settings" in props


def _listed(raw: bytes) -> list[dict[str, Any]]:
    try:
        parsed = msgspec.json.decode(raw)
        entries = parsed["data"] or []
        return [entry for entry in entries if isinstance(entry["id"], str)]
    except (*UNREADABLE, TypeError, KeyError) as error:
        raise BackendError(malformed("/v1/models did not return a list of models", raw)) from error


async def _object(http: HttpClient, path: str, body: bytes | None = None) -> dict[str, Any]:
    """Return the JSON object at a path that only some servers have, {} from the others."""
    try:
        raw = await (http.get(path) if body is None else http.post(path, body))
        parsed = msgspec.json.decode(raw)
    except (*UNREADABLE, BackendError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _llama_model(entry: dict[str, Any], window_tokens: int) -> ServedModel:
    """llama.cpp names a model by its path; its file name will do, with or without the ending."""
    name = str(entry["id"])
    file = name.rsplit("/", 1)[-1]
    return ServedModel(
        name, window_tokens, (*map(str, entry.get("aliases", ())), file, file.removesuffix(".gguf"))
    )


def _studio_model(entry: dict[str, Any]) -> ServedModel:
    window = entry.get("loaded_context_length") or entry.get("max_context_length") or 0
    return ServedModel(str(entry.get("id", "")), int(window))


async def _ollama_model(http: HttpClient, name: str) -> ServedModel:
    """The window that the model's own file asks for, else ours, never more than it was trained with."""
    shown = await _object(http, "/api/show", msgspec.json.encode({"model": name}))
    lines = (line.split() for line in str(shown.get("parameters", "")).splitlines())
    asked = next(
        (int(line[1]) for line in lines if len(line) == 2 and line[0] == "num_ctx" and line[1].isdigit()), 0
    )
    facts = shown.get("model_info") or {}
    trained = next((int(value) for key, value in facts.items() if key.endswith(".context_length")), 0)
    window = asked or min(OLLAMA_WINDOW_TOKENS, trained or OLLAMA_WINDOW_TOKENS)
    abilities = shown.get("capabilities") or ()
    return ServedModel(
        name,
        window,
        (name.removesuffix(":latest"),),
        reasons="thinking" in abilities,
        takes_tools="tools" in abilities or not abilities,
    )
