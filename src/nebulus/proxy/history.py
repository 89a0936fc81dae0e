"""A client's messages, arranged so that every chat template takes them.

Invariants: pure; each call has one result, directly after it; ids are unique; what is moved, added or shown as
something else is noted. Nothing is cut.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from nebulus.core.answers import Message, RawCall

NO_RESULT = "(no result was returned)"
"""The result of a call that the client never answered."""


class _Turn(Struct):
    """One message of the result; `results` are those of its calls, by position."""

    message: Message
    results: dict[int, str] = field(default_factory=dict)


def arranged(messages: Iterable[Message]) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Return `messages` in the order system, user, assistant, tool …, and notes on what was changed.

    System messages after the first other message become part of the user's: chat templates refuse them there.
    Messages of the same role in a row become one. A call without a result gets one that says so; a result without
    a call is shown as text of the user.

    Source: the chat templates of Qwen, Mistral and Gemma, which refuse other orders.
    """
    given = tuple(messages)
    if _is_arranged(given):
        return given, ()
    system, rest = _without_system(given)
    turns: list[_Turn] = []
    notes: list[str] = []
    open_calls: list[tuple[_Turn, int]] = []
    used: set[str] = set()
    for message in rest:
        if message.role == "tool":
            if not _is_taken(message, open_calls):
                notes.append(f"a result without a call: {message.call_id or 'no id'}")
                _merged(_as_text(message), turns)
            continue
        if message.role == "assistant" and not message.calls and not message.content.strip():
            continue
        turn = _merged(message, turns)
        first = len(turn.message.calls) - len(message.calls)
        turn.message, renamed = _with_own_ids(turn.message, first, used)
        notes.extend(renamed)
        open_calls.extend((turn, at) for at in range(first, len(turn.message.calls)))
    if open_calls:
        notes.append(f"calls without a result: {len(open_calls)}")
    head = [Message("system", system)] if system else []
    return (*head, *_flat(turns)), tuple(notes)


def _is_arranged(messages: tuple[Message, ...]) -> bool:
    """Whether nothing has to be changed: the usual case, in which a long history costs little."""
    used: set[str] = set()
    pending: list[str] = []
    role = ""
    for at, message in enumerate(messages):
        before, role = role, message.role
        if role == "tool":
            if not pending or pending.pop(0) != message.call_id:
                return False
            continue
        is_empty = not message.content and not message.calls
        if pending or role == before or is_empty or (role == "system" and at):
            return False
        if message.calls:
            pending = [call.call_id for call in message.calls]
            used.update(pending)
            if "" in pending or len(set(pending)) < len(pending):
                return False
    count = sum(len(message.calls) for message in messages)
    return not pending and len(used) == count


def _without_system(messages: Iterable[Message]) -> tuple[str, list[Message]]:
    """Return the instructions at the beginning, and the rest with later ones as the user's messages."""
    system: list[str] = []
    rest: list[Message] = []
    for message in messages:
        if message.role != "system":
            rest.append(message)
        elif not message.content.strip():
            continue
        elif rest:
            rest.append(Message("user", f"[system]\n{message.content}"))
        else:
            system.append(message.content)
    return "\n\n".join(system), rest


def _merged(message: Message, turns: list[_Turn]) -> _Turn:
    """Return the turn that `message` is part of: the last one if its role is the same, else a new one."""
    last = turns[-1] if turns else None
    if last is None or last.message.role != message.role or last.results:
        turns.append(_Turn(message))
        return turns[-1]
    contents = [content for content in (last.message.content, message.content) if content]
    last.message = Message(
        last.message.role, "\n\n".join(contents), (*last.message.calls, *message.calls), last.message.call_id
    )
    return last


def _with_own_ids(message: Message, first: int, used: set[str]) -> tuple[Message, list[str]]:
    """Return `message` with calls from `first` on renamed whose ids are missing or taken."""
    calls: list[RawCall] = list(message.calls)
    notes = []
    for at in range(first, len(calls)):
        wanted = calls[at].call_id or f"call_{len(used)}"
        unique, number = wanted, 1
        while unique in used:
            number += 1
            unique = f"{wanted}_{number}"
        if unique != calls[at].call_id:
            notes.append(f"call id {calls[at].call_id!r} became {unique!r}")
        used.add(unique)
        calls[at] = RawCall(calls[at].name, calls[at].arguments, unique)
    return replace(message, calls=tuple(calls)), notes


def _is_taken(message: Message, open_calls: list[tuple[_Turn, int]]) -> bool:
    """Give a result to the call that it answers; whether there is one.

    That is the oldest open one with its id, or the oldest if it has no id.
    """
    for position, (turn, at) in enumerate(open_calls):
        given = turn.message.calls[at].call_id
        if not message.call_id or given == message.call_id or given.rpartition("_")[0] == message.call_id:
            turn.results[at] = message.content
            del open_calls[position]
            return True
    return False


def _as_text(message: Message) -> Message:
    return Message("user", f"[result of call {message.call_id or '?'}]\n{message.content}")


def _flat(turns: Sequence[_Turn]) -> list[Message]:
    """Return the turns with the result of each call directly after it."""
    flat: list[Message] = []
    for turn in turns:
        flat.append(turn.message)
        flat.extend(
            Message("tool", turn.results.get(at, NO_RESULT), call_id=call.call_id)
            for at, call in enumerate(turn.message.calls)
        )
    return flat
