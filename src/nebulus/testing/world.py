"""A fake clock, a fake checker, and an observer that remembers what it saw."""

from collections.abc import Iterable

from nebulus.core.commands import Command
from nebulus.core.journal import Record
from nebulus.core.plan import Check


class FakeClock:
    """A clock on which only sleeping takes time; `slept` lists each wait, in seconds."""

    def __init__(self, now_s: float = 0.0) -> None:
        self._now_s = now_s
        self.slept: list[float] = []

    def now_s(self) -> float:
        """The seconds slept so far, after the start."""
        return self._now_s

    def time_s(self) -> float:
        """The same seconds, as the time of day."""
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        """Advance the clock without waiting."""
        self.slept.append(seconds)
        self._now_s += max(0.0, seconds)


class FakeChecker:
    """Every check passes except the `unmet` ones; `evaluated` lists the checks that were evaluated."""

    def __init__(self, unmet: Iterable[Check] = ()) -> None:
        self._unmet = list(unmet)
        self.evaluated: list[Check] = []

    async def failure_of(self, check: Check) -> str:
        """Return "" for a check that passes."""
        self.evaluated.append(check)
        return f"{check!r} does not pass" if check in self._unmet else ""


class RememberingObserver:
    """Keeps what it saw, in order."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.pieces: list[str] = []
        self.records: list[Record] = []

    def on_command(self, command: Command) -> None:
        """Keep a command."""
        self.commands.append(command)

    def on_text(self, piece: str) -> None:
        """Keep a piece of a model's text."""
        self.pieces.append(piece)

    def on_record(self, record: Record) -> None:
        """Keep a record."""
        self.records.append(record)
