"""Where the engines under contract live, and other processes that use the same storage."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from nebulus.adapters.engines.batches import VERSION
from nebulus.adapters.engines.dbos import DbosEngine
from nebulus.adapters.engines.memory import MemoryEngine, MemoryStore
from nebulus.core.errors import NebulusError, RunCancelledError
from nebulus.ports.engine import Body, Engine, OpenRun

SCHEMA = "nebulus_test"
POSTGRES = "NEBULUS_TEST_POSTGRES"
ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("engine_process.py")

Hook = Callable[[], Awaitable[None]]


class Steps:
    """A run, used as its driver does: first comes its past, then what is new is performed and recorded."""

    def __init__(self, run: OpenRun) -> None:
        self._run, self._count = run, 0

    async def step(self, perform: Callable[[], Awaitable[bytes]]) -> bytes:
        self._count += 1
        if self._count <= len(self._run.past):
            return self._run.past[self._count - 1]
        if await self._run.stop_asked():
            raise RunCancelledError(f"stopped before step {self._count}")
        result = await perform()
        await self._run.record(result)
        return result


class Counter:
    """A body that counts to the request, one step a number, and notes what it performs in a file."""

    def __init__(self, notes: Path, *, at: Mapping[int, Hook] | None = None) -> None:
        self.notes = notes
        self.at = dict(at or {})

    async def body(self, run: OpenRun, request: bytes) -> bytes:
        counted, steps = [], Steps(run)
        for number in range(1, json.loads(request) + 1):
            counted.append(json.loads(await steps.step(partial(self._perform, number))))
        return json.dumps(counted).encode()

    async def _perform(self, number: int) -> bytes:
        with self.notes.open("a") as notes:
            notes.write(f"{number}\n")
        if number in self.at:
            await self.at[number]()
        return json.dumps(number).encode()

    @property
    def performed(self) -> list[int]:
        """The numbers of the steps that were performed, by all processes, in order."""
        return [int(line) for line in self.notes.read_text().split()] if self.notes.exists() else []


class Other(Protocol):
    """Another process, which holds a run and is in the middle of a step."""

    whereabouts: str

    async def die(self) -> None:
        """End like under kill -9."""
        ...

    async def go_on(self) -> str:
        """End the step, go on to the end, and tell the result or the error's name and message."""
        ...


class Home(Protocol):
    """One storage."""

    def engine(self, *, version: str = VERSION) -> Engine:
        """An engine of this process, not yet open."""
        ...

    async def other(self, run_id: str, request: bytes, *, notes: Path, hang_at: int) -> Other:
        """Another process that has started a run and hangs in step `hang_at`."""
        ...


class MemoryHome:
    def __init__(self) -> None:
        self.store = MemoryStore()

    def engine(self, *, version: str = VERSION) -> MemoryEngine:
        return MemoryEngine(self.store, version=version)

    async def other(self, run_id: str, request: bytes, *, notes: Path, hang_at: int) -> "OtherTask":
        other = OtherTask(self.engine(), notes, hang_at)
        await other.begin(run_id, request)
        return other


class OtherTask:
    """For runs in memory another engine on the same store is as far apart as another process can be."""

    whereabouts = f"process {os.getpid()}"

    def __init__(self, engine: MemoryEngine, notes: Path, hang_at: int) -> None:
        self._engine = engine
        self._is_hanging, self._may_go_on = asyncio.Event(), asyncio.Event()
        self._counter = Counter(notes, at={hang_at: self._hang})
        self._task: asyncio.Task[bytes] | None = None

    async def begin(self, run_id: str, request: bytes) -> None:
        await self._engine.open(self._counter.body)
        self._task = asyncio.create_task(self._engine.start(run_id, request))
        await self._is_hanging.wait()

    async def die(self) -> None:
        assert self._task is not None
        self._engine.abandon()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def go_on(self) -> str:
        assert self._task is not None
        self._may_go_on.set()
        try:
            return (await self._task).decode()
        except NebulusError as error:
            return f"{type(error).__name__}: {error}"

    async def _hang(self) -> None:
        self._is_hanging.set()
        await self._may_go_on.wait()


class DbosHome:
    def __init__(self, address: str) -> None:
        self.address = address

    def engine(self, *, version: str = VERSION) -> DbosEngine:
        return DbosEngine(self.address, schema=SCHEMA, version=version)

    async def other(self, run_id: str, request: bytes, *, notes: Path, hang_at: int) -> "OtherProcess":
        other = await self._process(run_id, request.decode(), str(notes), str(hang_at))
        assert await other.heard() == "hanging"
        return other

    async def resumed_elsewhere(self, run_id: str, *, notes: Path) -> str:
        """What another process says that resumes the run."""
        return await (await self._process(run_id, "", str(notes), "0")).go_on()

    async def _process(self, *words: str) -> "OtherProcess":
        return OtherProcess(
            await asyncio.create_subprocess_exec(
                sys.executable,
                str(PROGRAM),
                self.address,
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            )
        )


class OtherProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.whereabouts = f"process {process.pid}"

    async def heard(self) -> str:
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()

    async def die(self) -> None:
        self._process.kill()
        await self._process.communicate()

    async def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)
        await self._process.communicate(b"")

    async def go_on(self) -> str:
        said, _ = await self._process.communicate(b"go on\n")
        return said.decode().strip()


def home_on(storage: str, folders: pytest.TempPathFactory) -> Home:
    """A fresh home in memory or on SQLite, or one in the PostgreSQL that the environment names."""
    match storage:
        case "memory":
            return MemoryHome()
        case "sqlite":
            return DbosHome(str(folders.mktemp("engine") / "runs.db"))
        case _:
            if POSTGRES not in os.environ:
                pytest.skip('no PostgreSQL: eval "$(scripts/postgres start)"')
            return DbosHome(os.environ[POSTGRES])


class Broken(Exception):
    """A fault in a body, of no kind that an engine knows."""


async def breaks() -> None:
    raise Broken


@asynccontextmanager
async def opened(home: Home, body: Body, *, version: str = "1") -> AsyncIterator[Engine]:
    engine = home.engine(version=version)
    await engine.open(body)
    try:
        yield engine
    finally:
        await engine.close()


async def break_at(home: Home, run_id: str, counter: Counter, step: int) -> None:
    """Leave a run of five steps interrupted in `step`."""
    async with opened(home, Counter(counter.notes, at={step: breaks}).body) as engine:
        with pytest.raises(Broken):
            await engine.start(run_id, b"5")
