"""Where the values of an answer were seen, on material that nobody here wrote: AgentDojo's recorded runs.

Each argument of a recorded call is looked for in what its model had been shown, by the runtime's rule and by a plain
one beside it: a value is there if a text contains it literally; it is a whole if it is a word of the text, blanks
and punctuation apart. What the runtime misses of the whole ones would be called a claim though it was seen; what it
finds beyond the literal ones are other forms of the same number.
"""

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from nebulus.memory.trace import contains, numbers_in

PUNCTUATION = " .,;:!?()[]{}<>'\"`*"


def traced(folder: str) -> list[dict[str, Any]]:
    """Print how often both rules agree, and return the rows; nothing where the data is not here."""
    data = Path(folder) / "agentdojo_runs" / "dev.jsonl.gz" if folder else None
    if data is None or not data.exists():
        print("skipped: NEBULUS_DATA names no folder with agentdojo_runs")
        return []
    kinds = ("text", "number")
    counts = {
        kind: dict.fromkeys(("values", "literal", "whole", "seen", "missed", "other"), 0) for kind in kinds
    }
    with gzip.open(data, "rt", encoding="utf-8") as lines:
        for line in lines:
            for value, shown in _values(json.loads(line)["messages"]):
                count = counts["text" if isinstance(value, str) else "number"]
                is_literal = any(str(value).lower() in text.lower() for text in shown)
                is_whole = any(_is_word(str(value).lower(), text.lower()) for text in shown)
                is_seen = any(_is_seen(value, text) for text in shown)
                count["values"] += 1
                count["literal"] += is_literal
                count["whole"] += is_whole
                count["seen"] += is_seen
                count["missed"] += is_whole and not is_seen
                count["other"] += is_seen and not is_literal
    print(
        "| values | count | there literally | as a whole | seen | whole, and missed | seen in another form |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|")
    rows = [{"kind": kind, **count} for kind, count in counts.items()]
    for row in rows:
        print("| {kind} | {values} | {literal} | {whole} | {seen} | {missed} | {other} |".format(**row))
    return rows


def _values(messages: list[dict[str, Any]]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Each scalar of each call, with the texts that had been shown before it."""
    shown: list[str] = []
    for message in messages:
        if message["role"] in ("user", "tool"):
            shown.append(str(message.get("content") or ""))
        for call in message.get("tool_calls") or ():
            for value in _scalars(call.get("args") or {}):
                yield value, tuple(shown)


def _scalars(value: Any) -> Iterator[Any]:
    match value:
        case dict():
            for inner in value.values():
                yield from _scalars(inner)
        case list():
            for inner in value:
                yield from _scalars(inner)
        case bool() | None | "":
            return
        case _:
            yield value


def _is_seen(value: Any, text: str) -> bool:
    if isinstance(value, str):
        return contains(text, value)
    return any(number == Decimal(str(value)) for number, _ in numbers_in(text))


def _is_word(value: str, text: str) -> bool:
    """Whether `value` is a word or a run of words of `text`, blanks and punctuation apart."""
    words = [word.strip(PUNCTUATION) for word in text.split()]
    wanted = [word.strip(PUNCTUATION) for word in value.split()]
    length = len(wanted)
    return bool(wanted) and any(words[at : at + length] == wanted for at in range(len(words) - length + 1))
