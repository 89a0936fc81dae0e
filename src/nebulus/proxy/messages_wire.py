"""Anthropic's messages, as a server speaks it.

Invariants: pure; unknown fields are tolerated; a text block has only text deltas; an event of a block names its index.
Source: Anthropic API reference, messages and streaming; what Claude Code really sends was recorded from it.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from nebulus.core.answers import FinishReason, Message, RawCall, Usage
from nebulus.core.failure import Failure, FailureKind
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
from nebulus.proxy.wire import (
    ACCOUNT,
    Refusal,
    account_headers,
    account_of,
    event,
    kind_of,
    retry_headers,
)

_VOLATILE = "x-anthropic-billing-header"
"""A system block that starts so changes with every request of Claude Code, and would break every prefix cache."""
_FINISHES = {
    FinishReason.STOP: "end_turn",
    FinishReason.CALLS: "tool_use",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.FILTER: "refusal",
}
_CHOICES = {
    "auto": ChoiceKind.AUTO,
    "any": ChoiceKind.REQUIRED,
    "tool": ChoiceKind.NAMED,
    "none": ChoiceKind.NONE,
}


class _Message(Struct, frozen=True):
    role: str
    content: Any = None


class _Body(Struct, frozen=True):
    messages: list[_Message]
    model: str | None = None
    system: Any = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    stop_sequences: list[str] | None = None
    output_config: dict[str, Any] | None = None
    output_format: dict[str, Any] | None = None
    stream: bool | None = None


_body = msgspec.json.Decoder(_Body)


class MessagesWire:
    """Reads and writes /v1/messages."""

    def read(self, body: bytes) -> ClientRequest | Failure:
        """Return what a body asks for, or why it can't be meant."""
        try:
            sent = _body.decode(body)
        except UNREADABLE as error:
            return refused("the body is not a messages request", value=str(error))
        messages = _messages(sent)
        if isinstance(messages, Failure):
            return messages
        tools, notes = _tools(sent.tools or [])
        if isinstance(tools, Failure):
            return tools
        choice = checked_choice(_choice(sent.tool_choice or {}), tools)
        if isinstance(choice, Failure):
            return choice
        history, changes = arranged(messages)
        if not history:
            return refused("messages is empty", fix="send at least one message")
        return ClientRequest(
            model=sent.model or "",
            messages=history,
            tools=tools,
            choice=choice,
            is_parallel=not (sent.tool_choice or {}).get("disable_parallel_tool_use", False),
            max_tokens=max(0, sent.max_tokens or 0),
            temperature=sent.temperature,
            stops=tuple(sent.stop_sequences or ()),
            schema=_schema(sent),
            is_stream=bool(sent.stream),
            notes=(*notes, *changes),
        )

    def whole(
        self, reply: Reply, asked: ClientRequest, *, response_id: str, created_s: int
    ) -> dict[str, Any]:
        """Return a message."""
        blocks: list[dict[str, Any]] = [{"type": "text", "text": reply.text}] if reply.text else []
        blocks += [
            {"type": "tool_use", "id": call.call_id, "name": call.tool, "input": call.arguments}
            for call in reply.calls
        ]
        return {
            **_head(f"msg_{response_id}", reply.tier),
            "content": blocks,
            "stop_reason": _stop_reason(reply),
            "stop_sequence": reply.stop or None,
            "usage": _usage(reply.account.usage),
            ACCOUNT: account_of(reply.account),
        }

    def writer(
        self, asked: ClientRequest, *, model: str, response_id: str, created_s: int
    ) -> "MessagesStream":
        """Begin to write events."""
        return MessagesStream(model=model, response_id=response_id)

    def refusal(self, failed: NoReply) -> Refusal:
        """Return an error, before anything was sent."""
        headers = retry_headers(failed.failure) | account_headers(failed.account)
        status = kind_of(failed.failure).messages
        return Refusal(status=status, headers=headers, body=_error(failed))


class MessagesStream:
    """Writes one message as events; text is one block, opened by its first piece, and each call is another."""

    def __init__(self, *, model: str, response_id: str) -> None:
        self._message = {
            **_head(f"msg_{response_id}", model),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(Usage()),
        }
        self._has_text = False

    def begin(self) -> bytes:
        """Return the message without its content."""
        return _named("message_start", message=self._message)

    def text(self, piece: str) -> bytes:
        """Return a piece of the text block."""
        opening = b""
        if not self._has_text:
            self._has_text = True
            opening = _named("content_block_start", index=0, content_block={"type": "text", "text": ""})
        delta = {"type": "text_delta", "text": piece}
        return opening + _named("content_block_delta", index=0, delta=delta)

    def keep_alive(self) -> bytes:
        """Return a ping."""
        return _named("ping")

    def finish(self, reply: Reply) -> bytes:
        """Return the end of the text block, the calls, and the end."""
        events = [_named("content_block_stop", index=0)] if self._has_text else []
        for index, call in enumerate(reply.calls, start=int(self._has_text)):
            block = {"type": "tool_use", "id": call.call_id, "name": call.tool, "input": {}}
            arguments = msgspec.json.encode(call.arguments).decode()
            delta = {"type": "input_json_delta", "partial_json": arguments}
            events.append(_named("content_block_start", index=index, content_block=block))
            events.append(_named("content_block_delta", index=index, delta=delta))
            events.append(_named("content_block_stop", index=index))
        end = {"stop_reason": _stop_reason(reply), "stop_sequence": reply.stop or None}
        usage, account = _usage(reply.account.usage), {ACCOUNT: account_of(reply.account)}
        events.append(_named("message_delta", delta=end, usage=usage, **account))
        events.append(_named("message_stop"))
        return b"".join(events)

    def fail(self, failed: NoReply) -> bytes:
        """Return an error event, which is the last."""
        return event(_error(failed), "error")


def _named(name: str, **fields: Any) -> bytes:
    return event({"type": name, **fields}, name)


def _head(message_id: str, model: str) -> dict[str, Any]:
    return {"id": message_id, "type": "message", "role": "assistant", "model": model}


def _stop_reason(reply: Reply) -> str:
    return "stop_sequence" if reply.stop and not reply.calls else _FINISHES[reply.finish]


def _usage(usage: Usage) -> dict[str, int]:
    """Return tokens as Anthropic counts them: what was read from a cache is not part of the input."""
    return {
        "input_tokens": max(0, usage.prompt_tokens - usage.cached_tokens),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }


def _error(failed: NoReply) -> dict[str, Any]:
    """Return an error; a prompt that is too large is told in the words whose numbers Claude Code reads."""
    failure = failed.failure
    message = failure.sentence()
    if failure.kind is FailureKind.PROMPT_TOO_LARGE:
        message = (
            f"prompt is too long: {failure.value or failure.what} maximum. {failure.what}; {failure.fix}"
        )
    return {
        "type": "error",
        "error": {"type": kind_of(failure).anthropic_type, "message": message},
        ACCOUNT: account_of(failed.account, failure),
    }


def _messages(sent: _Body) -> list[Message] | Failure:
    """Return the instructions and the messages; the results of tools become messages of their own."""
    system = [sent.system] if isinstance(sent.system, str) else sent.system or []
    if not isinstance(system, list):
        return refused("system is neither a text nor a list of blocks", value=repr(system))
    messages = []
    for block in system:
        text = text_of([block])
        if isinstance(text, Failure):
            return text
        if not text.startswith(_VOLATILE):
            messages.append(Message("system", text))
    for message in sent.messages:
        found = _turns(message)
        if isinstance(found, Failure):
            return found
        messages += found
    return messages


def _turns(message: _Message) -> list[Message] | Failure:
    if message.role not in ("user", "assistant", "system"):
        return refused("a message has a role that is not known", value=message.role)
    content = message.content
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    results: list[Message] = []
    calls: list[RawCall] = []
    rest: list[Any] = []
    for block in blocks:
        kind = block.get("type") if isinstance(block, Mapping) else None
        if kind == "tool_result":
            text = text_of(block.get("content"))
            if isinstance(text, Failure):
                return text
            results.append(Message("tool", _marked(text, block), call_id=str(block.get("tool_use_id") or "")))
        elif kind == "tool_use":
            given = arguments_text(block.get("input"))
            calls.append(RawCall(str(block.get("name") or ""), given, str(block.get("id") or "")))
        else:
            rest.append(block)
    text = text_of(rest)
    if isinstance(text, Failure):
        return text
    if not text and not calls:
        return results
    return [*results, Message(message.role, text, tuple(calls))]  # type: ignore[arg-type]


def _marked(text: str, block: Mapping[str, Any]) -> str:
    """Return the text of a result, marked as an error if it is one and does not say so."""
    is_marked = not block.get("is_error") or text.lower().startswith(("error", "<tool_use_error"))
    return text if is_marked else f"Error: {text}"


def _tools(sent: list[dict[str, Any]]) -> tuple[tuple[ToolSpec, ...] | Failure, tuple[str, ...]]:
    """Return the tools that the client runs, and a note on those that a server would run."""
    own = [tool for tool in sent if "input_schema" in tool or tool.get("type", "custom") == "custom"]
    others = [str(tool.get("type")) for tool in sent if tool not in own]
    notes = (f"tools that a server runs were left out: {', '.join(others)}",) if others else ()
    return client_tools(own), notes


def _choice(sent: dict[str, Any]) -> ToolChoice | Failure:
    kind = _CHOICES.get(str(sent.get("type", "auto")))
    if kind is None:
        return refused("tool_choice can't be meant", value=repr(sent), fix="auto, any, tool or none")
    return ToolChoice(kind, str(sent.get("name") or "") if kind is ChoiceKind.NAMED else "")


def _schema(sent: _Body) -> dict[str, Any] | None:
    """Source: Anthropic API reference, structured outputs."""
    match sent.output_format or (sent.output_config or {}).get("format"):
        case {"type": "json_schema", "schema": dict(schema)}:
            return schema
        case _:
            return None
