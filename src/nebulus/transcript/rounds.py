"""A history as rounds: a model's turn with the results of its calls, or words of the user.

Invariant: a round is shortened as a whole, and stays a valid part of a history: calls keep their results.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.answers import Message, RawCall
from nebulus.core.unreadable import UNREADABLE

WORDS_CHARS = 400
"""What is kept of a model's words in a shortened round."""
VALUE_CHARS = 200
"""What is kept of a text among the arguments of a call in a shortened round."""
RESULT_CHARS = 300
"""What is kept of a result in a shortened round."""


class Round(Struct, frozen=True, kw_only=True):
    """Messages that belong together."""

    messages: tuple[Message, ...]
    size_bytes: int

    @property
    def is_instruction(self) -> bool:
        """Whether it is what a person or a program wrote: it is never shortened."""
        return self.messages[0].role in ("system", "user")


def rounds_of(messages: Sequence[Message]) -> list[Round]:
    """Return the rounds of a history in which each result follows its call."""
    groups: list[list[Message]] = []
    for message in messages:
        if message.role == "tool" and groups:
            groups[-1].append(message)
        else:
            groups.append([message])
    return [_round(group) for group in groups]


def shortened(whole: Round) -> Round:
    """Return a round with the beginning of its words, values and results; an instruction as it is."""
    if whole.is_instruction:
        return whole
    return _round([_short(message) for message in whole.messages])


def with_results_in(whole: Round, room_bytes: int) -> Round:
    """Return a round whose results are cut in the middle, the longest first, until all of it fits `room_bytes`.

    Only results are cut: the round may stay larger than the room.
    """
    messages = list(whole.messages)
    over = whole.size_bytes - room_bytes
    for place in sorted(range(len(messages)), key=lambda place: -len(messages[place].content)):
        if over <= 0 or messages[place].role != "tool":
            continue
        text = messages[place].content
        cut = _middle_out(text, max(RESULT_CHARS, len(text) - over))
        over -= _bytes(text) - _bytes(cut)
        messages[place] = replace(messages[place], content=cut)
    return _round(messages)


def _round(messages: Sequence[Message]) -> Round:
    return Round(messages=tuple(messages), size_bytes=sum(map(_size, messages)))


def _size(message: Message) -> int:
    return _bytes(message.content) + sum(len(call.name) + _bytes(call.arguments) for call in message.calls)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _short(message: Message) -> Message:
    if message.role == "tool":
        return replace(message, content=_beginning(message.content, RESULT_CHARS))
    calls = tuple(
        RawCall(call.name, _short_arguments(call.arguments), call.call_id) for call in message.calls
    )
    return replace(message, content=_beginning(message.content, WORDS_CHARS), calls=calls)


def _short_arguments(arguments: str) -> str:
    """Return JSON with the beginning of each long text; what can't be read stays as it is."""
    if len(arguments) <= VALUE_CHARS:
        return arguments
    try:
        given = msgspec.json.decode(arguments)
    except UNREADABLE:
        return arguments
    return msgspec.json.encode(_short_value(given)).decode()


def _short_value(value: Any) -> Any:
    match value:
        case str():
            return _beginning(value, VALUE_CHARS)
        case dict():
            return {name: _short_value(inner) for name, inner in value.items()}
        case list():
            return [_short_value(inner) for inner in value]
        case _:
            return value


def _beginning(text: str, most: int) -> str:
    note = f"… [{len(text) - most:,} more characters, not shown again]"
    return text if len(text) <= most + len(note) else f"{text[:most]}{note}"


def _middle_out(text: str, most: int) -> str:
    """Return the beginning and the end of a text: the end of a log or an error says most."""
    if len(text) <= most:
        return text
    note = f"\n… [{len(text) - most:,} characters not shown: the window is too small] …\n"
    kept = max(0, most - len(note.encode()))
    return f"{text[: kept * 2 // 3]}{note}{text[len(text) - kept // 3 :]}"
