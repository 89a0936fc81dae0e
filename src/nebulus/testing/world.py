"""Time that passes when told to, checks that hold when told to, and an observer that remembers."""

from collections.abc import Iterable

from nebulus.core.commands import Command
from nebulus.core.journal import Record
from nebulus.core.plan import Check


class FakeClock:
    """A clock on which only sleeping takes time; `slept` holds each wait, in seconds."""

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
        """Let time pass at once."""
        self.slept.append(seconds)
        self._now_s += max(0.0, seconds)


class FakeChecker:
    """Checks hold, but for the `unmet`; what was looked at stands in `looked`."""

    def __init__(self, unmet: Iterable[Check] = ()) -> None:
        self._unmet = list(unmet)
        self.looked: list[Check] = []

    async def holds(self, check: Check) -> str:
        """Return "" for a check that holds."""
        self.looked.append(check)
        return f"{check!r} does not hold" if check in self._unmet else ""


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
