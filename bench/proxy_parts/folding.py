"""What a folded history still shows of the values that the next call needs, next to a window over the newest rounds.

Recorded runs that succeeded, none of them made here. A value counts if it is in the history before the call that uses
it; it is kept if it is in what the model is shown.
"""

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

from nebulus.core.answers import Message, RawCall
from nebulus.core.text import stands_in
from nebulus.transcript.fold import fold_history
from nebulus.transcript.rounds import rounds_of, with_results_in

ROOMS_BYTES = (3_000, 6_000, 12_000)
LEAST_CHARS = 4
"""Shorter values are in a text by chance."""


def leaves(value: object) -> Iterator[str]:
    """The texts and numbers of a call's arguments."""
    match value:
        case dict():
            for inner in value.values():
                yield from leaves(inner)
        case list():
            for inner in value:
                yield from leaves(inner)
        case str() | int() | float() if not isinstance(value, bool):
            yield str(value)
        case _:
            return


def agentdojo(folder: Path, *, is_right: bool = True) -> Iterator[list[Message]]:
    """The runs that solved the user's task, or the others."""
    with gzip.open(folder / "agentdojo_runs" / "dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if bool(record["utility"]) is is_right:
                yield list(_dojo_messages(record["messages"]))


def _dojo_messages(messages: list[dict]) -> Iterator[Message]:
    number, waiting = 0, list[str]()
    for message in messages:
        content = message.get("content") or ""
        text = content if isinstance(content, str) else json.dumps(content)
        if message["role"] == "tool":
            yield Message(
                "tool", text or str(message.get("error")), call_id=waiting.pop(0) if waiting else ""
            )
            continue
        calls = []
        for call in message.get("tool_calls") or ():
            number += 1
            calls.append(RawCall(call["function"], json.dumps(call["args"]), f"c{number}"))
        waiting = [call.call_id for call in calls]
        yield Message(message["role"], text, tuple(calls))


def gpt_oss(folder: Path, *, is_right: bool = True) -> Iterator[list[Message]]:
    """The multi-turn runs that BFCL found right, or the others."""
    with gzip.open(folder / "gpt_oss_traces" / "dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if bool(record["official_ok"]) is is_right:
                yield list(_oss_messages(record["turns"]))


def _oss_messages(turns: list[dict]) -> Iterator[Message]:
    number = 0
    for turn in turns:
        for message in turn["messages"]:
            yield Message("user", str(message["content"]))
        for step in turn["steps"]:
            calls = []
            for call in step["assistant"]:
                number += 1
                ((name, arguments),) = call.items()
                calls.append(RawCall(name, arguments, f"c{number}"))
            if calls:
                yield Message("assistant", "", tuple(calls))
                results = [*step["tool_results"], *[""] * len(calls)]
                for call, result in zip(calls, results, strict=False):
                    yield Message("tool", result, call_id=call.call_id)


def newest(messages: list[Message], room_bytes: int) -> list[Message]:
    """The usual window: instructions at the beginning, and the newest rounds that fit; the newest cut if it does not."""
    rounds = rounds_of(messages)
    head = [each for each in rounds[:2] if each.is_instruction]
    size = sum(each.size_bytes for each in head)
    kept: list[Message] = []
    for each in reversed(rounds[len(head) :]):
        size += each.size_bytes
        if size > room_bytes:
            kept = kept or list(with_results_in(each, each.size_bytes - size + room_bytes).messages)
            break
        kept = [*each.messages, *kept]
    return [message for each in head for message in each.messages] + kept


def text_of(messages: list[Message] | tuple[Message, ...]) -> str:
    """All that a model is shown of a history."""
    return "\n".join(
        [message.content for message in messages]
        + [call.arguments for message in messages for call in message.calls]
    )


def measure(folder: Path) -> dict:
    """The share of needed values that is kept, by room."""
    found: dict = {}
    runs = [*agentdojo(folder), *gpt_oss(folder)]
    for room in ROOMS_BYTES:
        counts = {"calls": 0, "values": 0, "folded": 0, "window": 0}
        for messages in runs:
            _measure_run(messages, room, counts)
        found[str(room)] = counts
    long = [message for n in range(100) for message in _turn(n)]
    began = time.process_time()
    for _ in range(20):
        fold_history(long, room_bytes=20_000)
    found["ms_for_200_messages_of_3_kb"] = (time.process_time() - began) / 20 * 1e3
    return found


def _turn(number: int) -> list[Message]:
    call = RawCall("read", f'{{"path": "file {number}"}}', f"c{number}")
    return [Message("assistant", "", (call,)), Message("tool", f"{number} " * 1000, call_id=f"c{number}")]


def _measure_run(messages: list[Message], room: int, counts: dict) -> None:
    for at, message in enumerate(messages):
        before = messages[:at]
        if not message.calls or sum(each.size_bytes for each in rounds_of(before)) <= room:
            continue
        whole, folded = text_of(before), text_of(fold_history(before, room_bytes=room).messages)
        window = text_of(newest(before, room))
        counts["calls"] += 1
        for call in message.calls:
            for value in _values(call):
                if len(value) >= LEAST_CHARS and stands_in(value, whole):
                    counts["values"] += 1
                    counts["folded"] += stands_in(value, folded)
                    counts["window"] += stands_in(value, window)


def _values(call: RawCall) -> list[str]:
    try:
        return list(leaves(json.loads(call.arguments)))
    except ValueError:  # the model wrote no JSON: there are no values
        return []
