"""Runs in this process's memory: what the durable engine promises, without the durability.

A `MemoryStore` outlives the engines that were opened on it, so that a test can let one engine "die"
(`abandon`) and resume its runs with another.
"""

import asyncio
import os
import socket
import time
from dataclasses import dataclass, field

from nebulus.adapters.engines.validation import VERSION, refuse_negative, refuse_other_version, text_of
from nebulus.core.errors import ConfigError, RunBusyError, RunUnknownError, StoreError
from nebulus.ports.engine import Body, RunInfo, RunStatus


@dataclass(kw_only=True)
class _Run:
    run_id: str
    request: bytes
    version: str
    created_s: float = field(default_factory=time.time)
    updated_s: float = 0.0
    batches: list[bytes] = field(default_factory=list)
    result: bytes | None = None
    is_stopping: bool = False
    opened: "_OpenRun | None" = None

    def is_open(self) -> bool:
        return self.opened is not None and self.opened.is_alive()


@dataclass
class MemoryStore:
    """All that is recorded; give the same one to two engines to see a run change hands."""

    runs: dict[str, _Run] = field(default_factory=dict)


class MemoryEngine:
    """The engine for runs that nobody will resume, and for tests. Each method raises what the port says."""

    def __init__(self, store: MemoryStore | None = None, *, version: str = VERSION) -> None:
        self._runs = (store or MemoryStore()).runs
        self._version = version
        self._body: Body | None = None

    async def open(self, body: Body) -> None:
        """Set what a run does."""
        self._body = body

    async def start(self, run_id: str, request: bytes) -> bytes:
        """Run the body on a new run to its end and return its result."""
        self._opened()
        if run_id in self._runs:
            _refuse_open(self._runs[run_id])
            raise ConfigError(f"run {run_id!r} exists already; resume it, or use another name")
        run = self._runs[run_id] = _Run(run_id=run_id, request=request, version=self._version)
        return await self._execute(run)

    async def resume(self, run_id: str, *, keep: int | None = None, reopen: bool = False) -> bytes:
        """Resume a run and return its body's result."""
        self._opened()
        run = self._find(run_id)
        _refuse_open(run)
        refuse_other_version(run_id, recorded=run.version, ours=self._version)
        refuse_negative(keep)
        kept = run.batches[:keep]
        if run.result is not None and kept == run.batches and not reopen:
            return run.result
        run.batches, run.result, run.is_stopping = kept, None, False
        return await self._execute(run)

    async def runs(self, *, limit: int | None = None, after: str | None = None) -> list[RunInfo]:
        """List runs, newest first, without their requests."""
        last = _order(self._find(after)) if after is not None else None
        newest_first = sorted(self._runs.values(), key=_order, reverse=True)
        page = [run for run in newest_first if last is None or _order(run) < last][:limit]
        return [_described(run, request=b"") for run in page]

    async def info(self, run_id: str) -> RunInfo:
        """Describe one run."""
        run = self._find(run_id)
        return _described(run, request=run.request)

    async def past_of(self, run_id: str) -> tuple[bytes, ...]:
        """Read the recorded batches of a run without opening it."""
        return tuple(self._find(run_id).batches)

    async def cancel(self, run_id: str) -> None:
        """Ask a run to stop."""
        self._find(run_id).is_stopping = True

    async def close(self) -> None:
        """Release every run."""
        self.abandon()

    def abandon(self) -> None:
        """Die: what this engine still tries to record is refused, and its runs are interrupted."""
        self._body = None

    @property
    def is_alive(self) -> bool:
        """Whether this engine is open."""
        return self._body is not None

    def _opened(self) -> Body:
        if self._body is None:
            raise ConfigError("the engine is not open; call open(body) first")
        return self._body

    def _find(self, run_id: str) -> _Run:
        if run_id not in self._runs:
            raise RunUnknownError(f"there is no run {run_id!r}")
        return self._runs[run_id]

    async def _execute(self, run: _Run) -> bytes:
        opened = run.opened = _OpenRun(run, self)
        try:
            result = await self._opened()(opened, run.request)
            text_of(result, f"the result of run {run.run_id!r}")
            opened.refuse_if_lost()
            run.result, run.updated_s = result, time.time()
        finally:
            if run.opened is opened:
                run.opened = None
        return result


class _OpenRun:
    """A run that an engine is working on, until the engine is dead or another one works on the run."""

    def __init__(self, run: _Run, engine: MemoryEngine) -> None:
        self.run_id, self.past = run.run_id, tuple(run.batches)
        self._run, self._engine, self._is_in_doubt = run, engine, False

    async def record(self, batch: bytes) -> None:
        """Append a batch."""
        self.refuse_if_lost()
        self._is_in_doubt = True
        text_of(batch, "a batch")
        await asyncio.sleep(0)  # A durable engine lets other tasks run here, so this one does too.
        self._is_in_doubt = False
        self.refuse_if_lost()
        self._run.batches.append(batch)
        self._run.updated_s = time.time()

    async def stop_asked(self) -> bool:
        """Tell whether somebody asked this run to stop."""
        return self._run.is_stopping

    def is_alive(self) -> bool:
        """Whether the engine still works on the run."""
        return self._engine.is_alive and self._run.opened is self

    def refuse_if_lost(self) -> None:
        """Raise StoreError if nothing more may be recorded: another works on the run, or a batch was not recorded."""
        if self._is_in_doubt or not self.is_alive():
            raise StoreError(f"run {self.run_id!r} can record nothing more in this engine; resume it")


def _refuse_open(run: _Run) -> None:
    if run.is_open():
        raise RunBusyError(
            f"process {os.getpid()} on {socket.gethostname()} is working on run {run.run_id!r}; wait for it"
        )


def _order(run: _Run) -> tuple[float, str]:
    return run.created_s, run.run_id


def _described(run: _Run, *, request: bytes) -> RunInfo:
    match (run.result, run.is_open(), run.is_stopping):
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
        updated_s=max(run.created_s, run.updated_s),
        version=run.version,
        request=request,
        result=run.result or b"",
    )
