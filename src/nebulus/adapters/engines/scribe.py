"""A thread in which DBOS writes one segment of a run.

Laws: bodies and steps never run inside DBOS, so that nothing they raise is recorded; DBOS never runs
inside the caller's event loop, so that it neither blocks it nor leaves anything in it. The thread is a
daemon: a database that has stopped answering can't keep the process alive.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeAlias, TypeVar

import dbos
from msgspec import Struct

from nebulus.adapters.engines.held import Entry
from nebulus.core.errors import StoreError

T = TypeVar("T")

WORKFLOW = "nebulus.run"
"""The name of every segment's workflow in DBOS."""

PATIENCE_S = 30.0
"""How long the database may take for one answer: DBOS itself would wait for ever. Source: the pool
timeout of dbos 3.4."""

FAREWELL_S = 5.0
"""How long it may take for what is only a courtesy, when a process lets go of something."""

FENCED = (
    dbos.error.DBOSWorkflowCancelledError,
    dbos.error.DBOSWorkflowConflictIDError,
    dbos.error.DBOSAwaitedWorkflowCancelledError,
)
"""What DBOS raises when this segment was closed by another process."""


class _Write(Struct, frozen=True):
    entry: Entry
    done: Future[None]


class _End(Struct, frozen=True):
    result: str


class _Abandon(Struct, frozen=True):
    pass


_Task: TypeAlias = _Write | _End | _Abandon


class _Left(BaseException):
    """The segment is left unfinished. DBOS records what is an `Exception`, and so not this."""


class SegmentTakenError(Exception):
    """Another process began this segment first."""


_here = threading.local()


@dbos.DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
def _segment(_head: str) -> str:
    """Be the workflow that DBOS sees: record what the scribe of this thread is given."""
    scribe: Scribe | None = getattr(_here, "scribe", None)
    if scribe is None:
        raise _Left("a run is only ever taken up by its engine")
    return scribe.record()


class Scribe:
    """Writes the segment `workflow_id`, which begins with `head`."""

    def __init__(self, workflow_id: str, head: str) -> None:
        self.workflow_id = workflow_id
        self._head = head
        self._tasks: SimpleQueue[_Task] = SimpleQueue()
        self._begun: Future[None] = Future()
        self._over: Future[None] = Future()
        self._is_closed = False

    async def begin(self) -> None:
        """Create the segment.

        Raises:
            SegmentTakenError: it exists.
            StoreError: it can't be created.
        """
        threading.Thread(target=self._main, name=f"scribe {self.workflow_id}", daemon=True).start()
        await answer(self._begun)

    async def write(self, entry: Entry) -> None:
        """Record `entry` durably.

        Raises:
            StoreError: it can't be, or this segment is closed.
        """
        self._refuse_closed()
        done: Future[None] = Future()
        self._tasks.put(_Write(entry, done))
        try:
            await answer(done)
        except StoreError:
            self._is_closed = True
            raise

    async def end(self, result: str) -> None:
        """Close the segment with the run's result.

        Raises:
            StoreError: the result can't be recorded, or this segment is closed.
        """
        self._refuse_closed()
        self._is_closed = True
        self._tasks.put(_End(result))
        await answer(self._over)

    async def abandon(self) -> None:
        """Close the segment without a result; what is written stays.

        Raises:
            StoreError: the database can't be told. Others then know it only when this process ends.
        """
        self._is_closed = True
        self._tasks.put(_Abandon())
        await answer(self._over, patience_s=FAREWELL_S)

    def record(self) -> str:
        """Do what is asked until the end, and return the result. Runs inside the workflow."""
        self._begun.set_result(None)
        while True:
            match self._tasks.get():
                case _Write(entry, done):
                    _record_step(entry, done)
                case _End(result):
                    return result
                case _Abandon():
                    raise _Left

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise StoreError(f"segment {self.workflow_id!r} takes no more records; resume the run")

    def _main(self) -> None:
        _here.scribe = self
        error: BaseException | None = None
        try:
            with dbos.SetWorkflowID(self.workflow_id, workflow_id_reuse_policy="reject"):
                _segment(self._head)
        except dbos.error.DBOSWorkflowIDInUseError as taken:
            error = SegmentTakenError(str(taken))
        except _Left:
            error = _closed_by_us(self.workflow_id)
        except BaseException as failed:  # noqa: BLE001 - handed to who waits
            error = failed
        for future in (self._begun, self._over):
            if not future.done():
                _settle(future, error)


def _record_step(entry: Entry, done: Future[None]) -> None:
    try:
        dbos.DBOS.run_step(dbos.StepOptions(name=entry.name), lambda: entry.result)
    except BaseException as error:
        done.set_exception(error)
        raise _Left from error
    done.set_result(None)


def _closed_by_us(workflow_id: str) -> BaseException | None:
    """Tell the database that nobody writes this any more, so that others need not wait for our death."""
    try:
        dbos.DBOS.cancel_workflow(workflow_id)
    except Exception as error:  # noqa: BLE001 - handed to who waits
        return error
    return None


def _settle(future: Future[None], error: BaseException | None) -> None:
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


async def ask(question: Callable[[], T], *, patience_s: float = PATIENCE_S) -> T:
    """Return what `question` returns, asked in a thread of its own.

    Raises:
        StoreError: the database refused, or did not answer within `patience_s`.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(question())
        except BaseException as error:  # noqa: BLE001 - handed to who waits
            done.set_exception(error)

    threading.Thread(target=run, name="nebulus store", daemon=True).start()
    return await answer(done, patience_s=patience_s)


async def answer(done: Future[T], *, patience_s: float = PATIENCE_S) -> T:
    """Wait for the database.

    Raises:
        StoreError: it refused, or did not answer within `patience_s`.
    """
    try:
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(done)), patience_s)
    except TimeoutError as error:
        raise StoreError(
            f"the database has not answered for {patience_s:.0f} s; what is recorded is safe: resume the run"
            " when it answers again"
        ) from error
    except FENCED as error:
        raise StoreError("another process has taken this run over; this one must let go of it") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _FOREIGN:
            raise
        raise StoreError(f"the database refused: {_reason(error)}; what is recorded is safe") from error


_FOREIGN = frozenset({"dbos", "sqlalchemy", "sqlite3", "psycopg"})


def _reason(error: BaseException) -> str:
    """Return what the driver said, without the statement and the values that SQLAlchemy quotes."""
    said = str(getattr(error, "orig", error)).strip()
    return said.splitlines()[0] if said else type(error).__name__
