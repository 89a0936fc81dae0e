"""The socket for a durable engine: runs that survive the death of their process.

Invariants: what was recorded stays recorded, in order; one process at a time holds a run, and one that only seemed
dead can record nothing more once its run was taken over. The engine stores bytes and knows nothing of events.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol, TypeAlias

from msgspec import Struct


class RunStatus(StrEnum):
    """The state of a run, as the engine sees it."""

    RUNNING = "running"
    """Held by a living process."""
    INTERRUPTED = "interrupted"
    """Its process died; it can be resumed."""
    ENDED = "ended"
    """Its body returned a result."""
    CANCELLED = "cancelled"


class RunInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run. Times are seconds since the epoch; `result` is what the body returned.

    `request` is empty in a list: `Engine.info` loads it.
    """

    run_id: str
    status: RunStatus
    created_s: float
    updated_s: float
    version: str = ""
    request: bytes = b""
    result: bytes = b""


class OpenRun(Protocol):
    """A run that this process holds: its journal, being written."""

    @property
    def run_id(self) -> str:
        """The run's name."""
        ...

    @property
    def past(self) -> tuple[bytes, ...]:
        """The batches recorded before this process took the run, in order."""
        ...

    async def record(self, batch: bytes) -> None:
        """Record a batch, after all before it; it is durable when this returns.

        Raises:
            StoreError: it can't be recorded, or another process holds the run; nothing after it is.
        """
        ...

    async def stop_asked(self) -> bool:
        """Tell whether somebody wants this run to stop. Cheap enough to be asked for every event."""
        ...


Body: TypeAlias = Callable[[OpenRun, bytes], Awaitable[bytes]]


class Engine(Protocol):
    """Where runs live."""

    async def open(self, body: Body) -> None:
        """Make the storage ready and say what a run does. Nothing is resumed by itself.

        Raises:
            ConfigError: the storage can't be used (address, rights, another version).
        """
        ...

    async def start(self, run_id: str, request: bytes) -> bytes:
        """Run `body` on a new run to its end and return what it returned.

        Whatever `body` raises comes out of here, is not recorded, and leaves the run to be resumed.

        Raises:
            RunBusyError: the name is taken by a run that another process holds.
            ConfigError: the name is taken by a run that exists already.
        """
        ...

    async def resume(self, run_id: str, *, keep: int | None = None, reopen: bool = False) -> bytes:
        """Take an interrupted or ended run up again, and return what its body returned.

        `keep` cuts the recorded batches to the first `keep` before going on. An ended run of which all is kept
        returns its recorded result; with `reopen` its body goes on after what is recorded.

        Raises:
            RunUnknownError: no such run.
            RunBusyError: another living process holds it.
            JournalError: it was recorded by another version.
        """
        ...

    async def runs(self, *, limit: int | None = None, after: str | None = None) -> list[RunInfo]:
        """List runs, newest first, without their requests: at most `limit`, those that follow the run `after`.

        Raises:
            RunUnknownError: there is no run `after`.
        """
        ...

    async def info(self, run_id: str) -> RunInfo:
        """Describe one run.

        Raises:
            RunUnknownError: no such run.
        """
        ...

    async def past_of(self, run_id: str) -> tuple[bytes, ...]:
        """Read the recorded batches of a run without taking it.

        Raises:
            RunUnknownError: no such run.
        """
        ...

    async def cancel(self, run_id: str) -> None:
        """Ask for a stop between two steps; the step in flight ends first and is recorded.

        Raises:
            RunUnknownError: no such run.
        """
        ...

    async def close(self) -> None:
        """Let go of the storage. May be called twice."""
        ...
