"""The backends that the contract is held against: the fake, each adapter on a scripted server, each on a real one."""

import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import nebulus
from nebulus.adapters.backends.embedded import EmbeddedLlamaCpp
from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendKind, BackendSettings
from nebulus.core.answers import Message, ModelRequest, OneCall
from nebulus.core.tools import ToolSpec
from nebulus.ports.backend import ModelBackend
from nebulus.testing.backends import ScriptedBackend
from nebulus.testing.server import Flavour, ScriptedServer

Opened: TypeAlias = AbstractAsyncContextManager[ModelBackend]

NANO = Path(nebulus.__file__).parent / "data" / "nano.gguf"

READ_FILE = ToolSpec(
    name="read_file",
    description="Read a file of the workspace.",
    parameters={
        "type": "object",
        "properties": {"path": {"type": "string", "maxLength": 12}},
        "required": ["path"],
    },
)
ADD_LABELS = ToolSpec(
    name="add_labels",
    description="Put labels on a ticket.",
    parameters={
        "type": "object",
        "properties": {
            "ticket": {"type": "integer", "minimum": 1, "maximum": 99},
            "labels": {
                "type": "array",
                "items": {"enum": ["bug", "docs"]},
                "maxItems": 2,
                "uniqueItems": True,
            },
        },
        "required": ["ticket", "labels"],
    },
)
TOOLS = (READ_FILE, ADD_LABELS)
MESSAGES = (Message("system", "You are an agent."), Message("user", "Please read the file notes.txt."))


def one_call(tool: str = "", *, max_tokens: int = 200) -> ModelRequest:
    """A request for exactly one call."""
    return ModelRequest(messages=MESSAGES, tools=TOOLS, form=OneCall(tool), max_tokens=max_tokens)


def missing(name: str) -> str:
    """Why a case can't run here, "" if it can."""
    if not name.startswith("real"):
        return ""
    if importlib.util.find_spec("xllamacpp") is None:
        return "xllamacpp is not installed: pip install 'nebulus[local]'"
    return "" if NANO.exists() else f"no model at {NANO}"


@asynccontextmanager
async def scripted_backend() -> AsyncIterator[ModelBackend]:
    """The fake."""
    yield ScriptedBackend()


def on_script(kind: BackendKind, flavour: Flavour, *, has_tools: bool = True) -> Callable[[], Opened]:
    """An adapter on a scripted server, whose template takes tools or does not."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[ModelBackend]:
        async with ScriptedServer(flavour=flavour, has_tools=has_tools) as server:
            backend = open_backend(BackendSettings(kind=kind, url=server.url, window_tokens=4096))
            try:
                yield backend
            finally:
                await backend.close()

    return opened


def on_llama(kind: BackendKind) -> Callable[[], Opened]:
    """An adapter on llama.cpp's own server with the nano model."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[ModelBackend]:
        async with llama_server() as url:
            backend = open_backend(BackendSettings(kind=kind, url=url))
            try:
                yield backend
            finally:
                await backend.close()

    return opened


@asynccontextmanager
async def embedded() -> AsyncIterator[ModelBackend]:
    """llama.cpp's server, started by ourselves."""
    backend = EmbeddedLlamaCpp(BackendSettings(kind="embedded", path=str(NANO)))
    try:
        yield backend
    finally:
        await backend.close()


@asynccontextmanager
async def llama_server(*, slots: int = 1) -> AsyncIterator[str]:
    """The address of a real llama.cpp server that is somebody else's, as far as the adapter can tell."""
    owner = EmbeddedLlamaCpp(BackendSettings(kind="embedded", path=str(NANO), slots=slots))
    try:
        await owner.describe()
        assert owner.url
        yield owner.url
    finally:
        await owner.close()


CASES: dict[str, Callable[[], Opened]] = {
    "fake": scripted_backend,
    "llama.cpp on a script": on_script("llama.cpp", "llama.cpp"),
    "openai on a script": on_script("openai", "openai"),
    "openai on a scripted llama.cpp": on_script("openai", "llama.cpp"),
    "openai on a scripted Ollama": on_script("openai", "ollama"),
    "openai on a scripted vLLM": on_script("openai", "vllm"),
    "openai on a scripted LM Studio": on_script("openai", "lmstudio"),
    "auto on a scripted llama.cpp": on_script("auto", "llama.cpp"),
    "llama.cpp, a template without tools": on_script("llama.cpp", "llama.cpp", has_tools=False),
    "openai on llama.cpp, a template without tools": on_script("openai", "llama.cpp", has_tools=False),
    "Ollama, a template without tools": on_script("openai", "ollama", has_tools=False),
    "vLLM, a template without tools": on_script("openai", "vllm", has_tools=False),
    "anthropic on a script": on_script("anthropic", "openai"),
    "real: embedded": embedded,
    "real: llama.cpp": on_llama("llama.cpp"),
    "real: openai": on_llama("openai"),
    "real: anthropic": on_llama("anthropic"),
}
