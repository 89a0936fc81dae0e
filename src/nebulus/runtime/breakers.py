"""The circuit breakers of a process: one for each backend and each tool, shared by its runs.

Invariant: while one is open, nothing is sent; the refusal says for how long, and the machine waits durably.
"""

from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.limits import Limits
from nebulus.recovery.breaker import Breaker, after_failure, after_success, rest_left_s


class Breakers:
    """Breakers by name ("tier small", "tool fetch"). Times are seconds on the world's clock."""

    def __init__(self, limits: Limits | None = None) -> None:
        known = limits or Limits()
        self._most, self._rest_s = known.breaker_failures, known.breaker_rest_s
        self._breakers: dict[str, Breaker] = {}

    def refusal(self, name: str, *, fault: Fault, now_s: float) -> Failure | None:
        """Return why `name` is not tried now, or None if it may be tried."""
        breaker = self._breakers.get(name)
        left = rest_left_s(breaker, now_s=now_s) if breaker else 0.0
        if breaker is None or not left:
            return None
        return Failure(
            kind=FailureKind.THROTTLED,
            fault=fault,
            what=f"{name} is not tried for now: it failed {breaker.failures} times in a row",
            retry_after_s=round(left, 3),
            fix="check whether it is up",
        )

    def saw(self, name: str, failure: Failure | None, *, now_s: float) -> None:
        """Record how an attempt ended."""
        if failure is None:
            if name in self._breakers:
                self._breakers[name] = after_success(self._breakers[name])
            return
        known = self._breakers.get(name, Breaker())
        self._breakers[name] = after_failure(
            known, failure.kind, now_s=now_s, most=self._most, rest_s=self._rest_s
        )
