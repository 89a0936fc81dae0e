"""Ollama's own chat route, because its OpenAI route can't set the window.

Invariants: the window goes along with every request (`num_ctx`), and cutting is forbidden (`truncate`,
`shift`). One call is asked for as a `format`, which Ollama enforces over its own tool parser; the tools
still reach the model through its template. A model that can reason is always told whether to (`think`); a
`format` then binds what comes after the thought, and thought and answer share one cap.

Source: Ollama's API documentation, chat; ollama/ollama#13750 for `format` with `tools`, #17544 for `format`
with `think`.
"""

from typing import Any

import msgspec
from msgspec import Struct

from nebulus.adapters.backends.bounds import check_calls
from nebulus.adapters.backends.forms import call_schema
from nebulus.adapters.backends.openai_wire import openai_tools
from nebulus.adapters.backends.schema_subset import Reduced, reduce
from nebulus.adapters.backends.wire import as_text, broken_off, finish_of, raise_if_error
from nebulus.core.answers import FreeForm, Message, ModelAnswer, ModelRequest, OneCall, RawCall, Shape, Usage
from nebulus.core.unreadable import UNREADABLE
from nebulus.ports.backend import OnText


class _Function(Struct, frozen=True):
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _ToolCall(Struct, frozen=True):
    function: _Function = _Function()
    id: str | None = None


class _Content(Struct, frozen=True):
    content: str = ""
    thinking: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Reply(Struct, frozen=True):
    message: _Content = _Content()
    done: bool = False
    done_reason: str | None = None
    model: str = ""
    prompt_eval_count: int = 0
    eval_count: int = 0
    error: Any = None


_encoder = msgspec.json.Encoder()
_reply = msgspec.json.Decoder(_Reply)


class OllamaWire:
    """Writes and reads /api/chat for one model in a window of our choice."""

    path = "/api/chat"
    is_bare = True

    def __init__(self, model: str, window_tokens: int, *, reasons: bool = False) -> None:
        self._model = model
        self._window_tokens = window_tokens
        self._reasons = reasons

    def body(self, request: ModelRequest, *, is_stream: bool) -> bytes:
        """Write a request as JSON."""
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [_message_body(message) for message in request.messages],
            "stream": is_stream,
            "truncate": False,
            "shift": False,
            "options": {
                "num_ctx": self._window_tokens,
                "num_predict": request.most_tokens,
                "temperature": request.temperature,
                "seed": request.seed,
            },
        }
        if request.tools:
            body["tools"] = openai_tools(request.tools)
        if self._reasons or request.reasoning_tokens:
            body["think"] = request.reasoning_tokens > 0
        if (sent := self.sent(request)) is not None:
            body["format"] = sent.schema
        return _encoder.encode(body)

    def sent(self, request: ModelRequest) -> Reduced | None:
        """A call's or a shape's."""
        match request.form:
            case OneCall() as form:
                return call_schema(request.tools, form)
            case Shape(schema):
                return reduce(schema)
            case FreeForm():
                return None

    def read(self, raw: bytes) -> ModelAnswer:
        """Read an answer.

        Raises:
            BackendError: it is an error.
            msgspec.MsgspecError: it is not a reply of Ollama's.
        """
        stream = OllamaStream(self._model, lambda piece: None)
        stream.feed(raw)
        return stream.finish()

    def reader(self, on_text: OnText) -> "OllamaStream":
        """Begin to read a stream."""
        return OllamaStream(self._model, on_text)


class OllamaStream:
    """Collects the lines of one reply. Calls come whole, one piece each."""

    def __init__(self, model: str, on_text: OnText) -> None:
        self._model = model
        self._on_text = on_text
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[RawCall] = []
        self._last: _Reply | None = None

    def feed(self, payload: bytes) -> None:
        """Take one line.

        Raises:
            BackendError: it is an error of the server's.
            msgspec.MsgspecError: it is not a reply.
        """
        reply = _reply.decode(payload)
        raise_if_error(payload, reply.error)
        message = reply.message
        if message.content:
            self._text.append(message.content)
            self._on_text(message.content)
        if message.thinking:
            self._thinking.append(message.thinking)
        for call in message.tool_calls or ():
            self._calls.append(RawCall(call.function.name, as_text(call.function.arguments), call.id or ""))
        check_calls(len(self._calls))
        if reply.done:
            self._last = reply

    def finish(self) -> ModelAnswer:
        """Return the whole answer.

        Raises:
            BackendError: no line said that it was the last.
        """
        text, calls, last = "".join(self._text), tuple(self._calls), self._last
        if last is None:
            raise broken_off(text)
        return ModelAnswer(
            text=text,
            reasoning="".join(self._thinking),
            calls=calls,
            finish=finish_of(last.done_reason, calls),
            usage=Usage(last.prompt_eval_count, last.eval_count),
            model=last.model or self._model,
        )


def _message_body(message: Message) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        body["tool_calls"] = [
            {"function": {"name": call.name, "arguments": _object(call.arguments)}} for call in message.calls
        ]
    return body


def _object(arguments: str) -> msgspec.Raw:
    """Ollama wants an object where others want text; text that is none goes along as a string."""
    try:
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return msgspec.Raw(_encoder.encode({"unreadable": arguments}))
    return msgspec.Raw(arguments.encode())
