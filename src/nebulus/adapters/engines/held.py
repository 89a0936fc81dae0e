"""A run that this process holds: its recorded past is replayed, then what is new is recorded.

Laws, for every engine: one step at a time; a recorded step is never performed again; a step that
raised is not recorded, and ends this holding of the run, so that no later step can take its place.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from msgspec import Struct

from nebulus.core.errors import ConfigError, JournalError, RunCancelledError, StoreError
from nebulus.ports.world import Clock

SLEEP = "nebulus.sleep"
"""The name under which the end of a sleep is recorded; no step may use it."""

_LISTEN_S = 1.0
"""How often a sleeping run looks whether it shall stop. Source: what a person takes for "at once"."""


class WallClock:
    """The time of day: a sleep must end at the same moment in whichever process sees it end."""

    def now_s(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)


class Entry(Struct, frozen=True):
    """One line of a run's journal: a step's name and the text it returned, or the end of a sleep."""

    name: str
    result: str


class Ink(Protocol):
    """What an engine must be able to do for a run that it holds."""

    async def write(self, entry: Entry) -> None:
        """Make `entry` durable, after all before it.

        Raises:
            StoreError: it can't be.
        """
        ...

    async def stop_asked(self) -> bool:
        """Tell whether somebody wants this run to stop."""
        ...


def results(entries: Sequence[Entry]) -> tuple[bytes, ...]:
    """Return what the steps among `entries` returned, in order; sleeps are no steps."""
    return tuple(entry.result.encode() for entry in entries if entry.name != SLEEP)


def cut(entries: Sequence[Entry], keep: int) -> Sequence[Entry]:
    """Return `entries` up to and including step number `keep`; all of them if there are no more steps.

    Raises:
        ConfigError: `keep` is negative.
    """
    if keep < 0:
        raise ConfigError(f"keep={keep} steps is negative; 0 keeps none, leaving it out keeps all")
    ends = [0] + [at for at, entry in enumerate(entries, start=1) if entry.name != SLEEP]
    return entries if keep >= len(ends) - 1 else entries[: ends[keep]]


def text_of(result: bytes, what: str) -> str:
    """Return `result` as text.

    Raises:
        StoreError: it is not UTF-8; `what` names it.
    """
    try:
        return result.decode()
    except UnicodeDecodeError as error:
        raise StoreError(f"{what} is not UTF-8 text ({error}); an engine stores JSON") from error


class HeldRun:
    """The `OpenRun` of every engine; `ink` is the engine's part of it."""

    def __init__(self, run_id: str, entries: Sequence[Entry], *, ink: Ink, clock: Clock) -> None:
        self.run_id = run_id
        self.past = results(entries)
        self._ink = ink

    async def record(self, batch: bytes) -> None:
        """Record a batch. Raises: as `OpenRun.record`."""
        await self._ink.write(Entry("event", text_of(batch, "a batch of records")))

    async def stop_asked(self) -> bool:
        """Tell whether somebody wants this run to stop."""
        return await self._ink.stop_asked()

    def finish(self) -> None:
        """Accept that the body is done."""
