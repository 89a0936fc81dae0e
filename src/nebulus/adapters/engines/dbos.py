"""The durable engine: DBOS Transact on one SQLite file, or on PostgreSQL.

A run is the DBOS workflow of the same name, a record is one of its steps, cutting is DBOS's rewind, taking up
its resume, cancelling its cancel. Ours is the lease: a run is held by the process that has its lock.

Invariants, beyond those of the port: opening takes nothing up; what a body raises never reaches DBOS, which
would record it; a process that only seemed dead can record nothing more once its run was taken over.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Any, ClassVar, cast

import dbos

from nebulus.adapters.engines.database_calls import ask, within
from nebulus.adapters.engines.leases import leases_of, new_owner, whereabouts
from nebulus.adapters.engines.open_run import Entry, JournaledRun, WallClock, cut, results, text_of
from nebulus.adapters.engines.version import VERSION, refuse_other_version
from nebulus.adapters.engines.workflows import (
    SERIALIZER,
    TAKEN_OVER,
    adopt_loop,
    claim,
    queue_of,
    record,
)
from nebulus.adapters.stores.database import (
    SCHEMA,
    PostgresSchema,
    SqliteFile,
    Storage,
    SynchronousConnection,
    prepare,
    storage_at,
)
from nebulus.core.errors import ConfigError, JournalError, RunBusyError, RunUnknownError, StoreError
from nebulus.ports.engine import Body, RunInfo, RunStatus
from nebulus.ports.world import Clock

WORKFLOW = "nebulus.run"
"""The name of every run's workflow in DBOS."""

_STOP = "stop_asked"
"""The attribute of a workflow that asks its process to stop between two steps."""

_LOOK_S = 0.25
"""How often, at most, a run that is stepping looks whether another process wants it to stop: one read
of 0.5 ms. Source: what a person takes for "at once"."""

_FAREWELL_S = 5.0
"""How long the database may take when a process lets go of something."""

_OVER = frozenset({"SUCCESS", "ERROR"})
_UNFINISHED = frozenset({"PENDING", "ENQUEUED"})
"""Words of DBOS. Source: dbos 3.4, `WorkflowStatusString`."""

_TIES = 32
"""How many runs can begin within one millisecond, which is how exactly DBOS knows it."""

_QUIET = {
    "use_listen_notify": False,
    "notification_listener_polling_interval_sec": 0.1,
    "scheduler_polling_interval_sec": 3600.0,
}
"""What we use nothing of, asleep. The listener reads nothing; its interval, in seconds, is what `close`
waits for. Source: dbos 3.4, `DBOSConfig`."""


class _Left(BaseException):
    """A workflow is left unfinished. DBOS records what is an `Exception`, and so not this."""


@dbos.DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
async def _run(request: str) -> str:
    """Carry a run out, as the engine that claimed it says."""
    engine = DbosEngine._open
    held = engine._held.get(str(dbos.DBOS.workflow_id)) if engine else None
    if held is None or held.is_closed:
        raise _Left("a run is only ever taken up by its engine")
    return await held.carry_out(request)


class DbosEngine:
    """Runs that survive their process. One is open at a time in one process, for DBOS is one per process."""

    _open: ClassVar["DbosEngine | None"] = None

    def __init__(
        self,
        address: str | Path,
        *,
        schema: str = SCHEMA,
        version: str = VERSION,
        log_level: str = "CRITICAL",
        clock: Clock | None = None,
    ) -> None:
        """Name the storage: the path of an SQLite file, or a PostgreSQL URL and a `schema` in it.

        `log_level` is that of DBOS's own log, on stderr. Nothing is touched before `open`.
        """
        self._storage = storage_at(address, schema=schema)
        self._leases = leases_of(self._storage)
        self._owner = new_owner()
        self._version, self._log_level = version, log_level
        self._clock = WallClock() if clock is None else clock
        self._held: dict[str, _HeldRun] = {}
        self._body: Body | None = None

    async def open(self, body: Body) -> None:
        """Make the storage ready and say what a run does. Nothing is resumed by itself.

        Raises:
            ConfigError: the storage can't be used, or DBOS is in use in this process already.
        """
        if DbosEngine._open is not None:
            raise ConfigError("this process has a durable engine open already; close that one first")
        DbosEngine._open = self
        try:
            await ask(self._launch)
        except BaseException as error:
            DbosEngine._open = None
            if isinstance(error, StoreError):
                raise ConfigError(f"runs can't be kept here: {error}") from error
            raise
        adopt_loop()
        self._body = body

    async def start(self, run_id: str, request: bytes) -> bytes:
        """Run the body on a new run to its end and return what it returned. Raises: as `Engine.start`."""
        if not run_id.strip():
            raise ConfigError("a run must have a name")
        async with self._lease(run_id) as held:
            await ask(partial(_enqueue, run_id, text_of(request, "the request")))
            return await held.result(())

    async def resume(self, run_id: str, *, keep: int | None = None, reopen: bool = False) -> bytes:
        """Take a run up again and return what its body returned. Raises: as `Engine.resume`."""
        async with self._lease(run_id) as held:
            status = await ask(partial(_status, run_id))
            refuse_other_version(run_id, recorded=status.app_version or "", ours=self._version)
            past = await ask(partial(_enqueue_again, status, keep, is_reopened=reopen))
            return str(status.output).encode() if past is None else await held.result(past)

    async def runs(self, *, limit: int | None = None, after: str | None = None) -> list[RunInfo]:
        """List runs, newest first, without their requests. Raises: as `Engine.runs`."""
        self._opened()
        page = await ask(partial(_page, limit, after))
        held = await self._held_among(page)
        return [_described(status, is_held=status.workflow_id in held) for status in page]

    async def info(self, run_id: str) -> RunInfo:
        """Describe one run. Raises: as `Engine.info`."""
        self._opened()
        status = await ask(partial(_status, run_id))
        return _described(status, is_held=bool(await self._held_among([status])))

    async def past_of(self, run_id: str) -> tuple[bytes, ...]:
        """Read the recorded steps of a run without taking it. Raises: as `Engine.past_of`."""
        self._opened()
        await ask(partial(_status, run_id))
        return results(await ask(partial(_entries, run_id)))

    async def cancel(self, run_id: str) -> None:
        """Ask for a stop between two steps. Another process hears of it within a quarter of a second of stepping.

        Raises: as `Engine.cancel`.
        """
        self._opened()
        await ask(partial(_status, run_id))
        if run_id in self._held:
            self._held[run_id].is_stopping = True
            return
        try:
            async with self._lease(run_id):
                await ask(partial(dbos.DBOS.cancel_workflow, run_id))
        except RunBusyError:
            await ask(partial(dbos.DBOS.update_workflow_attributes, run_id, {_STOP: True}))

    async def close(self) -> None:
        """Let go of every run and of the storage. May be called twice."""
        if DbosEngine._open is not self:
            return
        self._body = None
        for held in self._held.values():
            held.is_closed = True
        try:
            for last in (self._leases.close, dbos.DBOS.destroy):
                with suppress(StoreError):  # What a silent database keeps busy ends with the process.
                    await ask(last, patience_s=_FAREWELL_S)
        finally:
            DbosEngine._open = None

    def _launch(self) -> None:
        prepare(self._storage)
        self._leases.take(self._owner)  # Nobody looks for it: it shows that locks work here.
        self._leases.release(self._owner)
        config: dict[str, Any] = {
            "name": "nebulus",
            "application_version": self._version,
            "executor_id": self._owner,
            "serializer": SERIALIZER,
            "log_level": self._log_level,
            **_QUIET,
            **_settings(self._storage),
        }
        dbos.DBOS(config=cast(dbos.DBOSConfig, config))
        if dbos.DBOS.executor_id != self._owner:
            raise ConfigError("this process uses DBOS for something else; give nebulus a process of its own")
        try:
            dbos.DBOS.listen_queues([])
            dbos.DBOS.launch()
        except BaseException:
            dbos.DBOS.destroy()
            raise

    def _opened(self) -> Body:
        if self._body is None:
            raise ConfigError("the engine is not open; call open(body) first")
        return self._body

    @asynccontextmanager
    async def _lease(self, run_id: str) -> AsyncIterator["_HeldRun"]:
        """Hold a run.

        Raises:
            RunBusyError: somebody else does.
        """
        self._opened()
        if run_id in self._held:
            raise RunBusyError(f"run {run_id!r} is held by another task of this process; wait for it")
        held = self._held[run_id] = _HeldRun(self, run_id)
        try:
            if not await ask(partial(self._leases.take, run_id)):
                raise RunBusyError(
                    f"run {run_id!r} is held by {await self._holder(run_id)}; wait for it, or cancel it"
                )
            yield held
        finally:
            held.is_closed = True
            with suppress(StoreError):  # Others see that the run is free when this process ends.
                await ask(partial(self._leases.release, run_id), patience_s=_FAREWELL_S)
            del self._held[run_id]

    async def _holder(self, run_id: str) -> str:
        status = await ask(partial(dbos.DBOS.get_workflow_status, run_id))
        return whereabouts(status.executor_id) if status and status.executor_id else "another process"

    async def _held_among(self, statuses: Iterable[dbos.WorkflowStatus]) -> set[str]:
        names = [status.workflow_id for status in statuses if status.status in _UNFINISHED]
        return await ask(partial(self._leases.held, names)) if names else set()


class _HeldRun:
    """A run that this process holds: its workflow for DBOS, and the writer of its journal."""

    def __init__(self, engine: DbosEngine, run_id: str) -> None:
        self.is_stopping = self.is_closed = False
        self._engine, self._run_id = engine, run_id
        self._token = token_hex(16)
        self._context = contextvars.copy_context()
        self._begun: asyncio.Future[tuple[asyncio.Task[bytes], asyncio.Task[Any]]]
        self._begun = asyncio.get_running_loop().create_future()
        self._looked_s = monotonic()

    async def result(self, past: Sequence[Entry]) -> bytes:
        """Carry the enqueued run out on top of its `past`, and return what its body returned."""
        engine = self._engine
        self._run = JournaledRun(self._run_id, past, writer=self, clock=engine._clock)
        self._count = len(past)
        start = partial(claim, self._run_id, self._token, owner=engine._owner, version=engine._version)
        if not await ask(start):
            raise RunBusyError(f"run {self._run_id!r} was taken by another process at this moment")
        try:
            body, workflow = await within(self._begun)
            result = await body
            await within(workflow)
            return result
        except BaseException:
            await self._end()
            raise

    async def carry_out(self, request: str) -> str:
        """Be the workflow: the body runs in the context of the caller, and nothing that it raises reaches DBOS."""
        loop, workflow = asyncio.get_running_loop(), asyncio.current_task()
        assert workflow is not None
        body = loop.create_task(self._perform(request), context=self._context)
        self._begun.set_result((body, workflow))
        try:
            return (await body).decode()
        except BaseException:  # noqa: BLE001 - `result` raises it
            raise _Left from None

    async def write(self, entry: Entry) -> None:
        if self.is_closed:
            raise StoreError(f"run {self._run_id!r} is not held any more; resume it")
        await ask(partial(record, self._run_id, self._token, number=self._count + 1, entry=entry))
        self._count += 1

    async def stop_asked(self) -> bool:
        if not self.is_stopping and monotonic() - self._looked_s >= _LOOK_S:
            self.is_stopping = await ask(self._look)
            self._looked_s = monotonic()
        return self.is_stopping

    async def _perform(self, request: str) -> bytes:
        result = await self._engine._opened()(self._run, request.encode())
        self._run.finish()
        text_of(result, f"the result of run {self._run_id!r}")
        await ask(self._look)
        return result

    async def _end(self) -> None:
        """Leave nothing of the run going, and cancel its workflow if it was asked to stop."""
        self.is_closed = True
        if self._begun.done():
            body, _ = self._begun.result()
            body.cancel()
            await asyncio.wait((body,))
        if self.is_stopping:
            with suppress(StoreError):  # The attribute says it, too.
                await ask(partial(dbos.DBOS.cancel_workflow, self._run_id))

    def _look(self) -> bool:
        """Return whether another process wants the run to stop.

        Raises:
            StoreError: the run was taken over.
        """
        with suppress(StoreError):  # What follows waits for the database; the next look renews the lock.
            self._engine._leases.renew()
        status = _status(self._run_id)
        if (status.status, status.executor_id) != ("PENDING", self._engine._owner):
            raise StoreError(TAKEN_OVER)
        return _is_stop_asked(status)


def _settings(storage: Storage) -> dict[str, Any]:
    """Return what DBOS is told about `storage`. Source: dbos 3.4, `DBOSConfig`."""
    match storage:
        case SqliteFile(path):
            connection: dict[str, Any] = {"factory": SynchronousConnection}
            place = {"system_database_url": f"sqlite:///{path}"}
        case PostgresSchema(url, schema):
            connection = {"application_name": "nebulus", "connect_timeout": 5}
            place = {"system_database_url": url, "dbos_system_schema": schema}
    return {**place, "db_engine_kwargs": {"connect_args": connection}}


def _enqueue(run_id: str, request: str) -> None:
    """Create a run's workflow.

    Raises:
        ConfigError: it exists.
    """
    try:
        with dbos.SetWorkflowID(run_id, workflow_id_reuse_policy="reject"):
            dbos.DBOS.enqueue_workflow(queue_of(run_id), _run, request)
    except dbos.error.DBOSWorkflowIDInUseError as error:
        raise ConfigError(f"run {run_id!r} exists already; resume it, or take another name") from error


def _enqueue_again(
    status: dbos.WorkflowStatus, keep: int | None, *, is_reopened: bool
) -> Sequence[Entry] | None:
    """Make a run ready to be claimed, cut to `keep` steps, and return its past.

    None if it ended, and is neither cut nor reopened.
    """
    run_id, queue = status.workflow_id, queue_of(status.workflow_id)
    cut((), keep)  # What is not a number of steps is refused before anything changes.
    is_over = status.status in _OVER
    if not is_over:
        dbos.DBOS.resume_workflow(run_id, queue_name=queue)  # From now on, nobody else can record.
    recorded = _entries(run_id)
    kept = cut(recorded, keep)
    if len(kept) < len(recorded) or status.status == "ERROR" or (is_over and is_reopened):
        if not is_over:
            dbos.DBOS.cancel_workflow(run_id)
        dbos.DBOS.rewind_workflow(run_id, start_step=len(kept) + 1, queue_name=queue)
    elif is_over:
        return None
    if _is_stop_asked(status):
        dbos.DBOS.update_workflow_attributes(run_id, {_STOP: False})
    return kept


def _page(limit: int | None, after: str | None) -> list[dbos.WorkflowStatus]:
    """Return the newest runs, those that began before the run `after`, if it is given."""
    last = _status(after) if after is not None else None
    found = dbos.DBOS.list_workflows(
        name=WORKFLOW,
        sort_desc=True,
        limit=None if limit is None else limit + _TIES,
        end_time=_moment(last) if last else None,
        load_input=False,
    )
    found.sort(key=_order, reverse=True)
    return [status for status in found if last is None or _order(status) < _order(last)][:limit]


def _order(status: dbos.WorkflowStatus) -> tuple[int, str]:
    return status.created_at or 0, status.workflow_id


def _moment(status: dbos.WorkflowStatus) -> str:
    """Return when a run began, half a millisecond late, so that rounding leaves out none of that millisecond."""
    return datetime.fromtimestamp(((status.created_at or 0) + 0.5) / 1000, tz=UTC).isoformat()


def _status(run_id: str) -> dbos.WorkflowStatus:
    status = dbos.DBOS.get_workflow_status(run_id)
    if status is None or status.name != WORKFLOW:
        raise RunUnknownError(f"there is no run {run_id!r} here")
    return status


def _entries(run_id: str) -> list[Entry]:
    return [
        Entry(step["function_name"], _as_text(step["output"], f"a step of {run_id!r}"))
        for step in dbos.DBOS.list_workflow_steps(run_id)
    ]


def _described(status: dbos.WorkflowStatus, *, is_held: bool) -> RunInfo:
    created_s, updated_s = ((moment or 0) / 1000 for moment in (status.created_at, status.updated_at))
    return RunInfo(
        run_id=status.workflow_id,
        status=_run_status(status, is_held=is_held),
        created_s=created_s,
        updated_s=max(updated_s, created_s),
        version=status.app_version or "",
        request=_as_text(status.input["args"][0], "a request").encode() if status.input else b"",
        result=status.output.encode() if isinstance(status.output, str) else b"",
    )


def _run_status(status: dbos.WorkflowStatus, *, is_held: bool) -> RunStatus:
    match status.status:
        case "SUCCESS":
            return RunStatus.ENDED
        case "CANCELLED":
            return RunStatus.CANCELLED
        case _ if is_held:
            return RunStatus.RUNNING
        case _:
            return RunStatus.CANCELLED if _is_stop_asked(status) else RunStatus.INTERRUPTED


def _is_stop_asked(status: dbos.WorkflowStatus) -> bool:
    return bool((status.attributes or {}).get(_STOP))


def _as_text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise JournalError(f"{what} is {type(value).__name__}, not text; something else wrote it")
    return value
