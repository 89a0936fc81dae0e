"""The `OpenRun` of every engine: the recorded past is returned first, then what is new is performed and recorded.

Invariants: one step at a time; a recorded step is never performed again; a step that raised is not recorded
and ends this holding of the run, so that no later step can take its place.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeAlias

from msgspec import Struct

from nebulus.core.errors import ConfigError, JournalError, RunCancelledError, StoreError
from nebulus.ports.world import Clock

Perform: TypeAlias = Callable[[], Awaitable[bytes]]

SLEEP = "nebulus.sleep"
"""The name under which the end of a sleep is recorded; no step may use it."""

_LISTEN_S = 1.0
"""How often a sleeping run looks whether it shall stop. Source: what a person takes for "at once"."""


class WallClock:
    """The time of day: a sleep must end at the same moment in whichever process sees it end."""

    def now_s(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def time_s(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)


class Entry(Struct, frozen=True):
    """One record of a run: a step's name and the text that it returned, or the end of a sleep."""

    name: str
    result: str


class JournalWriter(Protocol):
    """What an engine does for a run that it holds."""

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
    """Return what the steps among `entries` returned, in order; sleeps are not steps."""
    return tuple(entry.result.encode() for entry in entries if entry.name != SLEEP)


def cut(entries: Sequence[Entry], keep: int | None) -> Sequence[Entry]:
    """Return `entries` up to and including step number `keep`; all of them for None or if there are no more.

    Raises:
        ConfigError: `keep` is negative.
    """
    if keep is not None and keep < 0:
        raise ConfigError(f"keep={keep} steps is negative", fix="0 keeps none, leaving it out keeps all")
    ends = [0] + [at for at, entry in enumerate(entries, start=1) if entry.name != SLEEP]
    return entries if keep is None or keep >= len(ends) - 1 else entries[: ends[keep]]


def text_of(result: bytes, what: str) -> str:
    """Return `result` as text.

    Raises:
        StoreError: it is not UTF-8; `what` names it.
    """
    try:
        return result.decode()
    except UnicodeDecodeError as error:
        raise StoreError(f"{what} is not UTF-8 text ({error})", fix="an engine stores JSON") from error


class JournaledRun:
    """A run that this process holds. `entries` are its past; `writer` is the engine's part of it."""

    def __init__(self, run_id: str, entries: Sequence[Entry], *, writer: JournalWriter, clock: Clock) -> None:
        self.run_id = run_id
        self.past = results(entries)
        self._entries, self._writer, self._clock = entries, writer, clock
        self._replayed = 0
        self._refusal = ""

    async def record(self, batch: bytes) -> None:
        """Record a batch. Raises: as `OpenRun.record`."""
        with self._turn("event"):
            await self._writer.write(Entry("event", text_of(batch, "a batch of records")))

    async def stop_asked(self) -> bool:
        """Tell whether somebody wants this run to stop."""
        return await self._writer.stop_asked()

    async def step(self, name: str, perform: Perform) -> bytes:
        """Return the recorded result of the next step, or perform it and record what it returns.

        Raises: as `OpenRun.step`.
        """
        if name == SLEEP:
            raise JournalError(f"{SLEEP!r} names a sleep", fix="call the step something else")
        with self._turn(name):
            if self._replayed < len(self._entries):
                return self._recorded(name).encode()
            await self._stop_if_asked(name)
            result = await perform()
            await self._writer.write(Entry(name, text_of(result, f"the result of step {name!r}")))
            return result

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass since the sleep was first begun, in whichever process that was.

        Raises: as `OpenRun.step`.
        """
        with self._turn(SLEEP):
            if self._replayed < len(self._entries):
                end_s = float(self._recorded(SLEEP))
            else:
                end_s = self._clock.now_s() + seconds
                await self._writer.write(Entry(SLEEP, repr(end_s)))
            # A clock that was set back must not make a sleep longer than it was meant to be.
            end_s = min(end_s, self._clock.now_s() + seconds)
            while (left_s := end_s - self._clock.now_s()) > 0:
                await self._stop_if_asked(SLEEP)
                await self._clock.sleep(min(left_s, _LISTEN_S))

    def finish(self) -> None:
        """Accept that the body is done.

        Raises:
            JournalError: more is recorded than the body asked for.
        """
        if 0 < self._replayed < len(self._entries):
            raise JournalError(
                f"run {self.run_id!r} ended after {self._replayed} records, but {len(self._entries)} are"
                f" recorded: the next is {self._entries[self._replayed].name!r}",
                fix="this is not the program that recorded them",
            )

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        if self._refusal:
            raise JournalError(f"step {name!r} of run {self.run_id!r} can't begin: {self._refusal}")
        self._refusal = f"step {name!r} is still in flight; a run takes one step at a time"
        try:
            yield
        except BaseException as error:
            self._refusal = f"step {name!r} raised {type(error).__name__}; resume the run instead"
            raise
        self._refusal = ""

    def _recorded(self, name: str) -> str:
        entry = self._entries[self._replayed]
        if entry.name != name:
            raise JournalError(
                f"record {self._replayed + 1} of run {self.run_id!r} is {entry.name!r}, but the run now asks"
                f" for {name!r}",
                fix=f"resume it with keep={len(results(self._entries[: self._replayed]))} to go on"
                " from there in the new way",
            )
        self._replayed += 1
        return entry.result

    async def _stop_if_asked(self, name: str) -> None:
        if await self._writer.stop_asked():
            raise RunCancelledError(f"run {self.run_id!r} was asked to stop, and did before step {name!r}")
