"""OpenAI's chat completions, as its many imitators speak it.

Source: OpenAI API reference, chat completions; what servers really send was recorded from llama.cpp.
"""

from typing import Any

import msgspec
from msgspec import Struct

from nebulus.adapters.backends.call_merge import CallMerger
from nebulus.adapters.backends.probe import Flavour
from nebulus.adapters.backends.schema_subset import Reduced, reduce
from nebulus.adapters.backends.thinking import switch
from nebulus.adapters.backends.wire import as_text, broken_off, finish_of, raise_if_error
from nebulus.core.answers import FreeForm, Message, ModelAnswer, ModelRequest, OneCall, RawCall, Shape, Usage
from nebulus.core.tools import ToolSpec
from nebulus.ports.backend import OnText

EFFORT = "low"
"""Asked of servers that take an effort and no number of tokens; the number caps thought and answer together."""

_NO_TEXT = msgspec.Raw(b'""')


class _Function(Struct, frozen=True):
    name: str | None = None
    arguments: msgspec.Raw = _NO_TEXT


class _ToolCall(Struct, frozen=True):
    function: _Function = _Function()
    id: str | None = None
    index: int | None = None


class _Content(Struct, frozen=True):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(Struct, frozen=True):
    message: _Content = _Content()
    delta: _Content = _Content()
    finish_reason: str | None = None


class _Details(Struct, frozen=True):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


_NOTHING = _Details()


class _Usage(Struct, frozen=True):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Completion(Struct, frozen=True):
    choices: list[_Choice]
    model: str = ""
    usage: _Usage | None = None


class _Chunk(Struct, frozen=True):
    choices: list[_Choice] = []
    model: str = ""
    usage: _Usage | None = None
    error: Any = None


_encoder = msgspec.json.Encoder()
_completion = msgspec.json.Decoder(_Completion)
_chunk = msgspec.json.Decoder(_Chunk)


class OpenAIWire:
    """Writes and reads /v1/chat/completions for one model."""

    path = "/v1/chat/completions"
    is_bare = False

    def __init__(self, model: str, flavour: Flavour = Flavour.OTHER, *, has_switch: bool = False) -> None:
        self._model = model
        self._flavour = flavour
        self._has_switch = has_switch

    def body(self, request: ModelRequest, *, is_stream: bool) -> bytes:
        """Write a request as JSON; a schema is sent as far as servers enforce it."""
        body: dict[str, Any] = {
            "model": self._model,
            "messages": openai_messages(request.messages),
            "max_tokens": request.most_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            **self.reasoning(request.reasoning_tokens),
        }
        if request.reasoning_tokens and self._flavour is Flavour.OTHER:
            body["max_completion_tokens"] = body.pop("max_tokens")
            del body["temperature"]  # OpenAI's models that reason refuse both
        if request.tools:
            body["tools"] = openai_tools(request.tools)
        match request.form:
            case OneCall(tool):
                choice: Any = {"type": "function", "function": {"name": tool}} if tool else "required"
                body |= {"tool_choice": choice, "parallel_tool_calls": False}
            case Shape(schema):
                named = {"name": "answer", "strict": True, "schema": reduce(schema).schema}
                body["response_format"] = {"type": "json_schema", "json_schema": named}
                if request.tools:
                    body["tool_choice"] = "none"
            case FreeForm():
                pass
        if is_stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return _encoder.encode(body)

    def sent(self, request: ModelRequest) -> Reduced | None:
        """A shape's; a tool goes along whole."""
        return reduce(request.form.schema) if isinstance(request.form, Shape) else None

    def reasoning(self, tokens: int) -> dict[str, Any]:
        """Return what tells the server whether its model is to reason, and how long where that can be told.

        A template without a switch gets none, for vLLM refuses the field for some. Source: vLLM's
        documentation, reasoning outputs; OpenAI API reference, `reasoning_effort`.
        """
        budget = {"thinking_token_budget": tokens} if tokens and self._flavour is Flavour.VLLM else {}
        if self._has_switch:
            return switch(tokens > 0) | budget
        return budget or ({"reasoning_effort": EFFORT} if tokens else {})

    def read(self, raw: bytes) -> ModelAnswer:
        """Read an answer.

        Raises:
            msgspec.MsgspecError: it is not a chat completion, or it has no choice.
        """
        completion = _completion.decode(raw)
        if not completion.choices:
            raise msgspec.ValidationError("Expected at least one choice")
        choice = completion.choices[0]
        message = choice.message
        calls = tuple(
            RawCall(call.function.name or "", as_text(call.function.arguments), call.id or "")
            for call in message.tool_calls or ()
        )
        return ModelAnswer(
            text=message.content or "",
            reasoning=message.reasoning_content or message.reasoning or "",
            calls=calls,
            finish=finish_of(choice.finish_reason, calls),
            usage=_usage(completion.usage),
            model=completion.model or self._model,
        )

    def reader(self, on_text: OnText) -> "OpenAIStream":
        """Begin to read a stream."""
        return OpenAIStream(self._model, on_text)


class OpenAIStream:
    """Collects the chunks of one chat completion."""

    def __init__(self, model: str, on_text: OnText) -> None:
        self._model = model
        self._on_text = on_text
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls = CallMerger()
        self._finish: str | None = None
        self._usage: _Usage | None = None

    def feed(self, payload: bytes) -> None:
        """Take one chunk.

        Raises:
            BackendError: it is an error of the server's.
            msgspec.MsgspecError: it is not a chunk.
        """
        chunk = _chunk.decode(payload)
        raise_if_error(payload, chunk.error)
        self._usage = chunk.usage or self._usage
        self._model = chunk.model or self._model
        for choice in chunk.choices[:1]:
            self._finish = choice.finish_reason or self._finish
            self._take(choice.delta)

    def _take(self, delta: _Content) -> None:
        if delta.content:
            self._text.append(delta.content)
            self._on_text(delta.content)
        if thought := delta.reasoning_content or delta.reasoning:
            self._reasoning.append(thought)
        for call in delta.tool_calls or ():
            self._calls.add(
                call.index or 0,
                call_id=call.id or "",
                name=call.function.name or "",
                arguments=as_text(call.function.arguments),
            )

    def finish(self) -> ModelAnswer:
        """Return the whole answer.

        Raises:
            BackendError: no finish was reported, so the end is missing.
        """
        text = "".join(self._text)
        if self._finish is None:
            raise broken_off(text)
        calls = self._calls.calls()
        return ModelAnswer(
            text=text,
            reasoning="".join(self._reasoning),
            calls=calls,
            finish=finish_of(self._finish, calls),
            usage=_usage(self._usage),
            model=self._model,
        )


def openai_messages(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Return messages as OpenAI writes them; calls without an id get one from their position."""
    return [_message_body(message, at) for at, message in enumerate(messages)]


def _message_body(message: Message, at: int) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.content}
    if not message.calls:
        return {"role": message.role, "content": message.content}
    calls = [
        {
            "id": call.call_id or f"call_{at}_{n}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for n, call in enumerate(message.calls)
    ]
    return {"role": message.role, "content": message.content or None, "tool_calls": calls}


def openai_tools(tools: tuple[ToolSpec, ...]) -> list[dict[str, Any]]:
    """Return tools as OpenAI writes them."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in tools
    ]


def _usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return Usage()
    cached = (usage.prompt_tokens_details or _NOTHING).cached_tokens or 0
    reasoning = (usage.completion_tokens_details or _NOTHING).reasoning_tokens or 0
    return Usage(usage.prompt_tokens, usage.completion_tokens, cached, reasoning)
