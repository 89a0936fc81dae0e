"""How much is tried before a run gives up."""

from msgspec import Struct, field


class Limits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much is tried. Counts are per step; `attempts` counts answers with a finding per tier.

    `strategies` overrides rows of the table: `{"tool.throttled": "wait 2, other_tool 1, stop"}`. On top of
    the rows, `attempts`, `tool_errors` and `retries` bound findings, failed calls and failed backend calls
    of one tier, whatever their classes; `replans` bounds new plans in a run, `parallel_steps` the steps under way at
    the same time. Waits double from
    `first_wait_s` up to `longest_wait_s`; a server's own Retry-After wins, capped by
    `longest_retry_after_s`. After `breaker_failures` in a row, a backend or tool is left alone for
    `breaker_rest_s`. Source of 3 attempts: three retries handle most malformed answers of 8B models; more
    repeat the error.
    """

    attempts: int = 3
    refusals: int = 3
    calls: int = 20
    tool_errors: int = 8
    retries: int = 8
    replans: int = 1
    parallel_steps: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    longest_retry_after_s: float = 3600.0
    breaker_failures: int = 5
    breaker_rest_s: float = 30.0
    strategies: dict[str, str] = field(default_factory=dict)
