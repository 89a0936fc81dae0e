"""The port for a durable engine: runs that survive the death of their process.

Invariants: what was recorded stays recorded, in order; one process at a time works on a run, and a process that only
seemed dead can record nothing more after another one took over its run. The engine stores bytes; it knows no events.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol, TypeAlias

from msgspec import Struct


class RunStatus(StrEnum):
    """The status of a run, as the engine sees it."""

    RUNNING = "running"
    """A living process is working on it."""
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
    """A run that this process is working on, and the journal that it writes."""

    @property
    def run_id(self) -> str:
        """The name of the run."""
        ...

    @property
    def past(self) -> tuple[bytes, ...]:
        """The batches recorded before this process opened the run, in order."""
        ...

    async def record(self, batch: bytes) -> None:
        """Append a batch; it is durable when this returns.

        Raises:
            StoreError: it can't be recorded, or another process works on the run; nothing after it is recorded.
        """
        ...

    async def stop_asked(self) -> bool:
        """Tell whether somebody asked this run to stop. Cheap enough to call for every event."""
        ...


Body: TypeAlias = Callable[[OpenRun, bytes], Awaitable[bytes]]


class Engine(Protocol):
    """Stores runs and executes them."""

    async def open(self, body: Body) -> None:
        """Prepare the storage and set what a run does. No run is resumed automatically.

        Raises:
            ConfigError: the storage can't be used (address, rights, another version).
        """
        ...

    async def start(self, run_id: str, request: bytes) -> bytes:
        """Run `body` on a new run to its end and return its result.

        What `body` raises is raised here and not recorded; the run can be resumed.

        Raises:
            RunBusyError: a run with this name exists, and another process is working on it.
            ConfigError: a run with this name exists.
        """
        ...

    async def resume(self, run_id: str, *, keep: int | None = None, reopen: bool = False) -> bytes:
        """Resume an interrupted or ended run, and return its body's result.

        `keep` first drops all but the first `keep` recorded batches. An ended run that keeps all of them returns
        its recorded result; with `reopen` its body continues after the recorded batches.

        Raises:
            RunUnknownError: no run has this name.
            RunBusyError: another living process is working on it.
            JournalError: it was recorded by another version.
        """
        ...

    async def runs(self, *, limit: int | None = None, after: str | None = None) -> list[RunInfo]:
        """List runs, newest first, without their requests: at most `limit`, starting after the run `after`.

        Raises:
            RunUnknownError: no run has the name `after`.
        """
        ...

    async def info(self, run_id: str) -> RunInfo:
        """Describe one run.

        Raises:
            RunUnknownError: no run has this name.
        """
        ...

    async def past_of(self, run_id: str) -> tuple[bytes, ...]:
        """Read the recorded batches of a run without opening it.

        Raises:
            RunUnknownError: no run has this name.
        """
        ...

    async def cancel(self, run_id: str) -> None:
        """Ask a run to stop between two steps; what is under way ends first and is recorded.

        Raises:
            RunUnknownError: no run has this name.
        """
        ...

    async def close(self) -> None:
        """Close the storage. May be called twice."""
        ...
