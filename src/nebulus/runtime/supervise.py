"""Starts, resumes, lists and reads runs by name.

Invariants: any process that can reach the engine can resume a run, from what is recorded alone; a changed
configuration or policy is noticed before anything happens; what a caller accepts applies to that call only.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import msgspec
from msgspec import Struct

from nebulus.core.commands import Command
from nebulus.core.config import RunConfig
from nebulus.core.errors import ConfigError, JournalError
from nebulus.core.events import JOURNAL_VERSION, Event, RunResumed, RunStarted
from nebulus.core.journal import Record, decode_batch, events_of
from nebulus.core.outcome import Done, Outcome
from nebulus.core.plan import Goal, Plan
from nebulus.core.unreadable import UNREADABLE
from nebulus.guard.usage import usage_after_resume
from nebulus.loop.machine import Machine
from nebulus.loop.transitions import replay
from nebulus.ports.engine import Engine, OpenRun, RunInfo
from nebulus.runtime.driver import RunDriver
from nebulus.runtime.handle import RunHandle
from nebulus.runtime.verify import Verification, verify
from nebulus.runtime.world import World


class RunRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is needed to resume a run elsewhere: goal, plan, configuration, and where its world is.

    `place` says where the workspace and the settings file are, for the process that opens the world; it contains no secrets.
    """

    goal: Goal
    plan: Plan
    config: RunConfig
    policy_digest: str = ""
    place: dict[str, str] = msgspec.field(default_factory=dict)
    files: tuple[str, ...] = ()
    """The paths of files in the workspace, as far as they were listed."""


class Opened(Struct, frozen=True):
    """The world of a run, and its current configuration."""

    config: RunConfig
    world: World


OpenWorld: TypeAlias = Callable[[str, RunRequest], AbstractAsyncContextManager[Opened]]
"""Opens the world of the run of this name."""
BeforeRewind: TypeAlias = Callable[[str], Awaitable[None]]
"""Called with the name of a run before any of its records are cut off."""

_requests = msgspec.json.Decoder(RunRequest)
_outcomes: msgspec.json.Decoder[Outcome] = msgspec.json.Decoder(Outcome)


async def _nothing(run_id: str) -> None:
    """Do nothing before a rewind: nothing outside the run depends on its records."""


class _Taken(Struct, kw_only=True):
    """What the caller who starts or resumes a run passes to the body that the engine runs."""

    handle: RunHandle
    accepts_changes: bool = False
    handed_out: frozenset[type[Command]] = frozenset()
    opened: AbstractAsyncContextManager[Opened] | None = None
    resumed: RunResumed | None = None


class Supervisor:
    """Runs on one engine. `open_world` builds the world of a run from its request.

    `before_rewind` invalidates what depends on the records that are cut off, such as a person's answer.
    """

    def __init__(
        self, engine: Engine, open_world: OpenWorld, *, before_rewind: BeforeRewind = _nothing
    ) -> None:
        self._engine, self._open_world, self._before_rewind = engine, open_world, before_rewind
        self._taken: dict[str, _Taken] = {}

    async def __aenter__(self) -> "Supervisor":
        await self._engine.open(self._body)
        return self

    async def __aexit__(self, *_: object) -> None:
        for taken in list(self._taken.values()):
            await taken.handle.release()
        await self._engine.close()

    async def start(
        self,
        run_id: str,
        request: RunRequest,
        *,
        opened: AbstractAsyncContextManager[Opened] | None = None,
        handed_out: frozenset[type[Command]] = frozenset(),
    ) -> RunHandle:
        """Begin a run and return its handle; the run proceeds by itself.

        `opened` is its world, if the caller has already opened it. `handed_out` are the kinds of commands that
        the caller performs itself, through `RunHandle.advance`.

        Raises:
            ConfigError: a run with this name exists.
            RunBusyError: another process is working on a run with this name.
            StoreError: the engine's storage refused.
        """
        handle = RunHandle(run_id, self.cancel)
        taken = _Taken(handle=handle, opened=opened, handed_out=handed_out)
        return await self._take(taken, self._engine.start(run_id, msgspec.json.encode(request)))

    async def resume(
        self,
        run_id: str,
        *,
        accepts_changes: bool = False,
        handed_out: frozenset[type[Command]] = frozenset(),
    ) -> RunHandle:
        """Resume a run where it was, or try again what failed; a run that is done stays done.

        Raises:
            RunUnknownError, RunBusyError: as `Engine.resume`.
            ConfigError: the configuration or the policy has changed since, and `accepts_changes` is not set.
            JournalError: the journal can't be read.
        """
        outcome = read_outcome(await self._engine.info(run_id))
        handle = RunHandle(run_id, self.cancel)
        if isinstance(outcome, Done):
            handle.end_with(outcome)
            return handle
        taken = _Taken(
            handle=handle,
            accepts_changes=accepts_changes,
            handed_out=handed_out,
            resumed=RunResumed() if outcome is not None else None,
        )
        return await self._take(taken, self._engine.resume(run_id, reopen=outcome is not None))

    async def rewind(self, run_id: str, *, step: int, accepts_changes: bool = False) -> RunHandle:
        """Resume a run from the beginning of `step`; what later steps did to the world stays, and is still counted.

        Raises:
            ConfigError: the run never began that step, or as `resume`.
        """
        batches = await self._engine.past_of(run_id)
        keep = self._kept(run_id, batches, step)
        await self._before_rewind(run_id)
        before, happened = replay(events_of(batches[:keep])), replay(events_of(batches))
        resumed = RunResumed(spent=happened.spent, usage=usage_after_resume(happened.usage, before.usage))
        handle = RunHandle(run_id, self.cancel)
        taken = _Taken(handle=handle, accepts_changes=accepts_changes, resumed=resumed)
        return await self._take(taken, self._engine.resume(run_id, keep=keep, reopen=True))

    async def position_of(self, run_id: str, *, step: int) -> int:
        """Return how many events of the run would stay after a rewind to `step`.

        Raises:
            RunUnknownError, ConfigError: as `rewind`.
        """
        batches = await self._engine.past_of(run_id)
        return sum(1 for _ in events_of(batches[: self._kept(run_id, batches, step)]))

    @staticmethod
    def _kept(run_id: str, batches: tuple[bytes, ...], step: int) -> int:
        """Return how many batches to keep to begin `step` again."""
        began = dict(replay(events_of(batches)).step_began)
        if step not in began:
            known = ", ".join(map(str, sorted(began))) or "none"
            raise ConfigError(f"run {run_id} never began step {step}", fix=f"name one that it began: {known}")
        seen = 0
        for index, batch in enumerate(batches):
            if seen >= began[step]:
                return index
            seen += len(decode_batch(batch))
        return len(batches)

    async def _take(self, taken: _Taken, holding: Awaitable[bytes]) -> RunHandle:
        """Let the engine run the body, and return the handle once the run is under way."""
        handle = taken.handle
        if handle.run_id in self._taken:
            asyncio.ensure_future(holding).cancel()
            raise ConfigError(f"run {handle.run_id!r} is already under way in this process")
        self._taken[handle.run_id] = taken

        async def drive() -> Outcome:
            try:
                return _outcomes.decode(await holding)
            finally:
                self._taken.pop(handle.run_id, None)

        await handle.drive(drive())
        return handle

    async def cancel(self, run_id: str) -> None:
        """Ask the run to stop: nothing new begins, and what is under way is recorded.

        Raises:
            RunUnknownError: no run has this name.
        """
        await self._engine.cancel(run_id)

    async def runs(self, *, limit: int | None = None, after: str | None = None) -> list[RunInfo]:
        """List runs, newest first: at most `limit`, starting after the run named `after`."""
        return await self._engine.runs(limit=limit, after=after)

    async def info(self, run_id: str) -> RunInfo:
        """Describe one run.

        Raises:
            RunUnknownError: no run has this name.
        """
        return await self._engine.info(run_id)

    async def request(self, run_id: str) -> RunRequest:
        """Return the request that the run was started with.

        Raises:
            RunUnknownError: no run has this name.
        """
        return read_request((await self._engine.info(run_id)).request)

    async def journal(self, run_id: str) -> list[Record]:
        """Read the run's journal, as it was stored, without opening the run.

        Raises:
            RunUnknownError: no run has this name.
            JournalError: a record can't be read.
        """
        return [record for batch in await self._engine.past_of(run_id) for record in decode_batch(batch)]

    async def raw_journal(self, run_id: str) -> tuple[bytes, ...]:
        """Read the run's journal as the bytes that were stored.

        Raises:
            RunUnknownError: no run has this name.
        """
        return await self._engine.past_of(run_id)

    async def machine(self, run_id: str) -> Machine:
        """Return the run's machine, rebuilt from its journal.

        Raises:
            RunUnknownError: no run has this name.
            JournalError: a record can't be read.
        """
        return replay(events_of(await self._engine.past_of(run_id)))

    async def verify(self, run_id: str) -> Verification:
        """Check whether the stored journal is intact: chained, legal, and ending as the run did.

        Raises:
            RunUnknownError: no run has this name.
        """
        info = await self._engine.info(run_id)
        return verify(await self._engine.past_of(run_id), read_outcome(info))

    async def _body(self, run: OpenRun, data: bytes) -> bytes:
        request = read_request(data)
        taken = self._taken.get(run.run_id) or _Taken(handle=RunHandle(run.run_id, self.cancel))
        opened = taken.opened or self._open_world(run.run_id, request)
        async with opened as here:
            driver = RunDriver(run, here.world, handed_out=taken.handed_out)
            driver.replay(run.past)
            if driver.machine.position:
                first = _taken_up(driver.machine, here, taken)
            else:
                first = (_started(run.run_id, request, here),)
            taken.handle.attach(driver)
            return msgspec.json.encode(await driver.drive(*first))


def _started(run_id: str, request: RunRequest, here: Opened) -> Event:
    """Return the event that begins a run."""
    return RunStarted(
        goal=request.goal,
        plan=request.plan,
        config=request.config,
        run_id=run_id,
        policy_digest=here.world.policy.digest,
        version=JOURNAL_VERSION,
        files=request.files,
    )


def _taken_up(machine: Machine, here: Opened, taken: _Taken) -> tuple[Event, ...]:
    """Return the event that records what changed since the run was last under way; nothing if nothing did.

    Raises:
        ConfigError: something changed that the caller does not accept.
    """
    policy_digest = here.world.policy.digest
    before, now = machine.config, here.config
    is_other = {
        "tools, tiers or limits": before.digest() != now.digest(),
        "policy": bool(machine.policy_digest) and machine.policy_digest != policy_digest,
    }
    changed = [name for name, is_changed in is_other.items() if is_changed]
    if changed and not taken.accepts_changes:
        raise ConfigError(
            f"{' and '.join(changed)} changed since this run began", fix="restore them, or accept the change"
        )
    is_same = before == now and machine.policy_digest == policy_digest
    if is_same and taken.resumed is None:
        return ()
    resumed = taken.resumed or RunResumed()
    if not is_same:
        resumed = msgspec.structs.replace(resumed, config=now, policy_digest=policy_digest)
    return (resumed,)


def read_request(data: bytes) -> RunRequest:
    """Return the request that `data` contains.

    Raises:
        JournalError: it is not a request of this version.
    """
    try:
        return _requests.decode(data)
    except UNREADABLE as error:
        raise JournalError(f"the run's request can't be read by this version: {error}") from error


def read_outcome(info: RunInfo) -> Outcome | None:
    """Return the outcome of an ended run, None while it has none.

    Raises:
        JournalError: it is not an outcome of this version.
    """
    try:
        return _outcomes.decode(info.result) if info.result else None
    except UNREADABLE as error:
        raise JournalError(f"the run's outcome can't be read by this version: {error}") from error
