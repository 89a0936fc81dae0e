"""Runs in this process's memory: what the durable engine promises, without the durability.

A `MemoryStore` outlives the engines that were opened on it, so that a test can let one engine "die"
(`abandon`) and resume its runs with another.
"""

import asyncio
import os
import socket
from dataclasses import dataclass, field

from msgspec.structs import replace

from nebulus.adapters.engines.open_run import Entry, JournaledRun, WallClock, cut, results, text_of
from nebulus.adapters.engines.version import VERSION, refuse_other_version
from nebulus.core.errors import ConfigError, RunBusyError, RunUnknownError, StoreError
from nebulus.ports.engine import Body, RunInfo, RunStatus
from nebulus.ports.world import Clock


@dataclass(kw_only=True)
class _Run:
    run_id: str
    request: bytes
    version: str
    created_s: float
    updated_s: float
    entries: list[Entry] = field(default_factory=list)
    result: bytes | None = None
    stop: bool = False
    holder: "_Hold | None" = None


@dataclass
class MemoryStore:
    """All that is recorded; give the same one to two engines to see a run change hands."""

    runs: dict[str, _Run] = field(default_factory=dict)


class MemoryEngine:
    """The engine for runs that nobody will resume, and for tests."""

    def __init__(
        self, store: MemoryStore | None = None, *, version: str = VERSION, clock: Clock | None = None
    ) -> None:
        self._store = MemoryStore() if store is None else store
        self._version = version
        self._clock = WallClock() if clock is None else clock
        self._body: Body | None = None
        self._alive = False

    async def open(self, body: Body) -> None:
        """Say what a run does."""
        self._body, self._alive = body, True

    async def start(self, run_id: str, request: bytes) -> bytes:
        """Run the body on a new run to its end and return what it returned.

        Raises:
            RunBusyError: the name is taken by a run that is held.
            ConfigError: the name is taken, or the engine is not open.
        """
        self._opened()
        if run_id in self._store.runs:
            self._refuse_held(self._store.runs[run_id])
            raise ConfigError(f"run {run_id!r} exists already", fix="resume it, or take another name")
        now_s = self._clock.now_s()
        run = _Run(run_id=run_id, request=request, version=self._version, created_s=now_s, updated_s=now_s)
        self._store.runs[run_id] = run
        return await self._hold(run)

    async def resume(self, run_id: str, *, keep: int | None = None, reopen: bool = False) -> bytes:
        """Take a run up again, cut to its first `keep` steps, and return what its body returned.

        Raises:
            RunUnknownError: no such run.
            RunBusyError: it is held.
            JournalError: another version recorded it.
        """
        self._opened()
        run = self._find(run_id)
        self._refuse_held(run)
        refuse_other_version(run_id, recorded=run.version, ours=self._version)
        kept = cut(run.entries, keep)
        if run.result is not None and len(kept) == len(run.entries) and not reopen:
            return run.result
        run.entries, run.result, run.stop = list(kept), None, False
        return await self._hold(run)

    async def runs(self, *, limit: int | None = None, after: str | None = None) -> list[RunInfo]:
        """List runs, newest first, without their requests. Raises: as `Engine.runs`."""
        last = _order(self._find(after)) if after is not None else None
        newest_first = sorted(self._store.runs.values(), key=_order, reverse=True)
        page = [run for run in newest_first if last is None or _order(run) < last][:limit]
        return [replace(_described(run), request=b"") for run in page]

    async def info(self, run_id: str) -> RunInfo:
        """Describe one run.

        Raises:
            RunUnknownError: no such run.
        """
        return _described(self._find(run_id))

    async def past_of(self, run_id: str) -> tuple[bytes, ...]:
        """Read the recorded steps of a run without taking it.

        Raises:
            RunUnknownError: no such run.
        """
        return results(self._find(run_id).entries)

    async def cancel(self, run_id: str) -> None:
        """Ask for a stop between two steps.

        Raises:
            RunUnknownError: no such run.
        """
        run = self._find(run_id)
        run.stop = run.result is None

    async def close(self) -> None:
        """Let go of every run."""
        self.abandon()

    def abandon(self) -> None:
        """Die: what this engine still wants to record is refused, and its runs are interrupted."""
        self._alive = False

    @property
    def is_alive(self) -> bool:
        """Whether this engine is open."""
        return self._alive

    def _opened(self) -> Body:
        if self._body is None or not self._alive:
            raise ConfigError("the engine is not open", fix="call open(body) first")
        return self._body

    def _find(self, run_id: str) -> _Run:
        if run_id not in self._store.runs:
            raise RunUnknownError(f"there is no run {run_id!r}")
        return self._store.runs[run_id]

    def _refuse_held(self, run: _Run) -> None:
        if _is_held(run):
            raise RunBusyError(
                f"run {run.run_id!r} is held by process {os.getpid()} on {socket.gethostname()}"
            )

    async def _hold(self, run: _Run) -> bytes:
        hold = run.holder = _Hold(run, self, self._clock)
        held = JournaledRun(run.run_id, tuple(run.entries), writer=hold, clock=self._clock)
        try:
            result = await self._opened()(held, run.request)
            held.finish()
            text_of(result, f"the result of run {run.run_id!r}")
            hold.refuse_if_lost()
            run.result, run.stop, run.updated_s = result, False, self._clock.now_s()
        finally:
            if run.holder is hold:
                run.holder = None
        return result


class _Hold:
    """An engine's hold on a run; void as soon as the engine is dead or another holds the run."""

    def __init__(self, run: _Run, engine: MemoryEngine, clock: Clock) -> None:
        self._run = run
        self._engine = engine
        self._clock = clock

    @property
    def is_valid(self) -> bool:
        return self._engine.is_alive and self._run.holder is self

    def refuse_if_lost(self) -> None:
        if not self.is_valid:
            raise StoreError(f"run {self._run.run_id!r} is no longer held by this engine", fix="resume it")

    async def write(self, entry: Entry) -> None:
        # A durable engine lets other tasks run here, so this one does too.
        await asyncio.sleep(0)
        self.refuse_if_lost()
        self._run.entries.append(entry)
        self._run.updated_s = self._clock.now_s()

    async def stop_asked(self) -> bool:
        return self._run.stop


def _order(run: _Run) -> tuple[float, str]:
    return run.created_s, run.run_id


def _is_held(run: _Run) -> bool:
    return run.holder is not None and run.holder.is_valid


def _described(run: _Run) -> RunInfo:
    match (run.result, _is_held(run), run.stop):
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
