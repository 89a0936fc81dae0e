"""Any OpenAI-compatible server by URL; those that are recognised are spoken to by their own truth.

What each promises, and the source of it:

    llama.cpp   schemas in the answer are enforced; tool_choice is not (measured); exact counts
    Ollama      its own route, since only there the window can be set; `format` enforces one call
    vLLM        required and named tool_choice are enforced by guided decoding (its documentation)
    LM Studio   schemas are enforced (its documentation); tool_choice is not promised
    others      nothing is taken for granted; every form is looked at afterwards
"""

import msgspec

from nebulus.adapters.backends.chat import ChatBackend, decoded
from nebulus.adapters.backends.estimate import estimate
from nebulus.adapters.backends.http import HttpClient
from nebulus.adapters.backends.llama_prompt import LlamaPrompts
from nebulus.adapters.backends.ollama_wire import OllamaWire
from nebulus.adapters.backends.openai_wire import OpenAIWire, spelled_messages, spelled_tools
from nebulus.adapters.backends.probe import Flavour, ServerFacts, probe
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.adapters.backends.window import agreed_window
from nebulus.adapters.backends.wire import ChatWire
from nebulus.core.answers import ModelRequest
from nebulus.ports.backend import BackendInfo, TokenCount

_CONSTRAINS_CALLS = frozenset({Flavour.OLLAMA, Flavour.VLLM})
_CONSTRAINS_JSON = frozenset({Flavour.LLAMA_CPP, Flavour.OLLAMA, Flavour.VLLM, Flavour.LM_STUDIO})


class OpenAIChat(ChatBackend):
    """One model of an OpenAI-compatible server."""

    def __init__(self, settings: BackendSettings, http: HttpClient) -> None:
        super().__init__(http)
        self._settings = settings
        self._flavour = Flavour.OTHER
        self._model = settings.model

    async def _connect(self) -> tuple[ChatWire, BackendInfo]:
        facts = await probe(self._http)
        served = facts.model(self._settings.model)
        window = self._window(facts, served.window_tokens)
        self._flavour, self._model = facts.flavour, served.name
        is_ollama = facts.flavour is Flavour.OLLAMA
        wire: ChatWire = OllamaWire(served.name, window) if is_ollama else OpenAIWire(served.name)
        return wire, BackendInfo(
            name=facts.flavour.value,
            model=served.name,
            window_tokens=window,
            counts_exactly=facts.flavour in (Flavour.LLAMA_CPP, Flavour.VLLM),
            constrains_calls=facts.flavour in _CONSTRAINS_CALLS,
            constrains_json=facts.flavour in _CONSTRAINS_JSON,
        )

    def _window(self, facts: ServerFacts, served_tokens: int) -> int:
        """Ollama takes the window that it is told; all others were started with theirs."""
        asked = self._settings.window_tokens
        if facts.flavour is Flavour.OLLAMA and asked:
            return asked
        return agreed_window(asked, served_tokens, model=self._settings.model or "the model")

    async def _count(self, request: ModelRequest) -> TokenCount:
        match self._flavour:
            case Flavour.LLAMA_CPP:
                prompts = LlamaPrompts(self._http)
                return TokenCount(await prompts.count(await prompts.render(request)), is_exact=True)
            case Flavour.VLLM:
                return await self._vllm_count(request)
            case _:
                return estimate(request)

    async def _vllm_count(self, request: ModelRequest) -> TokenCount:
        """Source: vLLM's tokenizer API, POST /tokenize with messages and tools."""
        body = {
            "model": self._model,
            "messages": spelled_messages(request.messages),
            "tools": spelled_tools(request.tools) or None,
            "add_generation_prompt": True,
        }
        raw = await self._http.post("/tokenize", msgspec.json.encode(body))
        return TokenCount(decoded(_count_of, raw), is_exact=True)


class _Counted(msgspec.Struct, frozen=True):
    count: int


def _count_of(raw: bytes) -> int:
    return msgspec.json.decode(raw, type=_Counted).count
