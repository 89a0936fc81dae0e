"""A run in memory that can die at any write: before the write is durable, or just after."""


class Died(BaseException):
    """The process of a test "died"; no handler for errors may catch it."""


class FakeRun:
    """An `OpenRun` over a list. `dies_at` is the write (from 1) at which it dies.

    `is_recorded` says whether that write became durable. `reopened` returns the same run for a new process.
    """

    def __init__(
        self,
        recorded: list[bytes] | None = None,
        *,
        run_id: str = "run",
        dies_at: int = 0,
        is_recorded: bool = False,
    ) -> None:
        self._recorded: list[bytes] = [] if recorded is None else recorded
        self._dies_at, self._is_recorded = dies_at, is_recorded
        self.run_id = run_id
        self.past = tuple(self._recorded)
        self.is_stopping = False

    @property
    def writes(self) -> int:
        """How many batches are durable."""
        return len(self._recorded)

    async def record(self, batch: bytes) -> None:
        """Record a batch, or die if this is the write to die at.

        Raises:
            Died: at the chosen write.
        """
        dies = len(self._recorded) + 1 == self._dies_at
        if not dies or self._is_recorded:
            self._recorded.append(batch)
        if dies:
            raise Died

    async def stop_asked(self) -> bool:
        """Whether a test wants it to stop."""
        return self.is_stopping

    def reopened(self, *, dies_at: int = 0, is_recorded: bool = False) -> "FakeRun":
        """Return the same run as a new process would find it."""
        return FakeRun(self._recorded, run_id=self.run_id, dies_at=dies_at, is_recorded=is_recorded)
