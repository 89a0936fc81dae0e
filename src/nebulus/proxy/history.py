"""A client's messages, arranged so that every chat template takes them.

Invariants: pure; each call has one result, directly after it; ids are unique; what is moved, added or shown as
something else is noted. Nothing is cut.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, field

from nebulus.core.answers import Message, RawCall

NO_RESULT = "(no result was returned)"
"""The result of a call that the client never answered."""


class _Turn(Struct):
    """One message of the result, in parts; `results` are those of its calls, by position."""

    role: Literal["system", "user", "assistant", "tool"]
    contents: list[str] = field(default_factory=list)
    calls: list[RawCall] = field(default_factory=list)
    call_id: str = ""
    results: dict[int, str] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        """Add what a message of the same role says."""
        self.contents += [message.content] if message.content else []
        self.calls += message.calls

    @property
    def message(self) -> Message:
        """The turn as one message."""
        return Message(self.role, "\n\n".join(self.contents), tuple(self.calls), self.call_id)


class _OpenCalls:
    """Calls that wait for their result, oldest first, found by their ids in constant time."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[int, tuple[_Turn, int]] = OrderedDict()
        self._by_id: defaultdict[str, deque[int]] = defaultdict(deque)
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, turn: _Turn, at: int) -> None:
        """Note that a call of `turn` waits: for a result with its id, or with the one that it had before it was renamed."""
        given = turn.calls[at].call_id
        self._waiting[self._count] = (turn, at)
        for name in {given, given.rpartition("_")[0]} - {""}:
            self._by_id[name].append(self._count)
        self._count += 1

    def give(self, result: Message) -> bool:
        """Give a result to the call that it answers; whether there is one.

        That is the oldest with its id, or the oldest if it has no id.
        """
        if result.call_id:
            numbers = self._by_id[result.call_id]
            while numbers and numbers[0] not in self._waiting:
                numbers.popleft()
            number = numbers[0] if numbers else None
        else:
            number = next(iter(self._waiting), None)
        if number is None:
            return False
        turn, at = self._waiting.pop(number)
        turn.results[at] = result.content
        return True


class _Ids:
    """The ids of calls that are taken, and how far each was numbered to make it unique."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._numbers: dict[str, int] = {}

    def own(self, call: RawCall) -> RawCall:
        """Return `call` with an id that no earlier call has: its own, if it can be."""
        wanted = call.call_id or f"call_{len(self._used)}"
        unique, number = wanted, self._numbers.get(wanted, 1)
        while unique in self._used:
            number += 1
            unique = f"{wanted}_{number}"
        self._numbers[wanted] = number
        self._used.add(unique)
        return call if unique == call.call_id else RawCall(call.name, call.arguments, unique)


def arranged(messages: Iterable[Message]) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Return `messages` in the order system, user, assistant, tool …, and notes on what was changed.

    System messages after the first other message become part of the user's: chat templates refuse them there.
    Messages of the same role in a row become one. A call without a result gets one that says so; a result without
    a call is shown as text of the user. The time is linear in the number of messages and calls.

    Source: the chat templates of Qwen, Mistral and Gemma, which refuse other orders.
    """
    given = tuple(messages)
    if _is_arranged(given):
        return given, ()
    system, rest = _without_system(given)
    turns: list[_Turn] = []
    notes: list[str] = []
    open_calls, ids = _OpenCalls(), _Ids()
    for message in rest:
        if message.role == "tool":
            if not open_calls.give(message):
                notes.append(f"a result without a call: {message.call_id or 'no id'}")
                _turn_for(_as_text(message), turns)
            continue
        if message.role == "assistant" and not message.calls and not message.content.strip():
            continue
        turn = _turn_for(message, turns)
        for at in range(len(turn.calls) - len(message.calls), len(turn.calls)):
            before, turn.calls[at] = turn.calls[at], ids.own(turn.calls[at])
            if before is not turn.calls[at]:
                notes.append(f"call id {before.call_id!r} became {turn.calls[at].call_id!r}")
            open_calls.add(turn, at)
    if open_calls:
        notes.append(f"calls without a result: {len(open_calls)}")
    head = [Message("system", system)] if system else []
    return (*head, *_flat(turns)), tuple(notes)


def _is_arranged(messages: tuple[Message, ...]) -> bool:
    """Whether nothing has to be changed: the usual case, in which a long history costs little."""
    used: set[str] = set()
    pending: deque[str] = deque()
    role = ""
    for at, message in enumerate(messages):
        before, role = role, message.role
        if role == "tool":
            if not pending or pending.popleft() != message.call_id:
                return False
            continue
        is_empty = not message.content and not message.calls
        if pending or role == before or is_empty or (role == "system" and at):
            return False
        if message.calls:
            pending = deque(call.call_id for call in message.calls)
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


def _turn_for(message: Message, turns: list[_Turn]) -> _Turn:
    """Return the turn that `message` is part of: the last one if its role is the same, else a new one."""
    if not turns or turns[-1].role != message.role or turns[-1].results:
        turns.append(_Turn(message.role, call_id=message.call_id))
    turns[-1].take(message)
    return turns[-1]


def _as_text(message: Message) -> Message:
    return Message("user", f"[result of call {message.call_id or '?'}]\n{message.content}")


def _flat(turns: Sequence[_Turn]) -> list[Message]:
    """Return the turns with the result of each call directly after it."""
    flat: list[Message] = []
    for turn in turns:
        flat.append(turn.message)
        flat.extend(
            Message("tool", turn.results.get(at, NO_RESULT), call_id=call.call_id)
            for at, call in enumerate(turn.calls)
        )
    return flat
