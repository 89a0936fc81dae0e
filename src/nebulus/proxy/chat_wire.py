"""OpenAI's chat completions, as a server speaks it.

Invariants: pure; unknown fields are tolerated; what is not supported and would change the answer is refused.
Source: OpenAI API reference, chat completions; what clients really send was recorded from them.
"""

from typing import Any

import msgspec
from msgspec import Struct

from nebulus.core.answers import FinishReason, Message, RawCall, Usage
from nebulus.core.failure import Failure
from nebulus.core.findings import Call
from nebulus.core.tools import ToolSpec
from nebulus.core.unreadable import UNREADABLE
from nebulus.proxy.asked import (
    ChoiceKind,
    ClientRequest,
    ToolChoice,
    arguments_text,
    checked_choice,
    client_tools,
    refused,
    text_of,
)
from nebulus.proxy.history import arranged
from nebulus.proxy.reply import NoReply, Reply
from nebulus.proxy.wire import ACCOUNT, Refusal, account_of, event, kind_of, openai_error, openai_refusal


class _Function(Struct, frozen=True):
    name: str = ""
    arguments: Any = ""


class _ToolCall(Struct, frozen=True):
    function: _Function | None = None
    id: str | None = None


class _Message(Struct, frozen=True):
    role: str
    content: Any = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None


class _Body(Struct, frozen=True):
    messages: list[_Message]
    model: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    response_format: dict[str, Any] | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    n: int | None = None


_body = msgspec.json.Decoder(_Body)
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_FINISHES = {
    FinishReason.STOP: "stop",
    FinishReason.CALLS: "tool_calls",
    FinishReason.LENGTH: "length",
    FinishReason.FILTER: "content_filter",
}


class ChatWire:
    """Reads and writes /v1/chat/completions."""

    def read(self, body: bytes) -> ClientRequest | Failure:
        """Return what a body asks for, or why it can't be meant."""
        try:
            sent = _body.decode(body)
        except UNREADABLE as error:
            return refused("the body is not a chat completion request", value=str(error))
        if sent.n is not None and sent.n != 1:
            return refused("only one answer is given", value=f"n={sent.n}", fix="leave n out")
        messages = _messages(sent.messages)
        if isinstance(messages, Failure):
            return messages
        tools, notes = _functions(sent.tools or [])
        if isinstance(tools, Failure):
            return tools
        choice = checked_choice(_choice(sent.tool_choice), tools)
        if isinstance(choice, Failure):
            return choice
        schema = _schema(sent.response_format)
        if isinstance(schema, Failure):
            return schema
        history, changes = arranged(messages)
        if not history:
            return refused("messages is empty", fix="send at least one message")
        return ClientRequest(
            model=sent.model or "",
            messages=history,
            tools=tools,
            choice=choice,
            is_parallel=sent.parallel_tool_calls is not False,
            max_tokens=max(0, sent.max_completion_tokens or sent.max_tokens or 0),
            temperature=sent.temperature,
            seed=sent.seed,
            stops=(sent.stop,) if isinstance(sent.stop, str) else tuple(sent.stop or ()),
            schema=schema,
            is_stream=bool(sent.stream),
            wants_usage=bool((sent.stream_options or {}).get("include_usage")),
            notes=(*notes, *changes),
        )

    def whole(
        self, reply: Reply, asked: ClientRequest, *, response_id: str, created_s: int
    ) -> dict[str, Any]:
        """Return a chat completion."""
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
        if reply.reasoning:
            message["reasoning_content"] = reply.reasoning
        if reply.calls:
            message["tool_calls"] = [_call(call) for call in reply.calls]
        elif message["content"] is None:
            message["content"] = ""
        finish = _FINISHES[reply.finish]
        return {
            "id": f"chatcmpl-{response_id}",
            "object": "chat.completion",
            "created": created_s,
            "model": reply.tier,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
            "usage": _usage(reply.account.usage),
            ACCOUNT: account_of(reply.account),
        }

    def writer(self, asked: ClientRequest, *, model: str, response_id: str, created_s: int) -> "ChatStream":
        """Begin to write chunks."""
        return ChatStream(asked, model=model, response_id=response_id, created_s=created_s)

    def refusal(self, failed: NoReply) -> Refusal:
        """Return an error, before anything was sent."""
        return openai_refusal(failed, kind_of(failed.failure).chat)


class ChatStream:
    """Writes one chat completion in chunks."""

    def __init__(self, asked: ClientRequest, *, model: str, response_id: str, created_s: int) -> None:
        self._asked = asked
        self._base = {
            "id": f"chatcmpl-{response_id}",
            "object": "chat.completion.chunk",
            "created": created_s,
            "model": model,
        }

    def _chunk(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event({**self._base, "choices": [choice], **more})

    def begin(self) -> bytes:
        """Return the chunk with the role."""
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, piece: str) -> bytes:
        """Return a chunk of text."""
        return self._chunk({"content": piece})

    def keep_alive(self) -> bytes:
        """Return a comment, which clients skip."""
        return b": ping\n\n"

    def finish(self, reply: Reply) -> bytes:
        """Return the calls, each in two chunks, the end, and the usage if it was asked for."""
        self._base["model"] = reply.tier
        chunks = []
        for index, call in enumerate(reply.calls):
            head = _call(call)
            arguments = head["function"].pop("arguments")
            head["function"]["arguments"] = ""
            chunks.append(self._chunk({"tool_calls": [{"index": index, **head}]}))
            fragment = {"index": index, "function": {"arguments": arguments}}
            chunks.append(self._chunk({"tool_calls": [fragment]}))
        chunks.append(self._chunk({}, _FINISHES[reply.finish], **{ACCOUNT: account_of(reply.account)}))
        if self._asked.wants_usage:
            chunks.append(event({**self._base, "choices": [], "usage": _usage(reply.account.usage)}))
        return b"".join(chunks) + b"data: [DONE]\n\n"

    def fail(self, failed: NoReply) -> bytes:
        """Return the error as a chunk, which is the last."""
        return event({"error": openai_error(failed)})


def _messages(sent: list[_Message]) -> list[Message] | Failure:
    messages = []
    for message in sent:
        role = _ROLES.get(message.role)
        if role is None:
            return refused("a message has a role that is not known", value=message.role)
        content = text_of(message.content)
        if isinstance(content, Failure):
            return content
        calls = _calls(message) if message.tool_calls and role == "assistant" else ()
        messages.append(Message(role, content, calls, message.tool_call_id or ""))  # type: ignore[arg-type]
    return messages


def _calls(message: _Message) -> tuple[RawCall, ...]:
    return tuple(
        RawCall(call.function.name, arguments_text(call.function.arguments), call.id or "")
        for call in message.tool_calls or ()
        if call.function is not None
    )


def _functions(sent: list[dict[str, Any]]) -> tuple[tuple[ToolSpec, ...] | Failure, tuple[str, ...]]:
    """Return the tools that are functions, and a note on those that are not."""
    functions = [tool for tool in sent if tool.get("type", "function") == "function"]
    others = [str(tool.get("type")) for tool in sent if tool.get("type", "function") != "function"]
    notes = (f"tools that are not functions were left out: {', '.join(others)}",) if others else ()
    return client_tools(functions), notes


def _choice(sent: Any) -> ToolChoice | Failure:
    match sent:
        case None:
            return ToolChoice()
        case "auto" | "none" | "required":
            return ToolChoice(ChoiceKind(sent))
        case {"type": "function", "function": {"name": str(name)}} | {"type": "function", "name": str(name)}:
            return ToolChoice(ChoiceKind.NAMED, name)
        case _:
            return refused(
                "tool_choice can't be meant", value=repr(sent), fix="auto, none, required, or a function"
            )


def _schema(sent: dict[str, Any] | None) -> dict[str, Any] | Failure | None:
    match sent:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return {"type": "object"}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
        case _:
            return refused(
                "response_format can't be meant", value=repr(sent), fix="text, json_object or json_schema"
            )


def _call(call: Call) -> dict[str, Any]:
    arguments = msgspec.json.encode(call.arguments).decode()
    return {"id": call.call_id, "type": "function", "function": {"name": call.tool, "arguments": arguments}}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
