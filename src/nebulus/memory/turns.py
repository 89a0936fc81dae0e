"""Parses a chat history in OpenAI's or Anthropic's form into turns of one form.

Invariants: nothing is dropped: what does not fit into a turn becomes a text that says what it was; texts are
verbatim. Source: OpenAI chat completions, `messages`; Anthropic messages API, `messages` and content blocks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct


class Said(Struct, frozen=True, tag=True):
    """A text and its role: system, user, assistant, or another role of the client."""

    role: str
    text: str


class Called(Struct, frozen=True, tag=True):
    """A call that an assistant made; `arguments` is the text that was sent."""

    call_id: str
    tool: str
    arguments: str


class Answered(Struct, frozen=True, tag=True):
    """The result of a call."""

    call_id: str
    text: str
    is_error: bool = False


Turn: TypeAlias = Said | Called | Answered


def turns_of(messages: Iterable[Mapping[str, Any]]) -> tuple[Turn, ...]:
    """Return the turns of `messages`, in order; both forms may be mixed."""
    return tuple(turn for message in messages for turn in _turns(message))


def _turns(message: Mapping[str, Any]) -> Iterator[Turn]:
    role, content = str(message.get("role", "")), message.get("content")
    if role == "tool" and message.get("tool_call_id"):
        yield Answered(str(message["tool_call_id"]), text_of(content))
        return
    for part in content if isinstance(content, list) else [content]:
        yield from _part(part, role)
    for call in _listed(message.get("tool_calls")):
        function = _table(call.get("function"))
        yield Called(
            str(call.get("id", "")), str(function.get("name", "")), _written(function.get("arguments"))
        )
    if function := _table(message.get("function_call")):
        yield Called("", str(function.get("name", "")), _written(function.get("arguments")))


def _part(part: Any, role: str) -> Iterator[Turn]:
    match part:
        case None | "":
            return
        case str():
            yield Said(role, _clean(part))
        case {"type": "tool_use", "name": name}:
            yield Called(str(part.get("id", "")), str(name), _written(part.get("input")))
        case {"type": "tool_result", "tool_use_id": call_id}:
            yield Answered(str(call_id), text_of(part.get("content")), part.get("is_error") is True)
        case {"type": "thinking" | "redacted_thinking" | "reasoning"}:
            return
        case _:
            if text := text_of([part]):
                yield Said(role, text)


def text_of(content: Any) -> str:
    """Return the text of a content: a string, or parts; a part without text is replaced by its name."""
    match content:
        case None:
            return ""
        case str():
            return _clean(content)
        case list() | tuple():
            return "\n".join(_text_of_part(part) for part in content)
        case _:
            return _written(content)


def _text_of_part(part: Any) -> str:
    match part:
        case str():
            return _clean(part)
        case {"text": str(text)}:
            return _clean(text)
        case {"type": str(kind)}:
            return f"[{kind}: not text, not shown]"
        case _:
            return _written(part)


def _written(value: Any) -> str:
    if isinstance(value, str):
        return _clean(value)
    return "" if value is None else msgspec.json.encode(value, enc_hook=str).decode()


def _clean(text: str) -> str:
    """Return `text` with lone surrogates escaped, since no prompt and no store can contain them."""
    return text.encode("utf-8", "backslashreplace").decode()


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any) -> Sequence[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
