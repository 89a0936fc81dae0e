"""The protocols that the proxy speaks, as a client sees them: one question in, what it came to out."""

import json
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from msgspec import Struct, field

from tests.e2e.proxy.serving import WEATHER, Client, Told, joined

Turn: TypeAlias = tuple[Any, ...]
"""("user", text), ("assistant", text, [(id, name, arguments)…]), ("tool", id, text), ("system", text)."""
DESCRIPTION = "Look up."


class Seen(Struct, kw_only=True):
    """An answer in any protocol. `finish` is stop, calls, length or filter."""

    status: int = 200
    text: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    finish: str = ""
    usage: tuple[int, int] = (0, 0)
    error: str = ""
    account: dict[str, Any] = field(default_factory=dict)
    told: Told | None = None

    @property
    def attempts(self) -> list[str]:
        return [attempt["result"] for attempt in self.account.get("attempts", ())]


class Face(Protocol):
    """One protocol."""

    async def ask(
        self,
        client: Client,
        turns: Sequence[Turn] = (("user", "Hello?"),),
        *,
        tools: bool = False,
        choice: str = "",
        parallel: bool = True,
        stream: bool = False,
        **more: Any,
    ) -> Seen: ...


class ChatFace:
    """OpenAI's chat completions."""

    async def ask(
        self,
        client: Client,
        turns: Sequence[Turn] = (("user", "Hello?"),),
        *,
        tools: bool = False,
        choice: str = "",
        parallel: bool = True,
        stream: bool = False,
        **more: Any,
    ) -> Seen:
        body: dict[str, Any] = {"model": "small", "messages": [self._message(turn) for turn in turns], **more}
        if tools:
            function = {"name": "weather", "description": DESCRIPTION, "parameters": WEATHER}
            body["tools"] = [{"type": "function", "function": function}]
            named = {"type": "function", "function": {"name": choice}}
            body["tool_choice"] = choice if choice in ("", "none", "required", "auto") else named
            body["tool_choice"] = body["tool_choice"] or "auto"
        if not parallel:
            body["parallel_tool_calls"] = False
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        told = await client.post("/v1/chat/completions", body)
        return self._streamed(told) if told.events else self._whole(told)

    def _message(self, turn: Turn) -> dict[str, Any]:
        match turn:
            case ("assistant", text, calls):
                made = [
                    {
                        "id": name_id,
                        "type": "function",
                        "function": {"name": name, "arguments": json.dumps(given)},
                    }
                    for name_id, name, given in calls
                ]
                return {"role": "assistant", "content": text, "tool_calls": made}
            case ("tool", call_id, text):
                return {"role": "tool", "tool_call_id": call_id, "content": text}
            case (role, text):
                return {"role": role, "content": text}
            case _:
                raise AssertionError(turn)

    def _whole(self, told: Told) -> Seen:
        if told.status != 200:
            error = told.body["error"]
            return Seen(
                status=told.status, error=error["message"], account=error.get("nebulus", {}), told=told
            )
        choice = told.body["choices"][0]
        message = choice["message"]
        usage = told.body["usage"]
        made = message.get("tool_calls", [])
        return Seen(
            text=message["content"] or "",
            calls=[(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in made],
            ids=[call["id"] for call in made],
            finish=_FINISHES[choice["finish_reason"]],
            usage=(usage["prompt_tokens"], usage["completion_tokens"]),
            account=told.body["nebulus"],
            told=told,
        )

    def _streamed(self, told: Told) -> Seen:
        message = joined(told)
        chunks = [chunk for _, chunk in told.events if chunk != "[DONE]"]
        errors = [chunk["error"] for chunk in chunks if "error" in chunk]
        usage = next((chunk["usage"] for chunk in chunks if chunk.get("usage")), {})
        account = next((chunk["nebulus"] for chunk in chunks if "nebulus" in chunk), {})
        return Seen(
            text=message["content"],
            calls=[
                (call["function"]["name"], json.loads(call["function"]["arguments"]))
                for call in message["tool_calls"]
            ],
            ids=[call["id"] for call in message["tool_calls"]],
            finish=_FINISHES.get(message["finish"], ""),
            usage=(usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)),
            error=errors[0]["message"] if errors else "",
            account=errors[0]["nebulus"] if errors else account,
            told=told,
        )


class MessagesFace:
    """Anthropic's messages."""

    async def ask(
        self,
        client: Client,
        turns: Sequence[Turn] = (("user", "Hello?"),),
        *,
        tools: bool = False,
        choice: str = "",
        parallel: bool = True,
        stream: bool = False,
        **more: Any,
    ) -> Seen:
        messages = [self._message(turn) for turn in turns]
        body: dict[str, Any] = {"model": "small", "messages": messages, "max_tokens": 32_000, **more}
        if tools:
            body["tools"] = [{"name": "weather", "description": DESCRIPTION, "input_schema": WEATHER}]
            kinds = {"": "auto", "none": "none", "required": "any"}
            body["tool_choice"] = {"type": kinds.get(choice, "tool")}
            if choice not in kinds:
                body["tool_choice"]["name"] = choice
            if not parallel:
                body["tool_choice"]["disable_parallel_tool_use"] = True
        told = await client.post("/v1/messages?beta=true", {**body, "stream": stream})
        return self._streamed(told) if told.events else self._whole(told)

    def _message(self, turn: Turn) -> dict[str, Any]:
        match turn:
            case ("assistant", text, calls):
                blocks = [{"type": "text", "text": text}] if text else []
                used = [
                    {"type": "tool_use", "id": i, "name": name, "input": given} for i, name, given in calls
                ]
                return {"role": "assistant", "content": [*blocks, *used]}
            case ("tool", call_id, text):
                result = {"type": "tool_result", "tool_use_id": call_id, "content": text}
                return {"role": "user", "content": [result]}
            case (role, text):
                return {"role": role, "content": [{"type": "text", "text": text}]}
            case _:
                raise AssertionError(turn)

    def _whole(self, told: Told) -> Seen:
        body = told.body
        account = body.get("nebulus", {})
        if told.status != 200:
            assert body["type"] == "error"
            return Seen(status=told.status, error=body["error"]["message"], account=account, told=told)
        return self._seen(body, told, account)

    def _seen(self, message: dict[str, Any], told: Told, account: dict[str, Any]) -> Seen:
        blocks, usage = message["content"], message["usage"]
        used = [block for block in blocks if block["type"] == "tool_use"]
        return Seen(
            text="".join(block["text"] for block in blocks if block["type"] == "text"),
            calls=[(block["name"], block["input"]) for block in used],
            ids=[block["id"] for block in used],
            finish=_STOPS.get(message["stop_reason"], ""),
            usage=(usage["input_tokens"] + usage["cache_read_input_tokens"], usage["output_tokens"]),
            account=account,
            told=told,
        )

    def _streamed(self, told: Told) -> Seen:
        """Fold the events as the SDK does, and insist on their order."""
        message: dict[str, Any] = {}
        account: dict[str, Any] = {}
        error, is_open, is_over = "", False, False
        for name, data in told.events:
            assert name == data["type"]
            assert not is_over
            match name:
                case "message_start":
                    assert not message
                    message = data["message"]
                case "content_block_start":
                    assert not is_open
                    assert data["index"] == len(message["content"])
                    message["content"].append({**data["content_block"], "json": ""})
                    is_open = True
                case "content_block_delta":
                    assert is_open
                    _grow(message["content"][data["index"]], data["delta"])
                case "content_block_stop":
                    block, is_open = message["content"][data["index"]], False
                    block["input"] = json.loads(block["json"]) if block["json"] else {}
                case "message_delta":
                    assert not is_open
                    message |= {"stop_reason": data["delta"]["stop_reason"], "usage": data["usage"]}
                    account = data["nebulus"]
                case "message_stop":
                    is_over = True
                case "error":
                    error, account, is_over = data["error"]["message"], data["nebulus"], True
                case _:
                    assert name == "ping"
        seen = self._seen(message, told, account)
        seen.error = error
        return seen


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    match delta:
        case {"type": "text_delta", "text": text}:
            assert block["type"] == "text"
            block["text"] += text
        case {"type": "input_json_delta", "partial_json": piece}:
            assert block["type"] == "tool_use"
            block["json"] += piece
        case _:
            raise AssertionError(delta)


class ResponsesFace:
    """OpenAI's responses."""

    async def ask(
        self,
        client: Client,
        turns: Sequence[Turn] = (("user", "Hello?"),),
        *,
        tools: bool = False,
        choice: str = "",
        parallel: bool = True,
        stream: bool = False,
        **more: Any,
    ) -> Seen:
        items = [item for turn in turns for item in self._items(turn)]
        if "max_tokens" in more:
            more["max_output_tokens"] = more.pop("max_tokens")
        body: dict[str, Any] = {"model": "small", "input": items, "store": False, "stream": stream, **more}
        if tools:
            function = {
                "type": "function",
                "name": "weather",
                "description": DESCRIPTION,
                "parameters": WEATHER,
            }
            body["tools"] = [function, {"type": "web_search"}]
            named = {"type": "function", "name": choice}
            body["tool_choice"] = choice or "auto" if choice in ("", "none", "required") else named
            body["parallel_tool_calls"] = parallel
        told = await client.post("/v1/responses", body)
        return self._streamed(told) if told.events else self._whole(told)

    def _items(self, turn: Turn) -> list[dict[str, Any]]:
        match turn:
            case ("assistant", text, calls):
                said = [
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": text}],
                    }
                ]
                made = [
                    {"type": "function_call", "call_id": i, "name": name, "arguments": json.dumps(given)}
                    for i, name, given in calls
                ]
                return [*said, *made]
            case ("tool", call_id, text):
                return [{"type": "function_call_output", "call_id": call_id, "output": text}]
            case (role, text):
                return [{"role": role, "content": [{"type": "input_text", "text": text}]}]
            case _:
                raise AssertionError(turn)

    def _whole(self, told: Told) -> Seen:
        if told.status != 200:
            error = told.body["error"]
            return Seen(
                status=told.status, error=error["message"], account=error.get("nebulus", {}), told=told
            )
        return self._seen(told.body, told)

    def _seen(self, response: dict[str, Any], told: Told) -> Seen:
        made = [item for item in response["output"] if item["type"] == "function_call"]
        said = [part["text"] for item in response["output"] for part in item.get("content", ())]
        usage = response["usage"] or {"input_tokens": 0, "output_tokens": 0}
        finish = "length" if response["status"] == "incomplete" else "calls" if made else "stop"
        return Seen(
            text="".join(said),
            calls=[(item["name"], json.loads(item["arguments"])) for item in made],
            ids=[item["call_id"] for item in made],
            finish=finish,
            usage=(usage["input_tokens"], usage["output_tokens"]),
            error=(response["error"] or {}).get("message", ""),
            account=response.get("nebulus", {}),
            told=told,
        )

    def _streamed(self, told: Told) -> Seen:
        """Check the numbers of the events, that items end as they were built up, and return the last response."""
        assert [data["sequence_number"] for _, data in told.events] == list(range(len(told.events)))
        items: list[dict[str, Any]] = []
        built: dict[str, str] = {}
        for name, data in told.events:
            assert name == data["type"]
            match name:
                case "response.output_text.delta" | "response.function_call_arguments.delta":
                    built[data["item_id"]] = built.get(data["item_id"], "") + data["delta"]
                case "response.output_item.done":
                    item = data["item"]
                    assert data["output_index"] == len(items)
                    whole = (
                        item["arguments"] if item["type"] == "function_call" else item["content"][0]["text"]
                    )
                    assert built[item["id"]] == whole
                    items.append(item)
        last = told.events[-1][1]["response"]
        assert last["output"] == items or last["status"] == "failed"
        return self._seen(last, told)


_STOPS = {"end_turn": "stop", "tool_use": "calls", "max_tokens": "length", "refusal": "filter"}
_FINISHES = {"stop": "stop", "tool_calls": "calls", "length": "length", "content_filter": "filter"}

FACES: dict[str, Face] = {"chat": ChatFace(), "messages": MessagesFace(), "responses": ResponsesFace()}
