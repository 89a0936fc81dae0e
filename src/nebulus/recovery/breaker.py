"""A circuit breaker: what failed several times in a row is not tried for a while.

Invariants: it is pure, the time is an argument; only failures of the other side count (no answer, a time-out, too
many requests), never errors of the request; after the rest, one attempt is allowed, and its result decides.
"""

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.failure import FailureKind

COUNTED = frozenset({FailureKind.THROTTLED, FailureKind.TRANSIENT, FailureKind.TIMEOUT})
"""Classes that say something about the other side, not about the request."""
LONGEST_REST_S = 600.0


class Breaker(Struct, frozen=True, kw_only=True):
    """The state of one backend or tool: its `failures` in a row, and the time until which it is not tried."""

    failures: int = 0
    rests: int = 0
    closed_until_s: float = 0.0


def after_success(_: Breaker) -> Breaker:
    """Return the breaker after a success."""
    return Breaker()


def after_failure(breaker: Breaker, kind: FailureKind, *, now_s: float, most: int, rest_s: float) -> Breaker:
    """Return the breaker after a failure; after `most` in a row it rests, each time twice as long.

    A failure of another class shows that the other side answers, so it resets the count.
    """
    if kind not in COUNTED:
        return Breaker()
    failures = breaker.failures + 1
    if failures < most:
        return replace(breaker, failures=failures)
    rest = min(rest_s * 2**breaker.rests, LONGEST_REST_S)
    return Breaker(failures=failures, rests=breaker.rests + 1, closed_until_s=now_s + rest)


def rest_left_s(breaker: Breaker, *, now_s: float) -> float:
    """Return how long it must not be tried, in seconds; 0.0 if it may be tried now."""
    return max(0.0, breaker.closed_until_s - now_s)
