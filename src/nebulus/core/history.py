"""The log of a run's calls: one record for each call that ran, whatever its result."""

from msgspec import Struct

from nebulus.core.tools import Effect

VALUE_CHARS = 200
"""How much of each argument is in the line of a call's arguments."""


class CallRecord(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One call that ran. Digests distinguish calls and results without storing them."""

    call_id: str
    step: int
    tool: str
    effect: Effect
    call_digest: str
    """Fingerprint of tool and arguments, ignoring white space and the order of keys."""
    result_digest: str
    """Fingerprint of the result, ignoring white space and the time of day."""
    arguments_text: str = ""
    """The arguments in one line, bounded."""
    is_error: bool = False
    is_lost: bool = False
    """Whether it is known to have happened while its result is unknown."""
    is_under_way: bool = False
    """Whether the result says that something has not finished yet."""
    world_version: int = 0
    """How many changes this step had made to the world before this call."""

    @property
    def is_change(self) -> bool:
        """Whether it changed the world."""
        return self.effect is not Effect.READ and not self.is_error

    def was_given(self, value: str) -> bool:
        """Whether `value` is one of its arguments, as far as their line shows them."""
        return f" {value[:VALUE_CHARS]} " in f" {self.arguments_text} "


class CallHistory(Struct, frozen=True, omit_defaults=True):
    """The latest calls of one step, oldest first; `changes` counts the calls that changed the world."""

    records: tuple[CallRecord, ...] = ()
    changes: int = 0
