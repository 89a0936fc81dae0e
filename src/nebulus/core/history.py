"""The log of a run's calls: one record for each call that ran, whatever became of it."""

from msgspec import Struct

from nebulus.core.tools import Effect


class CallRecord(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One call that ran. Digests tell calls and results apart without keeping them."""

    call_id: str
    step: int
    tool: str
    effect: Effect
    call_digest: str
    """Fingerprint of tool and arguments; white space and the order of keys don't count."""
    result_digest: str
    """Fingerprint of the result; white space and the time of day don't count."""
    arguments_text: str = ""
    """The arguments in one line, bounded."""
    is_error: bool = False
    is_lost: bool = False
    """That it happened is known; what it gave back is not."""
    is_under_way: bool = False
    """The result says that something has not finished yet."""
    world_version: int = 0
    """How many changes of the world there had been in this step before."""

    @property
    def is_change(self) -> bool:
        """Whether it changed the world."""
        return self.effect is not Effect.READ and not self.is_error


class CallHistory(Struct, frozen=True, omit_defaults=True):
    """The latest calls of one step, oldest first; `changes` counts what the world was changed by."""

    records: tuple[CallRecord, ...] = ()
    changes: int = 0
