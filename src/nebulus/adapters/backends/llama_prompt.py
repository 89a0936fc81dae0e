"""Prompts as llama.cpp's server renders and counts them.

Invariants: the model's own template writes the prompt, and what it leaves out is noticed; tools that it does
not take are written into the system message (`prompted_tools`); it is always told whether the model is to
reason, for servers differ in what they assume (xllamacpp 2026.10: not to).
"""

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nebulus.adapters.backends.chat import decoded
from nebulus.adapters.backends.faults import failure
from nebulus.adapters.backends.forms import PLAIN, PROBE_ARGUMENTS, PROBE_NAME, CallStyle, style_of
from nebulus.adapters.backends.http import HttpClient
from nebulus.adapters.backends.openai_wire import openai_messages, openai_tools
from nebulus.adapters.backends.prompted_tools import calls_as_text, written
from nebulus.adapters.backends.settings import ToolForm
from nebulus.adapters.backends.thinking import switch
from nebulus.adapters.backends.truncation import tools_dropped
from nebulus.core.answers import Message, ModelRequest, RawCall
from nebulus.core.errors import BackendError
from nebulus.core.failure import FailureKind
from nebulus.core.tools import ToolSpec

_MARK = "probe-of-a-turn"
_QUESTION = Message("user", "probe question")
PROBE_TOOL = ToolSpec(
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
        self.tool_form: ToolForm = "template"
        """How tools are put into the prompt."""
        self._takes_calls = True

    async def render(self, request: ModelRequest) -> str:
        """Return the prompt that the model's template makes of `request`.

        Raises:
            BackendError: the template refused, or left out the tools or an instruction.
        """
        asked = written(request, self.tool_form)
        if not self._takes_calls:
            asked = replace(asked, messages=calls_as_text(asked.messages))
        prompt = await self._apply(asked.messages, asked.tools, reasons=request.reasoning_tokens > 0)
        lost = [tool.name for tool in request.tools if tool.name not in prompt]
        if lost:
            raise BackendError(tools_dropped(f"not in the prompt: {', '.join(lost)}"))
        for message in asked.messages:
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

    async def takes_tools(self) -> bool:
        """Return whether the model's template puts tools into a prompt.

        Raises:
            BackendError: the server can't be reached.
        """
        try:
            return PROBE_NAME in await self._apply((_QUESTION,), (PROBE_TOOL,))
        except BackendError as error:
            if error.failure.is_retryable:
                raise
            return False  # The template refuses tools.

    async def count(self, prompt: str) -> int:
        """Return the number of tokens of a rendered prompt, as the server will evaluate it.

        Raises:
            BackendError: the tokenizer did not answer.
        """
        body = _encoder.encode({"content": prompt, "add_special": True, "parse_special": True})
        return len(decoded(_tokens.decode, await self._http.post("/tokenize", body)).tokens)

    async def call_style(self) -> CallStyle:
        """Return how the model's template writes a call, found by letting it write one.

        A template that refuses calls has no form for them; the plain one is used, as where it takes no tools.
        """
        if self.tool_form != "template":
            return PLAIN
        answered = Message("tool", "probe result", call_id="probe00001")
        call = RawCall(PROBE_NAME, msgspec.json.encode(PROBE_ARGUMENTS).decode(), "probe00001")
        with_call = (_QUESTION, Message("assistant", "", (call,)), answered, _QUESTION)
        with_text = (_QUESTION, Message("assistant", _MARK), _QUESTION)
        try:
            return style_of(
                await self._apply(with_call, (PROBE_TOOL,)),
                await self._apply(with_text, (PROBE_TOOL,)),
                _MARK,
            )
        except BackendError:
            self._takes_calls = False
            return PLAIN

    async def _apply(
        self, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...], *, reasons: bool = False
    ) -> str:
        body = {"messages": openai_messages(messages), **switch(reasons)}
        if tools:
            body["tools"] = openai_tools(tools)
        return decoded(_prompt.decode, await self._http.post("/apply-template", _encoder.encode(body))).prompt
