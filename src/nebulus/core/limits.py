"""How often a run tries before it gives up."""

from msgspec import Struct, field


class Limits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How often a run tries. Counts are per step, unless a field says otherwise.

    `attempts`, `tool_errors` and `retries` apply on top of the rows of the strategy table, whatever the class
    of the failure.
    """

    attempts: int = 3
    """Answers with a finding, per tier.

    Source: three retries handle most malformed answers of 8B models; more repeat the error.
    """
    refusals: int = 3
    calls: int = 20
    goal_calls: int = 60
    """Calls of a step that is open, such as a goal in prose that is worked on call by call."""
    tool_errors: int = 8
    """Failed tool calls, per tier."""
    retries: int = 8
    """Failed model requests, per tier."""
    replans: int = 1
    """New plans, per run."""
    parallel_steps: int = 4
    """Steps under way at the same time."""
    first_wait_s: float = 0.5
    """The first wait; each further one is twice as long, up to `longest_wait_s`."""
    longest_wait_s: float = 30.0
    longest_retry_after_s: float = 3600.0
    """The cap of a server's own Retry-After, which takes precedence over these waits."""
    breaker_failures: int = 5
    """Failures in a row after which a backend or tool is not tried for `breaker_rest_s`."""
    breaker_rest_s: float = 30.0
    strategies: dict[str, str] = field(default_factory=dict)
    """Rows of the strategy table to replace: `{"tool.throttled": "wait 2, other_tool 1, stop"}`."""
