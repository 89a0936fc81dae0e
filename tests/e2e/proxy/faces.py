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


_FINISHES = {"stop": "stop", "tool_calls": "calls", "length": "length", "content_filter": "filter"}

FACES: dict[str, Face] = {"chat": ChatFace()}
