"""A breaker: what failed several times in a row is left alone for a while.

Laws: pure, the time is given; only failures of the thing itself count (no answer, no time, too much
asked), never what it was asked for; after the rest one attempt is let through, and its result decides.
"""

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.failure import FailureKind

COUNTED = frozenset({FailureKind.THROTTLED, FailureKind.TRANSIENT, FailureKind.TIMEOUT})
"""Classes that say something about the other side, and nothing about the request."""
LONGEST_REST_S = 600.0


class Breaker(Struct, frozen=True, kw_only=True):
    """The state of one backend or tool. `failures` in a row; closed to calls until `closed_until_s`."""

    failures: int = 0
    rests: int = 0
    closed_until_s: float = 0.0


def after_success(_: Breaker) -> Breaker:
    """Return the breaker after it was seen to work."""
    return Breaker()


def after_failure(breaker: Breaker, kind: FailureKind, *, now_s: float, most: int, rest_s: float) -> Breaker:
    """Return the breaker after a failure; after `most` in a row it rests, each time twice as long.

    A failure of another class shows that the other side answers, and begins the count anew.
    """
    if kind not in COUNTED:
        return Breaker()
    failures = breaker.failures + 1
    if failures < most:
        return replace(breaker, failures=failures)
    rest = min(rest_s * 2**breaker.rests, LONGEST_REST_S)
    return Breaker(failures=failures, rests=breaker.rests + 1, closed_until_s=now_s + rest)


def rest_left_s(breaker: Breaker, *, now_s: float) -> float:
    """Return for how long it must still be left alone, in seconds; 0.0 if it may be tried."""
    return max(0.0, breaker.closed_until_s - now_s)
