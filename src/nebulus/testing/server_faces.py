"""How a scripted answer is written in each chat protocol, whole and in pieces."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

from nebulus.core.answers import RawCall
from nebulus.testing.floods import Flood

PIECE_CHARS = 7
SPEED = 1e6
"""Tokens a second that a server without latency reports."""
MODEL = "scripted-model"


class Reply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the server answers once, misbehaviours included.

    Numbers of 0 and an empty `finish` are worked out honestly. `status` other than 200 is sent with
    `headers` and `raw`; `raw` with status 200 replaces the body. In a stream, `breaks_after` cuts the
    connection and `error_after` sends an error event, after that many pieces (-1 for never). An answer
    begins after `delay_s`; `hangs` never answers, `flood` never ends. `is_index_shared` gives all calls of a stream index 0; `names_repeat` repeats a call's
    name and id in each of its pieces.
    """

    text: str = ""
    reasoning: str = ""
    calls: tuple[RawCall, ...] = ()
    finish: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: str = ""
    breaks_after: int = -1
    error_after: int = -1
    delay_s: float = 0.0
    hangs: bool = False
    flood: Flood | None = None
    is_index_shared: bool = False
    names_repeat: bool = False


def tokens_of(text: str) -> int:
    """Return the tokens of the scripted model's tokenizer: one for each four characters begun."""
    return -(-len(text) // 4)


def written(reply: Reply) -> int:
    """Return the tokens that the model wrote."""
    whole = reply.text + reply.reasoning + "".join(call.name + call.arguments for call in reply.calls)
    return reply.completion_tokens or max(1, tokens_of(whole))


def pieces_of(text: str) -> list[str]:
    """Return `text` cut into small pieces."""
    return [text[at : at + PIECE_CHARS] for at in range(0, len(text), PIECE_CHARS)]


def openai_whole(reply: Reply) -> dict[str, Any]:
    """Return a chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in reply.calls
        ]
    choice = {"index": 0, "message": message, "finish_reason": _finish(reply, "tool_calls", "stop")}
    return {
        "id": "c",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [choice],
        "usage": _openai_usage(reply),
    }


def openai_events(reply: Reply) -> Iterator[dict[str, Any]]:
    """Return the chunks of a chat completion."""
    yield _chunk({"role": "assistant", "content": None})
    for piece in pieces_of(reply.reasoning):
        yield _chunk({"reasoning_content": piece})
    for piece in pieces_of(reply.text):
        yield _chunk({"content": piece})
    for at, call in enumerate(reply.calls):
        index = 0 if reply.is_index_shared else at
        head = {"id": call.call_id, "type": "function"}
        yield _chunk(
            {"tool_calls": [{"index": index, **head, "function": {"name": call.name, "arguments": ""}}]}
        )
        for piece in pieces_of(call.arguments):
            function = {"arguments": piece} | ({"name": call.name} if reply.names_repeat else {})
            again = head if reply.names_repeat else {}
            yield _chunk({"tool_calls": [{"index": index, **again, "function": function}]})
    yield _chunk({}, _finish(reply, "tool_calls", "stop"))
    yield {"choices": [], "model": MODEL, "usage": _openai_usage(reply)}


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"model": MODEL, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def _openai_usage(reply: Reply) -> dict[str, Any]:
    return {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": written(reply),
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": tokens_of(reply.reasoning)},
    }


def anthropic_whole(reply: Reply) -> dict[str, Any]:
    """Return a message."""
    blocks: list[dict[str, Any]] = []
    if reply.reasoning:
        blocks.append({"type": "thinking", "thinking": reply.reasoning})
    if reply.text:
        blocks.append({"type": "text", "text": reply.text})
    for call in reply.calls:
        given = msgspec.Raw(call.arguments.encode())
        blocks.append({"type": "tool_use", "id": call.call_id, "name": call.name, "input": given})
    return {
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": blocks,
        "stop_reason": _finish(reply, "tool_use", "end_turn"),
        "usage": {**_anthropic_input(reply), "output_tokens": written(reply)},
    }


def anthropic_events(reply: Reply) -> Iterator[dict[str, Any]]:
    """Return the events of a message."""
    start = {
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "usage": _anthropic_input(reply),
    }
    yield {"type": "message_start", "message": start}
    yield {"type": "ping"}
    blocks: list[tuple[dict[str, Any], str, str, str]] = []
    if reply.reasoning:
        blocks.append(({"type": "thinking", "thinking": ""}, "thinking_delta", "thinking", reply.reasoning))
    if reply.text:
        blocks.append(({"type": "text", "text": ""}, "text_delta", "text", reply.text))
    for call in reply.calls:
        head = {"type": "tool_use", "id": call.call_id, "name": call.name, "input": {}}
        blocks.append((head, "input_json_delta", "partial_json", call.arguments))
    for index, (head, kind, key, whole) in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": head}
        for piece in pieces_of(whole):
            yield {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: piece}}
        yield {"type": "content_block_stop", "index": index}
    stop = {"stop_reason": _finish(reply, "tool_use", "end_turn")}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": written(reply)}}
    yield {"type": "message_stop"}


def _anthropic_input(reply: Reply) -> dict[str, int]:
    fresh = reply.prompt_tokens - reply.cached_tokens
    return {"input_tokens": fresh, "cache_read_input_tokens": reply.cached_tokens, "output_tokens": 0}


def ollama_whole(reply: Reply) -> dict[str, Any]:
    """Return a reply of Ollama's chat."""
    *_, last = ollama_events(reply)
    calls = [_ollama_call(call) for call in reply.calls]
    message = {"role": "assistant", "content": reply.text} | ({"tool_calls": calls} if calls else {})
    return {**last, "message": message | ({"thinking": reply.reasoning} if reply.reasoning else {})}


def ollama_events(reply: Reply) -> Iterator[dict[str, Any]]:
    """Return the lines of a reply of Ollama's chat."""
    for piece in pieces_of(reply.reasoning):
        message = {"role": "assistant", "content": "", "thinking": piece}
        yield {"model": MODEL, "message": message, "done": False}
    for piece in pieces_of(reply.text):
        yield {"model": MODEL, "message": {"role": "assistant", "content": piece}, "done": False}
    for call in reply.calls:
        yield {"model": MODEL, "message": {"content": "", "tool_calls": [_ollama_call(call)]}, "done": False}
    yield {
        "model": MODEL,
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": reply.finish or "stop",
        "prompt_eval_count": reply.prompt_tokens,
        "eval_count": written(reply),
    }


def _ollama_call(call: RawCall) -> dict[str, Any]:
    return {"function": {"name": call.name, "arguments": msgspec.Raw(call.arguments.encode())}}


def llama_whole(reply: Reply) -> dict[str, Any]:
    """Return a raw completion of llama.cpp's server."""
    return {
        "content": reply.text,
        "tokens_predicted": written(reply),
        "tokens_evaluated": reply.prompt_tokens,
        "stop_type": {"length": "limit", "": "eos"}.get(reply.finish, reply.finish),
        "truncated": False,
        "timings": {"cache_n": reply.cached_tokens, "predicted_per_second": SPEED},
        "model": MODEL,
    }


def llama_events(reply: Reply) -> Iterator[dict[str, Any]]:
    """Return the events of a raw completion."""
    for piece in pieces_of(reply.text):
        yield {"content": piece, "stop": False}
    yield {**llama_whole(reply), "content": ""}


def _finish(reply: Reply, for_calls: str, for_text: str) -> str:
    return reply.finish or (for_calls if reply.calls else for_text)
