"""Runs in this process's memory: what the durable engine promises, without the durability.

A `MemoryStore` outlives the engines that were opened on it, so that a test can let one engine "die"
(`abandon`) and resume its runs with another.
"""

import asyncio
import os
import socket
import time
from dataclasses import dataclass, field

from msgspec.structs import replace

from nebulus.adapters.engines.batches import (
    VERSION,
    refuse_negative,
    refuse_other_version,
    text_of,
)
from nebulus.core.errors import ConfigError, RunBusyError, RunUnknownError, StoreError
from nebulus.ports.engine import Body, RunInfo, RunStatus


@dataclass(kw_only=True)
class _Run:
    run_id: str
    request: bytes
    version: str
    created_s: float
    updated_s: float
    batches: list[bytes] = field(default_factory=list)
    result: bytes | None = None
    stop: bool = False
    lease: "_Lease | None" = None

    @property
    def is_leased(self) -> bool:
        return self.lease is not None and self.lease.is_valid


@dataclass
class MemoryStore:
    """All that is recorded; give the same one to two engines to see a run change hands."""

    runs: dict[str, _Run] = field(default_factory=dict)


class MemoryEngine:
    """The engine for runs that nobody will resume, and for tests."""

    def __init__(self, store: MemoryStore | None = None, *, version: str = VERSION) -> None:
        self._store = MemoryStore() if store is None else store
        self._version = version
        self._body: Body | None = None
        self.is_alive = False

    async def open(self, body: Body) -> None:
        """Say what a run does."""
        self._body, self.is_alive = body, True

    async def start(self, run_id: str, request: bytes) -> bytes:
        """Run the body on a new run to its end and return what it returned. Raises: as `Engine.start`."""
        self._opened()
        if run_id in self._store.runs:
            self._refuse_leased(self._store.runs[run_id])
            raise ConfigError(f"run {run_id!r} exists already", fix="resume it, or take another name")
        now_s = time.time()
        run = _Run(run_id=run_id, request=request, version=self._version, created_s=now_s, updated_s=now_s)
        self._store.runs[run_id] = run
        return await self._carry_out(run)

    async def resume(self, run_id: str, *, keep: int | None = None, reopen: bool = False) -> bytes:
        """Resume a run, cut to its first `keep` batches. Raises: as `Engine.resume`."""
        self._opened()
        run = self._find(run_id)
        self._refuse_leased(run)
        refuse_other_version(run_id, recorded=run.version, ours=self._version)
        refuse_negative(keep)
        kept = run.batches[:keep]
        if run.result is not None and len(kept) == len(run.batches) and not reopen:
            return run.result
        run.batches, run.result, run.stop = kept, None, False
        return await self._carry_out(run)

    async def runs(self, *, limit: int | None = None, after: str | None = None) -> list[RunInfo]:
        """List runs, newest first, without their requests. Raises: as `Engine.runs`."""
        last = _order(self._find(after)) if after is not None else None
        newest_first = sorted(self._store.runs.values(), key=_order, reverse=True)
        page = [run for run in newest_first if last is None or _order(run) < last][:limit]
        return [replace(_described(run), request=b"") for run in page]

    async def info(self, run_id: str) -> RunInfo:
        """Describe one run. Raises: as `Engine.info`."""
        return _described(self._find(run_id))

    async def past_of(self, run_id: str) -> tuple[bytes, ...]:
        """Read the recorded batches of a run without opening it. Raises: as `Engine.past_of`."""
        return tuple(self._find(run_id).batches)

    async def cancel(self, run_id: str) -> None:
        """Ask for a stop between two steps. Raises: as `Engine.cancel`."""
        run = self._find(run_id)
        run.stop = run.result is None

    async def close(self) -> None:
        """Release every run."""
        self.abandon()

    def abandon(self) -> None:
        """Die: what this engine still wants to record is refused, and its runs are interrupted."""
        self.is_alive = False

    def _opened(self) -> Body:
        if self._body is None or not self.is_alive:
            raise ConfigError("the engine is not open", fix="call open(body) first")
        return self._body

    def _find(self, run_id: str) -> _Run:
        if run_id not in self._store.runs:
            raise RunUnknownError(f"there is no run {run_id!r}")
        return self._store.runs[run_id]

    def _refuse_leased(self, run: _Run) -> None:
        if run.is_leased:
            raise RunBusyError(f"process {os.getpid()} on {socket.gethostname()} works on run {run.run_id!r}")

    async def _carry_out(self, run: _Run) -> bytes:
        lease = run.lease = _Lease(run, self)
        try:
            result = await self._opened()(lease, run.request)
            text_of(result, f"the result of run {run.run_id!r}")
            lease.refuse_if_lost()
            run.result, run.stop, run.updated_s = result, False, time.time()
        finally:
            if run.lease is lease:
                run.lease = None
        return result


class _Lease:
    """The `OpenRun` of a body; void as soon as its engine is dead or another one resumed the run."""

    def __init__(self, run: _Run, engine: MemoryEngine) -> None:
        self.run_id, self.past = run.run_id, tuple(run.batches)
        self._run, self._engine = run, engine
        self._has_failed = False

    @property
    def is_valid(self) -> bool:
        return self._engine.is_alive and self._run.lease is self and not self._has_failed

    def refuse_if_lost(self) -> None:
        if not self.is_valid:
            raise StoreError(f"this engine no longer works on run {self.run_id!r}", fix="resume it")

    async def record(self, batch: bytes) -> None:
        # A durable engine lets other tasks run here, so this one does too.
        await asyncio.sleep(0)
        self.refuse_if_lost()
        try:
            text_of(batch, "a batch of records")
        except StoreError:
            self._has_failed = True
            raise
        self._run.batches.append(batch)
        self._run.updated_s = time.time()

    async def stop_asked(self) -> bool:
        return self._run.stop


def _order(run: _Run) -> tuple[float, str]:
    return run.created_s, run.run_id


def _described(run: _Run) -> RunInfo:
    match (run.result, run.is_leased, run.stop):
        case (bytes(), _, _):
            status = RunStatus.ENDED
        case (None, True, _):
            status = RunStatus.RUNNING
        case (None, False, True):
            status = RunStatus.CANCELLED
        case _:
            status = RunStatus.INTERRUPTED
    return RunInfo(
        run_id=run.run_id,
        status=status,
        created_s=run.created_s,
        updated_s=run.updated_s,
        version=run.version,
        request=run.request,
        result=run.result or b"",
    )
