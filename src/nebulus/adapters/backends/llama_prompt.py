"""Prompts as llama.cpp's server renders and counts them.

Laws: the model's own template writes the prompt, and what it left out of it is noticed; it is always told
whether the model is to reason, for what a server takes for granted differs (xllamacpp 2026.10: not to).
"""

import msgspec
from msgspec import Struct

from nebulus.adapters.backends.chat import decoded
from nebulus.adapters.backends.faults import failure
from nebulus.adapters.backends.forms import PLAIN, PROBE_ARGUMENTS, PROBE_NAME, CallStyle, style_of
from nebulus.adapters.backends.http import HttpClient
from nebulus.adapters.backends.openai_wire import spelled_messages, spelled_tools
from nebulus.adapters.backends.silence import tools_dropped
from nebulus.adapters.backends.thinking import switch
from nebulus.core.answers import Message, ModelRequest, RawCall
from nebulus.core.errors import BackendError
from nebulus.core.failure import FailureKind
from nebulus.core.tools import ToolSpec

_MARK = "probe-of-a-turn"
_QUESTION = Message("user", "probe question")
_PROBE_TOOL = ToolSpec(
    name=PROBE_NAME,
    description="probe",
    parameters={"type": "object", "properties": {key: {"type": "string"} for key in PROBE_ARGUMENTS}},
)


class _Prompt(Struct, frozen=True):
    prompt: str


class _Tokens(Struct, frozen=True):
    tokens: list[msgspec.Raw]


_encoder = msgspec.json.Encoder()
_prompt = msgspec.json.Decoder(_Prompt)
_tokens = msgspec.json.Decoder(_Tokens)


class LlamaPrompts:
    """Renders and counts prompts on a llama.cpp server."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def render(self, request: ModelRequest) -> str:
        """Return the prompt that the model's template makes of `request`.

        Raises:
            BackendError: the template refused, or left out the tools or an instruction.
        """
        prompt = await self._apply(request.messages, request.tools, reasons=request.reasoning_tokens > 0)
        lost = [tool.name for tool in request.tools if tool.name not in prompt]
        if lost:
            raise BackendError(tools_dropped(f"not in the prompt: {', '.join(lost)}"))
        for message in request.messages:
            if message.role in ("system", "user") and message.content.strip() not in prompt:
                raise BackendError(
                    failure(
                        FailureKind.PROMPT_CUT,
                        f"the model's chat template leaves out a {message.role} message",
                        fix="start the server with a template that takes this role",
                    )
                )
        return prompt

    async def of_question(self, *, reasons: bool) -> str:
        """Return the prompt of one plain question to a model that is to reason, or not to.

        Raises:
            BackendError: the template refused.
        """
        return await self._apply((_QUESTION,), (), reasons=reasons)

    async def count(self, prompt: str) -> int:
        """Return the number of tokens of a rendered prompt, as the server will evaluate it.

        Raises:
            BackendError: the tokenizer did not answer.
        """
        body = _encoder.encode({"content": prompt, "add_special": True, "parse_special": True})
        return len(decoded(_tokens.decode, await self._http.post("/tokenize", body)).tokens)

    async def call_style(self) -> CallStyle:
        """Return how the model's template spells a call, found by letting it spell one.

        A template that refuses calls has no spelling for them, and gets the plain one.
        """
        answered = Message("tool", "probe result", call_id="probe00001")
        call = RawCall(PROBE_NAME, msgspec.json.encode(PROBE_ARGUMENTS).decode(), "probe00001")
        with_call = (_QUESTION, Message("assistant", "", (call,)), answered, _QUESTION)
        with_text = (_QUESTION, Message("assistant", _MARK), _QUESTION)
        try:
            return style_of(
                await self._apply(with_call, (_PROBE_TOOL,)),
                await self._apply(with_text, (_PROBE_TOOL,)),
                _MARK,
            )
        except BackendError:
            return PLAIN

    async def _apply(
        self, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...], *, reasons: bool = False
    ) -> str:
        body = {"messages": spelled_messages(messages), **switch(reasons)}
        if tools:
            body["tools"] = spelled_tools(tools)
        return decoded(_prompt.decode, await self._http.post("/apply-template", _encoder.encode(body))).prompt
