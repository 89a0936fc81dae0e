"""A run held in memory, which can die at any write: before it is durable, or just after."""

from nebulus.core.errors import JournalError
from nebulus.ports.engine import Perform


class Died(BaseException):
    """The process of a test "died"; no handler for errors may catch it."""


class FakeRun:
    """An `OpenRun` over a list. `dies_at` is the write (from 1) at which it dies.

    `is_recorded` tells whether that write had become durable. `reopened` is the same run in a new
    process.
    """

    def __init__(
        self,
        recorded: list[tuple[str, bytes]] | None = None,
        *,
        run_id: str = "run",
        dies_at: int = 0,
        is_recorded: bool = False,
    ) -> None:
        self._recorded = [] if recorded is None else recorded
        self._run_id, self._dies_at, self._is_recorded = run_id, dies_at, is_recorded
        self._past = tuple(result for _, result in self._recorded)
        self._position = 0
        self.slept: list[float] = []

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self._run_id

    @property
    def past(self) -> tuple[bytes, ...]:
        """What was recorded before this process took the run."""
        return self._past

    @property
    def writes(self) -> int:
        """How many results are durable."""
        return len(self._recorded)

    async def step(self, name: str, perform: Perform) -> bytes:
        """Return the recorded result, or perform and record; die where it was told to.

        Raises:
            Died: at the write that was asked for.
            JournalError: the recorded step has another name.
        """
        if self._position < len(self._past):
            recorded, result = self._recorded[self._position]
            if recorded != name:
                raise JournalError(f"step {self._position + 1} was recorded as {recorded!r}, not as {name!r}")
            self._position += 1
            return result
        result = await perform()
        dies = len(self._recorded) + 1 == self._dies_at
        if not dies or self._is_recorded:
            self._recorded.append((name, result))
        if dies:
            raise Died
        self._position += 1
        return result

    async def sleep(self, seconds: float) -> None:
        """Remember the wait, and do not wait."""
        self.slept.append(seconds)

    def reopened(self, *, dies_at: int = 0, is_recorded: bool = False) -> "FakeRun":
        """Return the same run as a new process would find it."""
        return FakeRun(self._recorded, run_id=self._run_id, dies_at=dies_at, is_recorded=is_recorded)
