"""The durable engine: DBOS Transact on one SQLite file, or on PostgreSQL.

A run is the DBOS workflow of the same name, a batch is one of its steps, cutting is DBOS's rewind, resuming its
resume, cancelling its cancel. Ours is the lease: the process that has a run's lock works on it.

Invariants, beyond those of the port: opening resumes nothing; what a body raises never reaches DBOS, which
would record it; a process that only seemed dead can record nothing more once its run was taken over.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import monotonic, time
from typing import Any, ClassVar, cast

import dbos

from nebulus.adapters.engines import workflows
from nebulus.adapters.engines.batches import VERSION, encoded, refuse_other_version, text_of
from nebulus.adapters.engines.database_calls import FAREWELL_S, ask, within
from nebulus.adapters.engines.leases import leases_of, new_owner, whereabouts
from nebulus.adapters.stores.database import (
    SCHEMA,
    PostgresSchema,
    SqliteFile,
    Storage,
    SynchronousConnection,
    prepare,
    storage_at,
)
from nebulus.core.errors import ConfigError, RunBusyError, StoreError
from nebulus.ports.engine import Body, RunInfo

_UNFINISHED = frozenset({"PENDING", "ENQUEUED"})
"""DBOS's words for a workflow that a process may be working on. Source: dbos 3.4, `WorkflowStatusString`."""

_LOOK_S = 0.25
"""How often, at most, a run looks whether another process wants it to stop: one read of 0.5 ms.
Source: what a person perceives as immediate."""

_QUIET = {
    "use_listen_notify": False,
    "notification_listener_polling_interval_sec": 0.1,
    "scheduler_polling_interval_sec": 3600.0,
}
"""Parts of DBOS that we don't use, made idle. The listener reads nothing; its interval, in seconds, is what
`close` waits for. Source: dbos 3.4, `DBOSConfig`."""


@dbos.DBOS.workflow(name=workflows.WORKFLOW, max_recovery_attempts=None)
async def _run(_request: str) -> str:
    """Be the run: as long as its body is carried out, and with the body's result."""
    run_id, token = workflows.current()
    lease = DbosEngine._open._leased.get(run_id) if DbosEngine._open else None
    if lease is None or lease.is_closed or lease.token != token:
        # DBOS would record an `Exception`; this leaves the run to be resumed.
        raise asyncio.CancelledError("a run is executed by the engine that leased it")
    lease.workflow.set_result(cast(asyncio.Task[Any], asyncio.current_task()))
    return await lease.outcome


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
    ) -> None:
        """Name the storage: the path of an SQLite file, or a PostgreSQL URL and a `schema` in it.

        `log_level` is that of DBOS's own log, on stderr. Nothing is touched before `open`.
        """
        self._storage = storage_at(address, schema=schema)
        self._leases = leases_of(self._storage)
        self._owner = new_owner()
        self._version, self._log_level = version, log_level
        self._leased: dict[str, RunLease] = {}
        self._body: Body | None = None

    async def open(self, body: Body) -> None:
        """Make the storage ready and say what a run does. Nothing is resumed by itself.

        Raises:
            ConfigError: the storage can't be used, or DBOS is in use in this process already.
        """
        if DbosEngine._open is not None:
            raise ConfigError("this process has a durable engine open already", fix="close that one first")
        DbosEngine._open = self
        try:
            await ask(self._launch)
        except BaseException as error:
            self._leases.close()
            DbosEngine._open = None
            if isinstance(error, StoreError):
                raise ConfigError(f"runs can't be kept here: {error}") from error
            raise
        workflows.adopt_loop()
        self._body = body

    async def start(self, run_id: str, request: bytes) -> bytes:
        """Run the body on a new run to its end and return what it returned. Raises: as `Engine.start`."""
        if not run_id.strip():
            raise ConfigError("a run must have a name")
        async with self._lease(run_id) as lease:
            await ask(partial(workflows.enqueue, run_id, _run, text_of(request, "the request")))
            return await lease.carry_out(request)

    async def resume(self, run_id: str, *, keep: int | None = None, reopen: bool = False) -> bytes:
        """Resume a run and return what its body returned. Raises: as `Engine.resume`."""
        async with self._lease(run_id) as lease:
            status = await ask(partial(workflows.status_of, run_id))
            refuse_other_version(run_id, recorded=status.app_version or "", ours=self._version)
            kept = await ask(partial(workflows.enqueue_again, status, keep, is_reopened=reopen))
            run = workflows.described(status, is_leased=True)
            if kept is None:
                return run.result
            lease.past = encoded(kept)
            return await lease.carry_out(run.request)

    async def runs(self, *, limit: int | None = None, after: str | None = None) -> list[RunInfo]:
        """List runs, newest first, without their requests. Raises: as `Engine.runs`."""
        self._opened()
        found = await ask(partial(workflows.page, limit, after))
        leased = await self._leased_among(found)
        return [workflows.described(status, is_leased=status.workflow_id in leased) for status in found]

    async def info(self, run_id: str) -> RunInfo:
        """Describe one run. Raises: as `Engine.info`."""
        self._opened()
        status = await ask(partial(workflows.status_of, run_id))
        return workflows.described(status, is_leased=bool(await self._leased_among([status])))

    async def past_of(self, run_id: str) -> tuple[bytes, ...]:
        """Read the recorded batches of a run without opening it. Raises: as `Engine.past_of`."""
        self._opened()
        await ask(partial(workflows.status_of, run_id))
        return encoded(await ask(partial(workflows.steps, run_id)))

    async def cancel(self, run_id: str) -> None:
        """Ask for a stop between two steps; another process notices it within a quarter of a second.

        Raises: as `Engine.cancel`.
        """
        self._opened()
        await ask(partial(workflows.status_of, run_id))
        if run_id in self._leased:
            self._leased[run_id].is_stopping = True
            return
        try:
            async with self._lease(run_id):
                await ask(partial(dbos.DBOS.cancel_workflow, run_id))
        except RunBusyError:
            await ask(partial(workflows.ask_to_stop, run_id))

    async def close(self) -> None:
        """Release every run and the storage. May be called twice."""
        if DbosEngine._open is not self:
            return
        self._body = None
        for lease in self._leased.values():
            lease.close()
        try:
            for last in (self._leases.close, dbos.DBOS.destroy):
                with suppress(StoreError):  # What a silent database keeps busy ends with the process.
                    await ask(last, patience_s=FAREWELL_S)
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
            "serializer": workflows.SERIALIZER,
            "log_level": self._log_level,
            **_QUIET,
            **_settings(self._storage),
        }
        dbos.DBOS(config=cast(dbos.DBOSConfig, config))
        if dbos.DBOS.executor_id != self._owner:
            raise ConfigError(
                "this process uses DBOS for something else", fix="give nebulus a process of its own"
            )
        try:
            dbos.DBOS.listen_queues([])
            dbos.DBOS.launch()
        except BaseException:
            dbos.DBOS.destroy()
            raise

    def _opened(self) -> Body:
        if self._body is None:
            raise ConfigError("the engine is not open", fix="call open(body) first")
        return self._body

    @asynccontextmanager
    async def _lease(self, run_id: str) -> AsyncIterator["RunLease"]:
        """Lease a run.

        Raises:
            RunBusyError: somebody else works on it.
        """
        self._opened()
        if run_id in self._leased:
            raise RunBusyError(f"another task of this process works on run {run_id!r}", fix="wait for it")
        lease = self._leased[run_id] = RunLease(self, run_id)
        try:
            if not await ask(partial(self._leases.take, run_id)):
                raise RunBusyError(
                    f"{await self._holder(run_id)} works on run {run_id!r}", fix="wait for it, or cancel it"
                )
            yield lease
        finally:
            lease.close()
            try:
                with suppress(StoreError):  # Others see that the run is free when this process ends.
                    await ask(partial(self._leases.release, run_id), patience_s=FAREWELL_S)
            finally:
                del self._leased[run_id]

    async def _holder(self, run_id: str) -> str:
        status = await ask(partial(dbos.DBOS.get_workflow_status, run_id))
        return whereabouts(status.executor_id) if status and status.executor_id else "another process"

    async def _leased_among(self, statuses: Iterable[dbos.WorkflowStatus]) -> set[str]:
        names = [status.workflow_id for status in statuses if status.status in _UNFINISHED]
        return await ask(partial(self._leases.held, names)) if names else set()


class RunLease:
    """A run that this process works on: the `OpenRun` of its body, and what its workflow waits for."""

    def __init__(self, engine: DbosEngine, run_id: str) -> None:
        self.run_id, self.token = run_id, token_hex(16)
        self.past: tuple[bytes, ...] = ()
        self.is_stopping = self.is_closed = False
        loop = asyncio.get_running_loop()
        self.workflow: asyncio.Future[asyncio.Task[Any]] = loop.create_future()
        self.outcome: asyncio.Future[str] = loop.create_future()
        self._writing = asyncio.Lock()
        self._engine, self._count, self._looked_s = engine, 0, monotonic()

    async def carry_out(self, request: bytes) -> bytes:
        """Let DBOS start the enqueued workflow, carry out the body, and give DBOS its result."""
        engine, self._count = self._engine, len(self.past)
        start = partial(
            workflows.claim, self.run_id, self.token, owner=engine._owner, version=engine._version
        )
        if not await ask(start):
            raise RunBusyError(f"another process has just taken run {self.run_id!r}", fix="wait for it")
        try:
            result = await engine._opened()(self, request)
            text = text_of(result, f"the result of run {self.run_id!r}")
            await ask(self._look)
            self.outcome.set_result(text)
            workflow = await within(self.workflow)
            await within(workflow)
        except BaseException:
            if self.is_stopping:
                with suppress(StoreError):  # The run is free, and may be resumed or cancelled again.
                    await ask(partial(dbos.DBOS.cancel_workflow, self.run_id))
            raise
        return result

    async def record(self, batch: bytes) -> None:
        """Record a batch; where that fails, nothing more is recorded. Raises: as `OpenRun.record`."""
        async with self._writing:
            self._refuse_closed()
            try:
                text, number = text_of(batch, "a batch of records"), self._count + 1
                write = partial(workflows.record, self.run_id, self.token, number=number, batch=text)
                await ask(partial(write, now_ms=int(time() * 1000)))
            except BaseException:
                self.close()
                raise
            self._count = number

    async def stop_asked(self) -> bool:
        """Tell whether somebody asked this run to stop."""
        if not self.is_stopping and monotonic() - self._looked_s >= _LOOK_S:
            self.is_stopping = await ask(self._look)
            self._looked_s = monotonic()
        return self.is_stopping

    def close(self) -> None:
        """Record nothing more, and leave the workflow as it is."""
        self.is_closed = True
        if self.workflow.done():
            self.workflow.result().cancel()

    def _look(self) -> bool:
        """Return whether another process wants the run to stop.

        Raises:
            StoreError: the run was taken over, or its engine was closed.
        """
        self._refuse_closed()
        with suppress(StoreError):  # What follows waits for the database; the next look renews the lock.
            self._engine._leases.renew()
        status = workflows.status_of(self.run_id, is_whole=False)
        if (status.status, status.executor_id) != ("PENDING", self._engine._owner):
            raise StoreError(workflows.TAKEN_OVER)
        return workflows.is_stop_asked(status)

    def _refuse_closed(self) -> None:
        if self.is_closed:
            raise StoreError(f"this process no longer works on run {self.run_id!r}", fix="resume it")


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
