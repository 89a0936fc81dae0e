"""The small ports: clock, artifact store, checker, observer."""

from typing import Protocol, runtime_checkable

from nebulus.core.commands import Command
from nebulus.core.journal import Record
from nebulus.core.plan import Check


class Clock(Protocol):
    """Time, for the runtime only: pure code never sees it."""

    def now_s(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def time_s(self) -> float:
        """The time of day, in seconds since the epoch: the same in every process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...


class ArtifactStore(Protocol):
    """Large values, stored once, by content."""

    def put(self, content: str) -> str:
        """Store `content` and return its address (SHA-256, 64 hex digits); storing twice stores once.

        Raises:
            StoreError: it can't be stored.
        """
        ...

    def get(self, address: str) -> str:
        """Return what is stored at `address`.

        Raises:
            StoreError: nothing is stored there, or the content does not match its address.
        """
        ...


class Checker(Protocol):
    """Evaluates checks without changing anything."""

    async def failure_of(self, check: Check) -> str:
        """Return "" if `check` passes, else why it does not."""
        ...


class Observer(Protocol):
    """Watches a run: live progress, traces, metrics. It can't change anything and must not raise."""

    def on_command(self, command: Command) -> None:
        """The machine wants this done."""
        ...

    def on_text(self, piece: str) -> None:
        """A piece of a model's text arrived."""
        ...

    def on_record(self, record: Record) -> None:
        """This was recorded."""
        ...


@runtime_checkable
class ProgressObserver(Protocol):
    """An observer that is also told how far tools are, where they say so."""

    def on_progress(self, tool: str, progress: str) -> None:
        """The tool says that it is so far."""
        ...
