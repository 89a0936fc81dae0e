"""Folds a long history: the newest rounds whole, older ones by their beginnings, the oldest only counted.

A round is shortened when the history no longer fits, and then several at once, down to a part of the room: so the next
rounds are only added, and a prompt begins as the one before it did. The decision is made again from the first round on
at every request, and comes out the same.
"""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.answers import Message
from nebulus.transcript.rounds import Round, rounds_of, shortened, with_results_in

SLACK = 0.8
"""How much of the room a history takes after it was shortened."""
LINE_BYTES = 400
"""Room for the line about what was left out."""


class FoldedHistory(Struct, frozen=True, kw_only=True):
    """A history that fits, if its instructions do; and how many rounds were shortened, left out or cut for that."""

    messages: tuple[Message, ...]
    shortened: int = 0
    left_out: int = 0
    cut: int = 0

    @property
    def note(self) -> str:
        """What was done, in words; "" if nothing was."""
        counts = (
            (self.shortened, "older rounds were shortened"),
            (self.left_out, "oldest rounds were left out"),
            (self.cut, "newest results were cut"),
        )
        return ", ".join(f"{count} {what}" for count, what in counts if count)


def fold_history(messages: Sequence[Message], *, room_bytes: int) -> FoldedHistory:
    """Return `messages` within `room_bytes`; as they are if they fit.

    What people and programs wrote is kept whole, so the result is larger than the room if that alone is.
    """
    rounds = rounds_of(messages)
    if sum(each.size_bytes for each in rounds) <= room_bytes:
        return FoldedHistory(messages=tuple(messages))
    short, left = _places(rounds, room_bytes)
    if left:
        room_bytes = max(0, room_bytes - LINE_BYTES)
        short, left = _places(rounds, room_bytes)
    shown = [each if at >= short else shortened(each) for at, each in enumerate(rounds)]
    gone = [each for at, each in enumerate(rounds) if at < left and not each.is_instruction]
    kept = [each for at, each in enumerate(shown) if at >= left or each.is_instruction]
    over = sum(each.size_bytes for each in kept) - room_bytes
    cut = 0
    if over > 0 and kept:
        newest = with_results_in(kept[-1], kept[-1].size_bytes - over)
        cut = int(newest != kept[-1])
        kept[-1] = newest
    return FoldedHistory(
        messages=_joined(kept, gone),
        shortened=sum(not each.is_instruction for each in rounds[left:short]),
        left_out=len(gone),
        cut=cut,
    )


def _places(rounds: Sequence[Round], room_bytes: int) -> tuple[int, int]:
    """Return before which round all are shortened, and before which all are left out.

    Both grow with the history and depend only on what came before: each is moved when a round is added that does not
    fit, and the round that is added is never shortened for itself.
    """
    brief = [shortened(each).size_bytes for each in rounds]
    target = int(room_bytes * SLACK)
    size = short = left = 0
    for at, each in enumerate(rounds):
        size += each.size_bytes
        if size <= room_bytes:
            continue
        while short < at and size > target:
            size -= rounds[short].size_bytes - brief[short]
            short += 1
        while left < short and size > target:
            size -= 0 if rounds[left].is_instruction else brief[left]
            left += 1
    return short, left


def _joined(kept: Sequence[Round], gone: Sequence[Round]) -> tuple[Message, ...]:
    """Return the messages, neighbours of the user's as one, with a line about what was left out."""
    messages: list[Message] = []
    for each in kept:
        first = each.messages[0]
        if messages and first.role == "user" == messages[-1].role:
            messages[-1] = replace(messages[-1], content=f"{messages[-1].content}\n\n{first.content}")
            continue
        messages.extend(each.messages)
    if gone:
        place = next((at for at, message in enumerate(messages) if message.role == "user"), None)
        line = _line(gone)
        if place is None:
            messages.insert(int(bool(messages) and messages[0].role == "system"), Message("user", line))
        else:
            messages[place] = replace(messages[place], content=f"{messages[place].content}\n\n{line}")
    return tuple(messages)


def _line(gone: Sequence[Round]) -> str:
    calls = Counter(call.name for each in gone for message in each.messages for call in message.calls)
    made = ", ".join(f"{name} {count} times" if count > 1 else name for name, count in calls.items())
    return (
        f"[{len(gone)} earlier turns of the assistant are not shown{f'; they called {made}' if made else ''}]"
    )
