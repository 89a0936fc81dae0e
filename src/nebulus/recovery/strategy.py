"""The table that maps what went wrong, and how often, to a recovery strategy.

Invariants: every retry waits or changes something; each class has its own budget; when a row has nothing left, the
run stops with a failure. A row is read from left to right; moves that are not possible here are skipped.
"""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from msgspec import Struct

from nebulus.core.failure import Failure, FailureKind
from nebulus.core.findings import Finding, FindingKind
from nebulus.core.limits import Limits
from nebulus.core.strategy import (
    AskAgain,
    AskPersonFirst,
    Escalate,
    GiveUp,
    OtherTool,
    Replan,
    Reread,
    Side,
    Strategy,
    WaitAndRetry,
)


class Move(StrEnum):
    """What can be done about a failure, the least costly first."""

    WAIT = "wait"
    """Wait, then do exactly the same again."""
    ASK = "ask"
    """Ask the model again, with what was wrong in one line, and another temperature and seed."""
    REREAD = "reread"
    """Let the model read the world, with reading tools only, before it changes anything."""
    OTHER_TOOL = "other_tool"
    """Offer the tool no more for the rest of the step."""
    ESCALATE = "escalate"
    """Give the step to the next tier, with what was tried; the step after it begins with the first tier again."""
    REPLAN = "replan"
    """Ask the planning tier for new steps from here on; finished ones stay finished."""
    PERSON = "person"
    """Ask a person whether the cause is fixed."""
    STOP = "stop"


LIGHT = frozenset({Move.WAIT, Move.ASK, Move.REREAD, Move.OTHER_TOOL})
"""Moves that stay on the same tier and plan; `wait 4` means up to four of them."""

MODEL: Mapping[FailureKind, str] = MappingProxyType(
    {
        FailureKind.THROTTLED: "wait 6, escalate, stop",
        FailureKind.TRANSIENT: "wait 4, escalate, stop",
        FailureKind.TIMEOUT: "wait 2, escalate, stop",
        FailureKind.MALFORMED_ANSWER: "ask 2, escalate, replan, stop",
        FailureKind.FORM_IGNORED: "ask 2, escalate, stop",
        FailureKind.TRUNCATED: "ask 2, escalate, replan, stop",
        FailureKind.EMPTY: "ask 2, escalate, stop",
        FailureKind.INVALID_ARGUMENTS: "ask 2, escalate, replan, stop",
        FailureKind.CHECK_FAILED: "ask 2, escalate, replan, stop",
        FailureKind.NO_PROGRESS: "ask 1, escalate, replan, stop",
        FailureKind.DISAGREEMENT: "stop",
        FailureKind.DISHONEST_CLAIM: "ask 1, escalate, stop",
        FailureKind.PROMPT_TOO_LARGE: "escalate, stop",
        FailureKind.PROMPT_CUT: "escalate, stop",
        FailureKind.TOOLS_DROPPED: "escalate, stop",
        FailureKind.NOT_FOUND: "escalate, stop",
        FailureKind.CONFLICT: "wait 2, escalate, stop",
        FailureKind.PERMISSION: "escalate, stop",
        FailureKind.POLICY_REFUSAL: "escalate, stop",
        FailureKind.EXHAUSTED_BUDGET: "escalate, stop",
        FailureKind.UNKNOWN_OUTCOME: "escalate, stop",
        FailureKind.PERMANENT: "escalate, stop",
        FailureKind.OURS: "escalate, stop",
    }
)
"""What is done about a model server that failed, or an answer that can't be used."""

TOOL: Mapping[FailureKind, str] = MappingProxyType(
    {
        FailureKind.THROTTLED: "wait 6, other_tool 1, replan, stop",
        FailureKind.TRANSIENT: "wait 4, other_tool 1, replan, stop",
        FailureKind.TIMEOUT: "wait 2, other_tool 1, replan, stop",
        FailureKind.MALFORMED_ANSWER: "wait 3, other_tool 1, replan, stop",
        FailureKind.TRUNCATED: "wait 3, other_tool 1, replan, stop",
        FailureKind.EMPTY: "wait 3, other_tool 1, replan, stop",
        FailureKind.DISHONEST_CLAIM: "wait 3, other_tool 1, replan, stop",
        FailureKind.INVALID_ARGUMENTS: "ask 3, escalate, replan, stop",
        FailureKind.NOT_FOUND: "ask 2, other_tool 1, escalate, replan, stop",
        FailureKind.CONFLICT: "reread 2, ask 2, escalate, replan, stop",
        FailureKind.PERMISSION: "other_tool 1, ask 1, person, stop",
        FailureKind.POLICY_REFUSAL: "other_tool 1, ask 1, stop",
        FailureKind.EXHAUSTED_BUDGET: "other_tool 1, person, stop",
        FailureKind.UNKNOWN_OUTCOME: "person, stop",
        FailureKind.CHECK_FAILED: "ask 2, escalate, replan, stop",
        FailureKind.NO_PROGRESS: "ask 1, escalate, replan, stop",
        FailureKind.DISAGREEMENT: "stop",
        FailureKind.PROMPT_TOO_LARGE: "ask 1, other_tool 1, stop",
        FailureKind.PROMPT_CUT: "ask 1, stop",
        FailureKind.TOOLS_DROPPED: "ask 1, stop",
        FailureKind.FORM_IGNORED: "ask 1, stop",
        FailureKind.PERMANENT: "ask 2, other_tool 1, escalate, replan, stop",
        FailureKind.OURS: "other_tool 1, ask 1, stop",
    }
)
"""What is done about a tool that failed."""

_TABLES: Mapping[Side, Mapping[FailureKind, str]] = MappingProxyType({"model": MODEL, "tool": TOOL})


class History(Struct, frozen=True, kw_only=True):
    """What happened before: failures of this class (`seen`) and of any class (`total`) on this tier in this step.

    `possible` are the moves that can be made here; `is_repeated`: the same failure has happened before.
    """

    seen: int = 0
    total: int = 0
    possible: Collection[Move] = frozenset(Move)
    is_repeated: bool = False


def row_of(side: Side, kind: FailureKind, limits: Limits) -> tuple[tuple[Move, int], ...]:
    """Return the moves for `kind`, in order, each with how often it may be made."""
    return read_row(limits.strategies.get(f"{side}.{kind.value}") or _TABLES[side][kind])


@lru_cache(maxsize=256)
def read_row(text: str) -> tuple[tuple[Move, int], ...]:
    """Return the moves in a row like "wait 4, escalate, stop".

    Raises:
        ValueError: a part is not a move, or has a number where none is allowed.
    """
    row = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([a-z_]+)(?:\s+(\d{1,3}))?\s*", part)
        if match is None or match[1] not in set(Move):
            raise ValueError(f"{part.strip()!r} is not a move; use {', '.join(Move)}, some with a number")
        move = Move(match[1])
        if match[2] and move not in LIGHT:
            raise ValueError(f"{part.strip()!r}: {move.value} takes no number")
        row.append((move, int(match[2] or 1)))
    return tuple(row)


def check_overrides(limits: Limits) -> str:
    """Return what is wrong with the overrides of `limits`, "" if nothing is."""
    for name, text in limits.strategies.items():
        side, _, kind = name.partition(".")
        if side not in _TABLES or kind not in set(FailureKind):
            return f"{name!r} is not a row; write model.CLASS or tool.CLASS, with one of {', '.join(FailureKind)}"
        try:
            read_row(text)
        except ValueError as error:
            return f"{name}: {error}"
    return ""


def for_finding(
    finding: Finding, *, before: tuple[Finding, ...], history: History, limits: Limits
) -> Strategy:
    """Decide what to do about an answer that could not be used; `before` are this tier's earlier findings.

    The same finding twice goes to the next tier where there is one; a third attempt is the last.
    """
    kind = class_of(finding)
    known = History(
        seen=sum(class_of(earlier) is kind for earlier in before),
        total=len(before),
        possible=history.possible,
        is_repeated=any(_is_same(finding, earlier) for earlier in before),
    )
    move = _next_move(row_of("model", kind, limits), known, most=limits.attempts)
    return _strategy(move, seconds=0.0)


def for_model_failure(failure: Failure, *, history: History, limits: Limits) -> Strategy:
    """Decide what to do about a backend that gave no usable answer."""
    move = _next_move(row_of("model", failure.kind, limits), history, most=limits.retries)
    return _strategy(move, seconds=wait_s(failure, history.seen, limits))


def for_tool_failure(failure: Failure, *, history: History, limits: Limits) -> Strategy:
    """Decide what to do about a tool that failed."""
    move = _next_move(row_of("tool", failure.kind, limits), history, most=limits.tool_errors)
    return _strategy(move, seconds=wait_s(failure, history.seen, limits))


def wait_s(failure: Failure, retries: int, limits: Limits) -> float:
    """Return how long to wait, in seconds: what the server asked for, else doubling from the first wait."""
    if failure.retry_after_s > 0:
        return min(failure.retry_after_s, limits.longest_retry_after_s)
    return float(min(limits.first_wait_s * 2**retries, limits.longest_wait_s))


_CLASSES: Mapping[FindingKind, FailureKind] = MappingProxyType(
    {
        FindingKind.EMPTY: FailureKind.EMPTY,
        FindingKind.TRUNCATED: FailureKind.TRUNCATED,
        FindingKind.CHECK_FAILED: FailureKind.CHECK_FAILED,
        FindingKind.UNUSED: FailureKind.CHECK_FAILED,
        FindingKind.MISSING: FailureKind.CHECK_FAILED,
        FindingKind.INVALID_ARGUMENTS: FailureKind.INVALID_ARGUMENTS,
        FindingKind.UNGROUNDED: FailureKind.INVALID_ARGUMENTS,
        FindingKind.ARGUMENT_MISMATCH: FailureKind.INVALID_ARGUMENTS,
        FindingKind.REFUSED: FailureKind.POLICY_REFUSAL,
        FindingKind.NO_PROGRESS: FailureKind.NO_PROGRESS,
        FindingKind.GAVE_UP: FailureKind.NO_PROGRESS,
        FindingKind.ASKED: FailureKind.NO_PROGRESS,
        FindingKind.DISHONEST_CLAIM: FailureKind.DISHONEST_CLAIM,
    }
)


def class_of(finding: Finding) -> FailureKind:
    """Return the class of failure that a finding belongs to."""
    return _CLASSES.get(finding.kind, FailureKind.MALFORMED_ANSWER)


def _next_move(row: tuple[tuple[Move, int], ...], history: History, *, most: int) -> Move:
    """Return the next move of `row`: the light ones by count, then the first other one that is possible.

    A move to another tier, plan or person resets the count, so each of them is bounded on its own.
    """
    light = [move for move, times in row if move in LIGHT and move in history.possible for _ in range(times)]
    is_stuck = history.is_repeated and Move.ESCALATE in history.possible
    if history.seen < len(light) and history.total + 1 < most and not is_stuck:
        return light[history.seen]
    heavy = (move for move, _ in row if move not in LIGHT and move in history.possible)
    return next(heavy, Move.STOP)


def _strategy(move: Move, *, seconds: float) -> Strategy:
    match move:
        case Move.WAIT:
            return WaitAndRetry(seconds)
        case Move.ASK:
            return AskAgain()
        case Move.REREAD:
            return Reread()
        case Move.OTHER_TOOL:
            return OtherTool()
        case Move.ESCALATE:
            return Escalate()
        case Move.REPLAN:
            return Replan()
        case Move.PERSON:
            return AskPersonFirst()
        case Move.STOP:
            return GiveUp()


def _is_same(one: Finding, other: Finding) -> bool:
    return (one.kind, one.tool, one.where, one.value) == (other.kind, other.tool, other.where, other.value)


RESTATED = frozenset(
    {
        FindingKind.INVALID_ARGUMENTS,
        FindingKind.UNGROUNDED,
        FindingKind.ARGUMENT_MISMATCH,
    }
)
"""Findings after which only the arguments are requested again."""
