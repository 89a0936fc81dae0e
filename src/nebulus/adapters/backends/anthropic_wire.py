"""Anthropic's messages, as Anthropic, llama.cpp, LM Studio and Ollama serve them.

Invariants: results of tools come first in the next user message; a shape is asked for as the input of a
forced tool, since the protocol has no other way; a model that reasons can't be forced, so the one tool of the
form is then offered alone and what comes back is validated. Source: Anthropic API reference, messages,
streaming and extended thinking.
"""

from typing import Any

import msgspec
from msgspec import Struct

from nebulus.adapters.backends.bounds import check_calls
from nebulus.adapters.backends.schema_subset import Reduced, reduce
from nebulus.adapters.backends.wire import as_text, broken_off, finish_of, raise_if_error
from nebulus.core.answers import FreeForm, Message, ModelAnswer, ModelRequest, OneCall, RawCall, Shape, Usage
from nebulus.core.unreadable import UNREADABLE
from nebulus.ports.backend import OnText

ANSWER_TOOL = "final_answer_in_shape"
"""The forced tool whose input is an answer's shape."""


class _Block(Struct, frozen=True):
    type: str = ""
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Usage(Struct, frozen=True):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Message(Struct, frozen=True):
    content: list[_Block]
    model: str = ""
    stop_reason: str | None = None
    usage: _Usage = _Usage()


class _Delta(Struct, frozen=True):
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Event(Struct, frozen=True):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block = _Block()
    delta: _Delta = _Delta()
    usage: _Usage | None = None
    error: Any = None


_encoder = msgspec.json.Encoder()
_message = msgspec.json.Decoder(_Message)
_event = msgspec.json.Decoder(_Event)


class AnthropicWire:
    """Writes and reads /v1/messages for one model. The protocol has no seed."""

    path = "/v1/messages"
    is_bare = False
    count_path = "/v1/messages/count_tokens"

    def __init__(self, model: str) -> None:
        self._model = model

    def body(self, request: ModelRequest, *, is_stream: bool) -> bytes:
        """Write a request as JSON."""
        body = self._prompt(request) | {"max_tokens": request.most_tokens}
        if not request.reasoning_tokens:
            body["temperature"] = request.temperature  # refused with thinking
        if is_stream:
            body["stream"] = True
        return _encoder.encode(body)

    def sent(self, request: ModelRequest) -> Reduced | None:
        """A shape's; a tool goes along whole."""
        return reduce(request.form.schema) if isinstance(request.form, Shape) else None

    def count_body(self, request: ModelRequest) -> bytes:
        """Write the question how many tokens a request has."""
        return _encoder.encode(self._prompt(request))

    def _prompt(self, request: ModelRequest) -> dict[str, Any]:
        system = "\n\n".join(message.content for message in request.messages if message.role == "system")
        body: dict[str, Any] = {"model": self._model, "messages": _turns(request.messages)}
        if system:
            body["system"] = system
        tools = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in request.tools
        ]
        match request.form:
            case OneCall(tool):
                named = {"type": "tool", "name": tool} if tool else {"type": "any"}
                body["tool_choice"] = {**named, "disable_parallel_tool_use": True}
            case Shape(schema):
                reduced = reduce(schema).schema
                tools.append(
                    {"name": ANSWER_TOOL, "description": "Give the answer.", "input_schema": reduced}
                )
                body["tool_choice"] = {"type": "tool", "name": ANSWER_TOOL}
            case FreeForm():
                pass
        if tools:
            body["tools"] = tools
        return _reasoning(body, request.reasoning_tokens) if request.reasoning_tokens else body

    def read(self, raw: bytes) -> ModelAnswer:
        """Read an answer.

        Raises:
            msgspec.MsgspecError: it is not a message.
        """
        message = _message.decode(raw)
        blocks = message.content
        calls = tuple(
            RawCall(block.name, as_text(block.input), block.id)
            for block in blocks
            if block.type == "tool_use"
        )
        return _answer(
            "".join(block.text for block in blocks if block.type == "text"),
            "".join(block.thinking for block in blocks if block.type == "thinking"),
            calls,
            end=_Ending(message.stop_reason, _usage(message.usage), message.model or self._model),
        )

    def reader(self, on_text: OnText) -> "AnthropicStream":
        """Begin to read a stream."""
        return AnthropicStream(self._model, on_text)


class AnthropicStream:
    """Collects the events of one message. Blocks are kept apart by their index."""

    def __init__(self, model: str, on_text: OnText) -> None:
        self._model = model
        self._on_text = on_text
        self._blocks: dict[int, tuple[_Block, list[str]]] = {}
        self._usage = Usage()
        self._stop: str | None = None

    def feed(self, payload: bytes) -> None:
        """Take one event; those of a kind that is not known are passed over.

        Raises:
            BackendError: it is an error of the server's.
            msgspec.MsgspecError: it is not an event.
        """
        event = _event.decode(payload)
        raise_if_error(payload, event.error)
        check_calls(len(self._blocks))
        match event.type:
            case "message_start" if event.message:
                self._model = event.message.model or self._model
                self._usage = _usage(event.message.usage)
            case "content_block_start":
                self._blocks[event.index] = (event.content_block, [])
                self._take(event.index, event.content_block.text or event.content_block.thinking)
            case "content_block_delta":
                delta = event.delta
                self._take(event.index, delta.text or delta.partial_json or delta.thinking)
            case "message_delta":
                self._stop = event.delta.stop_reason or self._stop
                if event.usage is not None:
                    self._usage = _merged(self._usage, event.usage)
            case _:
                pass

    def _take(self, index: int, piece: str) -> None:
        block, pieces = self._blocks.setdefault(index, (_Block(type="text"), []))
        if piece:
            pieces.append(piece)
            if block.type == "text":
                self._on_text(piece)

    def finish(self) -> ModelAnswer:
        """Return the whole answer.

        Raises:
            BackendError: no stop was reported, so the end is missing.
        """
        text = self._joined("text")
        if self._stop is None:
            raise broken_off(text)
        calls = tuple(
            RawCall(block.name, "".join(pieces) or as_text(block.input), block.id)
            for block, pieces in self._blocks.values()
            if block.type == "tool_use"
        )
        ending = _Ending(self._stop, self._usage, self._model)
        return _answer(text, self._joined("thinking"), calls, end=ending)

    def _joined(self, kind: str) -> str:
        return "".join("".join(pieces) for block, pieces in self._blocks.values() if block.type == kind)


class _Ending(Struct, frozen=True):
    stop: str | None
    usage: Usage
    model: str


def _reasoning(body: dict[str, Any], tokens: int) -> dict[str, Any]:
    """Return `body` with thinking on, and a forced tool offered alone: force is refused with thinking."""
    choice = body.get("tool_choice")
    if choice is not None:
        own = [tool for tool in body["tools"] if choice.get("name") in (None, tool["name"])]
        body |= {"tools": own, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
    return body | {"thinking": {"type": "enabled", "budget_tokens": tokens}}


def _answer(text: str, reasoning: str, calls: tuple[RawCall, ...], *, end: _Ending) -> ModelAnswer:
    """The input of the forced tool is the text that was asked for."""
    if len(calls) == 1 and calls[0].name == ANSWER_TOOL:
        text, calls = calls[0].arguments, ()
    return ModelAnswer(
        text=text,
        reasoning=reasoning,
        calls=calls,
        finish=finish_of(end.stop, calls),
        usage=end.usage,
        model=end.model,
    )


def _turns(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Merge neighbours of one role, for roles must alternate."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += _blocks(message)
        else:
            turns.append({"role": role, "content": _blocks(message)})
    return turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.call_id, "content": message.content}]
    blocks: list[dict[str, Any]] = [{"type": "text", "text": message.content}] if message.content else []
    calls = message.calls
    return blocks + [
        {"type": "tool_use", "id": call.call_id, "name": call.name, "input": _input(call.arguments)}
        for call in calls
    ]


def _input(arguments: str) -> Any:
    try:
        return msgspec.json.decode(arguments, type=dict[str, Any])
    except UNREADABLE:
        return {"unreadable": arguments}


def _usage(usage: _Usage) -> Usage:
    cached = usage.cache_read_input_tokens or 0
    prompt = (usage.input_tokens or 0) + cached + (usage.cache_creation_input_tokens or 0)
    return Usage(prompt, usage.output_tokens or 0, cached)


def _merged(before: Usage, late: _Usage) -> Usage:
    """The end reports the output, and with some servers the input again."""
    now = _usage(late)
    return Usage(
        max(before.prompt_tokens, now.prompt_tokens),
        now.completion_tokens or before.completion_tokens,
        max(before.cached_tokens, now.cached_tokens),
    )
