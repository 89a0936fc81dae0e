"""Any OpenAI-compatible server by URL; those that are recognised are used in the way that loses least.

What each promises, and the source of it:

    llama.cpp   schemas in the answer are enforced; tool_choice is not (measured); exact counts
    Ollama      its own route, since only there the window can be set; `format` enforces one call
    vLLM        required and named tool_choice are enforced by guided decoding (its documentation)
    LM Studio   schemas are enforced (its documentation); tool_choice is not promised
    others      nothing is taken for granted; every form is looked at afterwards

How each is told to reason, or not to:

    llama.cpp   not to, by the template's switch; on its own route (`llama_cpp`) a thought is bounded exactly
    Ollama      `think`; a format binds the answer behind the thought (its source, chat)
    vLLM        the template's switch and `thinking_token_budget`, which it refuses without a reasoning parser
    LM Studio   `reasoning_effort`, as all others; without it each does as it is set up
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from nebulus.adapters.backends.chat import PROBE, PROBE_SCHEMA, ChatBackend, ask, decoded
from nebulus.adapters.backends.estimate import estimate
from nebulus.adapters.backends.forms import shape_failure
from nebulus.adapters.backends.http import HttpClient
from nebulus.adapters.backends.llama_prompt import PROBE_TOOL, LlamaPrompts
from nebulus.adapters.backends.ollama_wire import OllamaWire
from nebulus.adapters.backends.openai_wire import OpenAIWire, openai_messages, openai_tools
from nebulus.adapters.backends.probe import Flavour, ServedModel, ServerFacts, probe
from nebulus.adapters.backends.prompted_tools import tool_form_of
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.adapters.backends.thinking import opened_by, switch
from nebulus.adapters.backends.window import agreed_window
from nebulus.adapters.backends.wire import ChatWire
from nebulus.core.answers import Message, ModelRequest
from nebulus.core.errors import BackendError, ConfigError
from nebulus.ports.backend import BackendInfo, TokenCount

_CONSTRAINS_CALLS = frozenset({Flavour.OLLAMA, Flavour.VLLM})
_CONSTRAINS_JSON = frozenset({Flavour.LLAMA_CPP, Flavour.OLLAMA, Flavour.VLLM, Flavour.LM_STUDIO})


class OpenAIChat(ChatBackend):
    """One model of an OpenAI-compatible server."""

    def __init__(self, settings: BackendSettings, http: HttpClient) -> None:
        super().__init__(settings, http)
        self._flavour = Flavour.OTHER
        self._model = settings.model
        self._wire = OpenAIWire(settings.model)

    async def _connect(self) -> tuple[ChatWire, BackendInfo]:
        facts = await probe(self._http)
        served = facts.model(self._settings.model)
        window = self._window(facts, served.window_tokens)
        self._flavour, self._model = facts.flavour, served.name
        takes_tools = await self._takes_tools(served)
        self._tool_form = tool_form_of(self._settings, takes_tools=takes_tools)
        constrains_json = facts.flavour in _CONSTRAINS_JSON
        is_prompted = self._tool_form != "template"
        info = BackendInfo(
            name=facts.flavour.value,
            model=served.name,
            window_tokens=window,
            counts_exactly=facts.flavour in (Flavour.LLAMA_CPP, Flavour.VLLM),
            constrains_calls=constrains_json if is_prompted else facts.flavour in _CONSTRAINS_CALLS,
            constrains_json=constrains_json,
            template_calls=takes_tools,
            leaves_machine=replace(self._settings, model=served.name).leaves_machine,
        )
        if facts.flavour is not Flavour.OLLAMA:
            self._wire = OpenAIWire(served.name, facts.flavour, has_switch=await self._has_switch())
            return self._wire, info
        ollama = OllamaWire(served.name, window, reasons=served.reasons)
        if served.reasons and not await self._obeys_unthinking(ollama):
            info = replace(info, constrains_calls=False, constrains_json=False)
        return ollama, info

    async def _takes_tools(self, served: ServedModel) -> bool:
        """Whether the model's template puts tools into a prompt; true where the server does not tell."""
        match self._flavour:
            case Flavour.LLAMA_CPP:
                return await LlamaPrompts(self._http).takes_tools()
            case Flavour.VLLM:
                prompt = await self._vllm_prompt(replace(_QUESTION, tools=(PROBE_TOOL,)), {})
                return not prompt or PROBE_TOOL.name in prompt
            case _:
                return served.takes_tools

    async def _has_switch(self) -> bool:
        """Look at the ends of two prompts: whether the model's template can be told not to reason.

        Raises:
            ConfigError: it reasons whatever it is told, or shall reason where no thought is bounded.
        """
        tokens, is_llama = self._settings.reasoning_tokens, self._flavour is Flavour.LLAMA_CPP
        native = f"use llama.cpp+{self._http.root}"
        if tokens and is_llama:
            raise ConfigError(
                f"reasoning_tokens={tokens}: llama.cpp bounds no thought on this route", fix=f"{native}"
            )
        told, told_not = await self._prompt_end(reasons=True), await self._prompt_end(reasons=False)
        if not tokens and opened_by(told_not) is not None:
            raise ConfigError(
                f"the chat template of {self._model} opens a thought whatever it is told",
                fix=f"{native if is_llama else 'set reasoning_tokens to the most that it may take'}",
            )
        return told != told_not

    async def _prompt_end(self, *, reasons: bool) -> str:
        """Return the end of a prompt, "" where the server does not tell or refuses the switch."""
        try:
            match self._flavour:
                case Flavour.LLAMA_CPP:
                    return await LlamaPrompts(self._http).of_question(reasons=reasons)
                case Flavour.VLLM:
                    return await self._vllm_prompt(_QUESTION, switch(reasons))
                case _:
                    return ""
        except BackendError:
            return ""

    async def _vllm_prompt(self, request: ModelRequest, told: dict[str, Any]) -> str:
        """Return a prompt as vLLM renders it, "" where it refuses or does not tell."""
        body = {**self._told(request, told), "return_token_strs": True}
        try:
            tokens = decoded(_tokens.decode, await self._http.post("/tokenize", _encoder.encode(body)))
        except BackendError:
            return ""
        return "".join(tokens.token_strs).replace(_NEW_LINE, "\n")

    async def _obeys_unthinking(self, wire: ChatWire) -> bool:
        """Whether a form binds a model that could reason and is told not to: some versions drop it then.

        Source: ollama/ollama#14645.
        """
        if self._settings.reasoning_tokens:
            return True  # it will reason, and the form binds what comes after
        answer = await ask(self._http, wire, PROBE, on_text=None)
        return shape_failure(answer.text, PROBE_SCHEMA) is None

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
        told = self._wire.reasoning(request.reasoning_tokens)
        raw = await self._http.post("/tokenize", _encoder.encode(self._told(request, told)))
        return TokenCount(decoded(_tokens.decode, raw).count, is_exact=True)

    def _told(self, request: ModelRequest, told: dict[str, Any]) -> dict[str, Any]:
        return {
            "model": self._model,
            "messages": openai_messages(request.messages),
            "tools": openai_tools(request.tools) or None,
            "add_generation_prompt": True,
            **told,
        }


class _Tokens(msgspec.Struct, frozen=True):
    count: int
    token_strs: list[str] = []


_QUESTION = ModelRequest(messages=(Message("user", "probe question"),))
_NEW_LINE = "\u010a"
"""How byte-level vocabularies write a line end."""

_encoder = msgspec.json.Encoder()
_tokens = msgspec.json.Decoder(_Tokens)
