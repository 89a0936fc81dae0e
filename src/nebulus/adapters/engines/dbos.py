"""The durable engine: runs are workflows of DBOS Transact, in one SQLite file or in PostgreSQL.

A batch is a step of its run's workflow, dropping batches is DBOS's rewind. Ours is the lease: the process that has
the lock of a run works on it.

Invariants, beyond those of the port: opening resumes nothing; the body runs in the task that asked for it, so that
its exceptions come out as they are and are never recorded.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import monotonic, time

from dbos import WorkflowStatus

from nebulus.adapters.engines.database_calls import FAREWELL_S, ask
from nebulus.adapters.engines.leases import Leases, leases_of, new_owner, whereabouts
from nebulus.adapters.engines.validation import VERSION, refuse_other_version, text_of
from nebulus.adapters.engines.workflows import Claim, Workflows, described, is_stop_asked
from nebulus.adapters.stores.database import SCHEMA, prepare, storage_at
from nebulus.core.errors import ConfigError, RunBusyError, RunUnknownError, StoreError
from nebulus.ports.engine import Body, RunInfo

_LOOK_S = 0.25
"""How often, at most, a run checks whether another process asked it to stop: one read of 0.5 ms.
Source: what a person takes for "at once"."""


class DbosEngine:
    """Runs that survive their process."""

    def __init__(self, address: str | Path, *, schema: str = SCHEMA, version: str = VERSION) -> None:
        """Name the storage: the path of an SQLite file, or a PostgreSQL URL and a `schema` in it.

        Nothing is touched before `open`.
        """
        self._storage = storage_at(address, schema=schema)
        self._leases = leases_of(self._storage)
        self._owner, self._version = new_owner(), version
        self._runs: dict[str, _OpenRun] = {}
        self._body: Body | None = None

    async def open(self, body: Body) -> None:
        """Prepare the storage and set what a run does. Raises: as `Engine.open`."""
        try:
            self._workflows = await ask(self._prepared)
        except StoreError as error:
            raise ConfigError(f"runs can't be kept here: {error}") from error
        self._body = body

    async def start(self, run_id: str, request: bytes) -> bytes:
        """Run the body on a new run to its end and return its result. Raises: as `Engine.start`."""
        if not run_id.strip():
            raise ConfigError("a run must have a name")
        text = text_of(request, "the request")
        async with self._lease(run_id) as run:
            await ask(partial(self._workflows.create, run.claim, text, self._version))
            return await run.execute(self._opened(), request, past=())

    async def resume(self, run_id: str, *, keep: int | None = None, reopen: bool = False) -> bytes:
        """Resume a run and return its body's result. Raises: as `Engine.resume`."""
        async with self._lease(run_id) as run:
            status = await ask(partial(self._workflows.status_of, run_id))
            refuse_other_version(run_id, recorded=status.app_version or "", ours=self._version)
            take_up = partial(self._workflows.take_up, run.claim, status, keep=keep, reopen=reopen)
            past, info = await ask(take_up), described(status, is_open=True)
            return info.result if past is None else await run.execute(self._opened(), info.request, past=past)

    async def runs(self, *, limit: int | None = None, after: str | None = None) -> list[RunInfo]:
        """List runs, newest first, without their requests. Raises: as `Engine.runs`."""
        self._opened()
        return await self._described(await ask(partial(self._workflows.page, limit, after)))

    async def info(self, run_id: str) -> RunInfo:
        """Describe one run. Raises: as `Engine.info`."""
        self._opened()
        [info] = await self._described([await ask(partial(self._workflows.status_of, run_id))])
        return info

    async def past_of(self, run_id: str) -> tuple[bytes, ...]:
        """Read the recorded batches of a run without opening it. Raises: as `Engine.past_of`."""
        self._opened()
        await ask(partial(self._workflows.status_of, run_id, is_whole=False))
        return await ask(partial(self._workflows.batches, run_id))

    async def cancel(self, run_id: str) -> None:
        """Ask a run to stop. Another process notices it within a quarter of a second. Raises: as `Engine.cancel`."""
        self._opened()
        await ask(partial(self._workflows.status_of, run_id, is_whole=False))
        await ask(partial(self._workflows.ask_to_stop, run_id))
        if run_id in self._runs:
            self._runs[run_id].is_stopping = True

    async def close(self) -> None:
        """Release every run and close the storage. May be called twice."""
        if self._body is None:
            return
        self._body = None
        for run in self._runs.values():
            run.is_closed = True
        for last in (self._leases.close, self._workflows.close):
            with suppress(StoreError):  # What a silent database keeps busy ends with the process.
                await ask(last, patience_s=FAREWELL_S)

    def _prepared(self) -> Workflows:
        prepare(self._storage)
        try:
            self._leases.take(self._owner)  # Nobody looks for it: it shows that locks work here.
            self._leases.release(self._owner)
            workflows = Workflows(self._storage)
            workflows.migrate()
        except BaseException:
            self._leases.close()
            raise
        return workflows

    def _opened(self) -> Body:
        if self._body is None:
            raise ConfigError("the engine is not open; call open(body) first")
        return self._body

    @asynccontextmanager
    async def _lease(self, run_id: str) -> AsyncIterator["_OpenRun"]:
        """Work on a run, alone.

        Raises:
            RunBusyError: somebody else does.
        """
        self._opened()
        if run_id in self._runs:
            raise RunBusyError(f"another task of this process is working on run {run_id!r}; wait for it")
        claim = Claim(run_id, self._owner, token_hex(16))
        run = self._runs[run_id] = _OpenRun(claim, self._workflows, self._leases)
        try:
            if not await ask(partial(self._leases.take, run_id)):
                holder = await self._holder(run_id)
                raise RunBusyError(f"{holder} is working on run {run_id!r}; wait for it, or cancel it")
            yield run
        finally:
            run.is_closed = True
            try:
                with suppress(StoreError):  # Others see that the run is free when this process ends.
                    await ask(partial(self._leases.release, run_id), patience_s=FAREWELL_S)
            finally:
                del self._runs[run_id]

    async def _holder(self, run_id: str) -> str:
        with suppress(RunUnknownError):  # It has the lock, and is about to create the run.
            status = await ask(partial(self._workflows.status_of, run_id, is_whole=False))
            if status.executor_id:
                return whereabouts(status.executor_id)
        return "another process"

    async def _described(self, statuses: Sequence[WorkflowStatus]) -> list[RunInfo]:
        names = [status.workflow_id for status in statuses]
        taken = await ask(partial(self._leases.held, names))
        return [described(status, is_open=status.workflow_id in taken) for status in statuses]


class _OpenRun:
    """A run that this process is working on. `past` is set when its body is executed."""

    past: tuple[bytes, ...] = ()

    def __init__(self, claim: Claim, workflows: Workflows, leases: Leases) -> None:
        self.run_id, self.claim = claim.run_id, claim
        self.is_stopping = self.is_closed = self._is_in_doubt = False
        self._workflows, self._leases = workflows, leases
        self._looked_s = monotonic()

    async def execute(self, body: Body, request: bytes, *, past: tuple[bytes, ...]) -> bytes:
        """Run the body after its `past`, and record its result."""
        self.past, self._count = past, len(past)
        result = await body(self, request)
        with self._writing():
            text = text_of(result, f"the result of run {self.run_id!r}")
            await ask(partial(self._workflows.finish, self.claim, text))
        return result

    async def record(self, batch: bytes) -> None:
        """Append a batch. Raises: as `OpenRun.record`."""
        with self._writing():
            write = partial(self._workflows.record, self.claim, self._count + 1, text_of(batch, "a batch"))
            await ask(partial(write, now_ms=int(time() * 1000)))
            self._count += 1

    async def stop_asked(self) -> bool:
        """Tell whether somebody asked this run to stop."""
        if not self.is_stopping and monotonic() - self._looked_s >= _LOOK_S:
            if await ask(self._look):  # Else it may have been set meanwhile.
                self.is_stopping = True
            self._looked_s = monotonic()
        return self.is_stopping

    def _look(self) -> bool:
        with suppress(StoreError):  # What follows waits for the database; the next look renews the lock.
            self._leases.renew()
        return is_stop_asked(self._workflows.status_of(self.run_id, is_whole=False))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Let nothing be written while something is, nor after something could not be.

        Raises:
            StoreError: this process no longer works on the run.
        """
        if self.is_closed or self._is_in_doubt:
            raise StoreError(f"run {self.run_id!r} can record nothing more in this process; resume it")
        self._is_in_doubt = True
        yield
        self._is_in_doubt = False
