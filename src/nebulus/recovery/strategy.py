"""The table from what went wrong to what is done about it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from msgspec import Struct

from nebulus.core.failure import Failure, FailureKind
from nebulus.core.findings import Finding, FindingKind


class AskAgain(Struct, frozen=True, tag=True):
    """Ask the same tier again, with something changed and the finding said in one line."""


class WaitAndRetry(Struct, frozen=True, tag=True):
    """Let `seconds` pass, then do the same again."""

    seconds: float


class Escalate(Struct, frozen=True, tag=True):
    """Hand the step to the next tier."""


class GiveUp(Struct, frozen=True, tag=True):
    """Stop loudly: nothing is left to try."""


Strategy: TypeAlias = AskAgain | WaitAndRetry | Escalate | GiveUp


class Limits(Struct, frozen=True, kw_only=True):
    """How much is tried. Counts are per step; `attempts` counts answers with a finding per tier.

    Waits double from `first_wait_s` up to `longest_wait_s`; a server's own Retry-After wins, capped by
    `longest_retry_after_s`. Source of 3 attempts: three retries handle most malformed answers of 8B
    models; more repeat the error.
    """

    attempts: int = 3
    refusals: int = 3
    calls: int = 20
    tool_errors: int = 4
    retries: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    longest_retry_after_s: float = 3600.0


WAITED_OUT = frozenset({FailureKind.THROTTLED, FailureKind.TRANSIENT, FailureKind.TIMEOUT})
"""Classes that time may cure."""
OUTGROWN = frozenset({FailureKind.PROMPT_TOO_LARGE, FailureKind.PROMPT_CUT})
"""Classes that a larger window may cure."""
ASKED_AGAIN: Mapping[FailureKind, bool] = MappingProxyType(
    {
        FailureKind.FORM_IGNORED: True,
        FailureKind.MALFORMED_ANSWER: True,
        FailureKind.EMPTY: True,
        FailureKind.TRUNCATED: True,
    }
)
"""Classes of a backend's failure that a changed request may cure."""


def for_finding(finding: Finding, *, before: tuple[Finding, ...], has_next_tier: bool, limits: Limits) -> Strategy:
    """Decide what to do about an answer that could not be used; `before` are this tier's earlier findings.

    The same finding twice goes to the next tier where there is one; a third attempt is the last.
    """
    is_repeated = any(_is_same(finding, earlier) for earlier in before)
    if has_next_tier and (is_repeated or len(before) + 1 >= limits.attempts):
        return Escalate()
    return AskAgain() if len(before) + 1 < limits.attempts else GiveUp()


def for_model_failure(failure: Failure, *, retries: int, has_next_tier: bool, limits: Limits) -> Strategy:
    """Decide what to do about a backend that gave no usable answer, after `retries` of the same step."""
    if failure.kind in OUTGROWN:
        return Escalate() if has_next_tier else GiveUp()
    if retries < limits.retries and failure.kind in WAITED_OUT:
        return WaitAndRetry(wait_s(failure, retries, limits))
    if retries < limits.attempts and failure.kind in ASKED_AGAIN:
        return AskAgain()
    return Escalate() if has_next_tier else GiveUp()


def for_tool_failure(failure: Failure, *, errors: int, has_next_tier: bool, limits: Limits) -> Strategy:
    """Decide what to do about a tool that did not do its work, after `errors` earlier errors in the step."""
    if errors + 1 >= limits.tool_errors:
        return Escalate() if has_next_tier else GiveUp()
    if failure.kind in WAITED_OUT:
        return WaitAndRetry(wait_s(failure, errors, limits))
    return AskAgain()


def wait_s(failure: Failure, retries: int, limits: Limits) -> float:
    """Return how long to wait, in seconds: the server's own word, else doubling from the first wait."""
    if failure.retry_after_s > 0:
        return min(failure.retry_after_s, limits.longest_retry_after_s)
    return float(min(limits.first_wait_s * 2**retries, limits.longest_wait_s))


def _is_same(one: Finding, other: Finding) -> bool:
    return (one.kind, one.tool, one.where, one.value) == (other.kind, other.tool, other.where, other.value)


RESTATED = frozenset({FindingKind.INVALID_ARGUMENTS, FindingKind.UNGROUNDED})
"""Findings after which only the arguments are asked for again."""
