"""OpenAI's responses, as a server speaks it. Nothing is stored: each request brings its whole history.

Invariants: pure; unknown fields and items are tolerated; every event has a number, and an item ends whole.
Source: OpenAI API reference, responses and streaming; what Codex really sends was recorded from it.
"""

from typing import Any

import msgspec
from msgspec import Struct

from nebulus.core.answers import FinishReason, Message, RawCall, Usage
from nebulus.core.failure import Failure
from nebulus.core.findings import Call
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
from nebulus.proxy.response_tools import OfferedTools, offered_tools, tool_item
from nebulus.proxy.wire import ACCOUNT, Refusal, account_of, event, kind_of, openai_error, openai_refusal

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})
_CALLS = frozenset({"function_call", "custom_tool_call"})


class _Body(Struct, frozen=True):
    input: Any = None
    model: str | None = None
    instructions: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    text: dict[str, Any] | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    stream: bool | None = None


_body = msgspec.json.Decoder(_Body)


class ResponsesWire:
    """Reads and writes /v1/responses."""

    def read(self, body: bytes) -> ClientRequest | Failure:
        """Return what a body asks for, or why it can't be meant."""
        try:
            sent = _body.decode(body)
        except UNREADABLE as error:
            return refused("the body is not a responses request", value=str(error))
        stored = sent.previous_response_id or sent.conversation
        if stored:
            fix = "send the whole history as input"
            return refused("responses and conversations are not stored", value=str(stored), fix=fix)
        offered = offered_tools(sent.tools or [])
        tools = client_tools(offered.definitions)
        if isinstance(tools, Failure):
            return tools
        messages, skipped = _messages(sent, offered)
        if isinstance(messages, Failure):
            return messages
        choice = checked_choice(_choice(sent.tool_choice, offered), tools)
        if isinstance(choice, Failure):
            return choice
        history, changes = arranged(messages)
        if not history:
            return refused("input is empty", fix="send at least one message")
        return ClientRequest(
            model=sent.model or "",
            messages=history,
            tools=tools,
            tool_kinds=offered.kinds,
            choice=choice,
            is_parallel=sent.parallel_tool_calls is not False,
            max_tokens=max(0, sent.max_output_tokens or 0),
            temperature=sent.temperature,
            schema=_schema((sent.text or {}).get("format")),
            is_stream=bool(sent.stream),
            notes=(*offered.notes, *skipped, *changes),
        )

    def whole(
        self, reply: Reply, asked: ClientRequest, *, response_id: str, created_s: int
    ) -> dict[str, Any]:
        """Return a response."""
        response = Response(asked, response_id=response_id, created_s=created_s, model=reply.tier)
        items = [response.message(reply.text)] if reply.text else []
        return response.ended(reply, [*items, *(response.call(call) for call in reply.calls)])

    def writer(
        self, asked: ClientRequest, *, model: str, response_id: str, created_s: int
    ) -> "ResponsesStream":
        """Begin to write events."""
        return ResponsesStream(Response(asked, response_id=response_id, created_s=created_s, model=model))

    def refusal(self, failed: NoReply) -> Refusal:
        """Return an error, before anything was sent."""
        return openai_refusal(failed, kind_of(failed.failure).responses)


class Response:
    """The response object in each of its states."""

    def __init__(self, asked: ClientRequest, *, response_id: str, created_s: int, model: str) -> None:
        self._asked, self._id, self._created_s = asked, response_id, created_s
        self.model = model

    def state(self, status: str, output: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """Return the response with a status and what it consists of so far."""
        return {
            "id": f"resp_{self._id}",
            "object": "response",
            "created_at": self._created_s,
            "status": status,
            "model": self.model,
            "output": output,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": self._asked.is_parallel,
            "previous_response_id": None,
            "store": False,
            "temperature": self._asked.temperature,
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
            "usage": None,
            **more,
        }

    def ended(self, reply: Reply, output: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the response at its end."""
        self.model = reply.tier
        more: dict[str, Any] = {"usage": _usage(reply.account.usage), ACCOUNT: account_of(reply.account)}
        reason = {FinishReason.LENGTH: "max_output_tokens", FinishReason.FILTER: "content_filter"}.get(
            reply.finish
        )
        if reason:
            return self.state("incomplete", output, incomplete_details={"reason": reason}, **more)
        return self.state("completed", output, **more)

    def message(self, text: str, *, status: str = "completed") -> dict[str, Any]:
        """Return the message item."""
        content = [text_part(text)] if status == "completed" else []
        return {
            "id": f"msg_{self._id}",
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": content,
        }

    def call(self, call: Call, *, is_begun: bool = False) -> dict[str, Any]:
        """Return the item of a call; one that is only begun has no arguments yet."""
        return tool_item(call, self._asked.tool_kinds, item_id=f"fc_{call.call_id}", is_begun=is_begun)


class ResponsesStream:
    """Writes one response as events."""

    def __init__(self, response: Response) -> None:
        self._response = response
        self._number = 0
        self._text: list[str] = []

    def _event(self, name: str, **fields: Any) -> bytes:
        data = {"type": name, "sequence_number": self._number, **fields}
        self._number += 1
        return event(data, name)

    def begin(self) -> bytes:
        """Return the response without its output."""
        state = self._response.state("in_progress", [])
        return self._event("response.created", response=state) + self.keep_alive()

    def keep_alive(self) -> bytes:
        """Return the response as it is: comments do not keep Codex waiting. Source: measured."""
        return self._event("response.in_progress", response=self._response.state("in_progress", []))

    def text(self, piece: str) -> bytes:
        """Return a piece of the message, which its first piece opens."""
        opening = b"" if self._text else self._opened()
        self._text.append(piece)
        place = {"item_id": self._response.message("")["id"], "output_index": 0, "content_index": 0}
        return opening + self._event("response.output_text.delta", **place, delta=piece, logprobs=[])

    def _opened(self) -> bytes:
        item = self._response.message("", status="in_progress")
        place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        return self._event("response.output_item.added", output_index=0, item=item) + self._event(
            "response.content_part.added", **place, part=text_part("")
        )

    def finish(self, reply: Reply) -> bytes:
        """Return the end of the message, the calls, and the end."""
        output: list[dict[str, Any]] = []
        events = [self._closed(output)] if self._text else []
        for call in reply.calls:
            events.append(self._called(call, len(output)))
            output.append(self._response.call(call))
        ended = self._response.ended(reply, output)
        events.append(self._event(f"response.{ended['status']}", response=ended))
        return b"".join(events)

    def _closed(self, output: list[dict[str, Any]]) -> bytes:
        text = "".join(self._text)
        item = self._response.message(text)
        output.append(item)
        place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        return (
            self._event("response.output_text.done", **place, text=text, logprobs=[])
            + self._event("response.content_part.done", **place, part=text_part(text))
            + self._event("response.output_item.done", output_index=0, item=item)
        )

    def _called(self, call: Call, index: int) -> bytes:
        item = self._response.call(call)
        begun = self._response.call(call, is_begun=True)
        field, kind = (
            ("input", "custom_tool_call_input")
            if item["type"] == "custom_tool_call"
            else (
                "arguments",
                "function_call_arguments",
            )
        )
        place = {"item_id": item["id"], "output_index": index}
        return (
            self._event("response.output_item.added", output_index=index, item=begun)
            + self._event(f"response.{kind}.delta", **place, delta=item[field])
            + self._event(f"response.{kind}.done", **place, **{field: item[field]})
            + self._event("response.output_item.done", output_index=index, item=item)
        )

    def fail(self, failed: NoReply) -> bytes:
        """Return the failed response, which is the last event."""
        told = openai_error(failed)
        error = {"code": told["code"], "message": told["message"]}
        state = self._response.state("failed", [], error=error, **{ACCOUNT: told[ACCOUNT]})
        return self._event("response.failed", response=state)


def text_part(text: str) -> dict[str, Any]:
    """Return a part of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _messages(sent: _Body, offered: OfferedTools) -> tuple[list[Message] | Failure, tuple[str, ...]]:
    """Return the instructions and the items as messages, and a note on items that say nothing to a model."""
    messages = [Message("system", sent.instructions)] if sent.instructions else []
    skipped: list[str] = []
    items = [{"role": "user", "content": sent.input}] if isinstance(sent.input, str) else sent.input or []
    if not isinstance(items, list):
        return refused("input is neither a text nor a list of items", value=repr(items)), ()
    for item in items:
        message = _message(item, offered)
        if isinstance(message, Failure):
            return message, ()
        if message is None:
            skipped.append(str(item.get("type")))
        else:
            messages.append(message)
    unknown = sorted({kind for kind in skipped if kind != "reasoning"})
    return messages, ((f"items left out: {', '.join(unknown)}",) if unknown else ())


def _message(item: Any, offered: OfferedTools) -> Message | Failure | None:
    if not isinstance(item, dict):
        return refused("an item of input is not an object", value=repr(item))
    kind = str(item.get("type") or "message")
    if kind == "message":
        role = _ROLES.get(str(item.get("role")))
        content = text_of(item.get("content"))
        if role is None:
            return refused("a message has a role that is not known", value=str(item.get("role")))
        return content if isinstance(content, Failure) else Message(role, content)  # type: ignore[arg-type]
    call_id = str(item.get("call_id") or item.get("id") or "")
    if kind in _RESULTS:
        content = text_of(item.get("output"))
        return content if isinstance(content, Failure) else Message("tool", content, call_id=call_id)
    if kind in _CALLS:
        name = offered.shown_name(str(item.get("name") or ""), str(item.get("namespace") or ""))
        given = item.get("arguments") if kind == "function_call" else {"input": item.get("input")}
        return Message("assistant", "", (RawCall(name, arguments_text(given), call_id),))
    return None


def _choice(sent: Any, offered: OfferedTools) -> ToolChoice | Failure:
    match sent:
        case None:
            return ToolChoice()
        case "auto" | "none" | "required":
            return ToolChoice(ChoiceKind(sent))
        case {"type": "function" | "custom", "name": str(name)}:
            return ToolChoice(ChoiceKind.NAMED, offered.shown_name(name, str(sent.get("namespace") or "")))
        case _:
            return refused(
                "tool_choice can't be meant", value=repr(sent), fix="auto, none, required, or a function"
            )


def _schema(sent: Any) -> dict[str, Any] | None:
    match sent:
        case {"type": "json_schema", "schema": dict(schema)}:
            return schema
        case {"type": "json_object"}:
            return {"type": "object"}
        case _:
            return None
