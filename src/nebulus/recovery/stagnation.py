"""Detects whether a step still makes progress: by fingerprints of call, result and state, never by words.

Invariants: a call that would repeat what gave nothing new is blocked before it is made, not warned about; after any
change of the world, everything may be read again; what says that it is still under way may be read more often than
what is settled.
"""

import re
from collections.abc import Iterable
from itertools import takewhile
from typing import Any

from msgspec.structs import replace

from nebulus.core.digest import short_digest
from nebulus.core.findings import Call
from nebulus.core.history import VALUE_CHARS, CallHistory, CallRecord
from nebulus.core.tools import ToolSpec

SAME_CALLS = 2
"""The same call with the same result, nothing changed in between: the third is blocked."""
SAME_POLLS = 8
"""The same limit where the result says that something is still under way."""
SAME_CHANGES = 1
"""The same change again, no other in between: the second is blocked, whatever the first returned."""
SAME_RESULTS = 4
"""Different calls of one tool with the same result: the fifth is blocked."""
NO_NEWS = 10
"""Calls in a row that change nothing and return only what was seen before."""
ALREADY_DONE = "the same change was already made in this step, and no other since"
LONGEST_CYCLE = 6
KEPT = 64
"""How many calls are remembered: several rounds of the longest cycle."""

_UNDER_WAY = re.compile(
    r"\b(pending|queued|running|in[ _-]progress|processing|not (?:yet )?(?:ready|finished|done|complete)|"
    r"waiting|starting|building|scheduled)\b",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")
_CLOCK = re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?\b|\b\d\d:\d\d:\d\d\b")


def recorded(
    call: Call,
    spec: ToolSpec,
    *,
    step: int,
    result: str,
    history: CallHistory,
    is_error: bool = False,
    is_lost: bool = False,
) -> CallRecord:
    """Return the record of a call of `step` that ran; `history` contains the earlier calls of the step."""
    return CallRecord(
        call_id=call.call_id,
        step=step,
        tool=call.tool,
        effect=spec.effect,
        call_digest=call_print(call.tool, call.arguments),
        result_digest=result_print(result),
        arguments_text=arguments_line(call.arguments.values()),
        is_error=is_error,
        is_lost=is_lost,
        is_under_way=bool(_UNDER_WAY.search(result[:400])),
        world_version=history.changes,
    )


def with_record(history: CallHistory, record: CallRecord) -> CallHistory:
    """Return `history` with a call that ran; a failed call has changed nothing."""
    is_new = record.is_change and not any(
        (old.call_digest, old.result_digest) == (record.call_digest, record.result_digest)
        for old in history.records
        if old.is_change
    )
    return CallHistory((*history.records, record)[-KEPT:], history.changes + is_new)


def arguments_line(values: Iterable[object]) -> str:
    """Return the values of a call's arguments in one bounded line."""
    return " ".join(str(value)[:VALUE_CHARS] for value in values)[:1000]


def changed(history: CallHistory) -> CallHistory:
    """Return `history` after the world was changed by somebody else, or time was let pass for it."""
    return replace(history, changes=history.changes + 1)


def blocked(
    history: CallHistory, tool: str, arguments: dict[str, Any], *, same_calls: int = SAME_CALLS
) -> str:
    """Return why one more call would give nothing new, or "" if it might.

    `same_calls` is how often a call that only reads may be made while nothing changes.
    """
    call = call_print(tool, arguments)
    return (
        _same_change(history, call)
        or _same_call(history, call, same_calls)
        or _cycle(history, call)
        or _same_result(history, tool)
        or _no_news(history)
    )


def repeated(history: CallHistory, tool: str, arguments: dict[str, Any], *, same_calls: int) -> str:
    """Return why one more call would repeat what was done, or "" if it would not.

    For histories in which nobody knows what the tools do: only the same calls with the same results count.
    """
    call = call_print(tool, arguments)
    return _same_call(history, call, same_calls) or _cycle(history, call)


def call_print(tool: str, arguments: dict[str, Any]) -> str:
    """Return the fingerprint of a call, ignoring white space and the order of keys."""
    return short_digest([tool, _plain(arguments)])


def result_print(text: str) -> str:
    """Return the fingerprint of a result, ignoring white space and the time of day."""
    return short_digest(_SPACE.sub(" ", _CLOCK.sub("@", text)).strip())


def _same_call(history: CallHistory, call: str, same_calls: int) -> str:
    """The same call since the last change, its last results all the same."""
    same = [
        made
        for made in history.records
        if made.call_digest == call and made.world_version == history.changes and not made.is_change
    ]
    most = SAME_POLLS if same and same[-1].is_under_way else same_calls
    last = same[-most:]
    if len(last) < most or len({made.result_digest for made in last}) > 1:
        return ""
    times = "once" if len(same) == 1 else f"{len(same)} times with the same result"
    return f"this call was made {times}, and nothing has changed since"


def _same_change(history: CallHistory, call: str) -> str:
    """The same change several times, with no other change in between."""
    last = list(
        takewhile(
            lambda made: made.call_digest == call, (m for m in reversed(history.records) if m.is_change)
        )
    )
    return "" if len(last) < SAME_CHANGES else ALREADY_DONE


def _cycle(history: CallHistory, call: str) -> str:
    """Two whole rounds of the same calls with the same results, and a third about to begin.

    Rounds in which something is still under way may go on; rounds that change the world back and forth are a cycle.
    """
    for period in range(2, LONGEST_CYCLE + 1):
        rounds = history.records[-2 * period :]
        if len(rounds) < 2 * period or rounds[0].call_digest != call:
            continue
        first, second = rounds[:period], rounds[period:]
        if [(m.call_digest, m.result_digest) for m in first] != [
            (m.call_digest, m.result_digest) for m in second
        ]:
            continue
        if all(made.is_under_way for made in rounds):
            continue
        return f"the last {period} calls were made twice in the same order with the same results"
    return ""


def _same_result(history: CallHistory, tool: str) -> str:
    """Calls of one tool that differ and return the same."""
    last = history.records[-SAME_RESULTS:]
    is_alike = len({made.result_digest for made in last}) == 1 and all(
        made.tool == tool and not made.is_change and not made.is_under_way for made in last
    )
    if len(last) < SAME_RESULTS or not is_alike or len({made.call_digest for made in last}) < 2:
        return ""
    return f"{len(last)} calls of {tool} in a row, with different arguments, returned the same result"


def _no_news(history: CallHistory) -> str:
    """Calls in a row that changed nothing and returned only what had been seen in this state."""
    seen: set[tuple[str, int]] = set()
    idle = 0
    for made in history.records:
        is_news = (made.result_digest, made.world_version) not in seen and not made.is_error
        idle = 0 if is_news or made.is_change or made.is_under_way else idle + 1
        seen.add((made.result_digest, made.world_version))
    return f"{idle} calls in a row returned nothing new" if idle >= NO_NEWS else ""


def _plain(value: Any) -> Any:
    match value:
        case str():
            return _SPACE.sub(" ", value).strip()
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _:
            return value
