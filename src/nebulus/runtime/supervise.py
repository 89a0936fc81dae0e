"""Runs by name: begun, taken up again, listed, read.

Laws: a run can be taken up by any process that can reach its engine, from what is recorded alone; a
changed setup or policy is noticed before anything happens.
"""

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.budget import Spent
from nebulus.core.context import Conduct
from nebulus.core.errors import ConfigError, JournalError
from nebulus.core.events import Event, GoalGiven, SetupChanged
from nebulus.core.journal import Record, decode_batch
from nebulus.core.outcome import Blocked, Done, Outcome
from nebulus.core.plan import Goal, Plan
from nebulus.guard.conduct import kept_on
from nebulus.loop.machine import feed, replay
from nebulus.loop.progress import Setup, new_machine
from nebulus.ports.engine import Engine, OpenRun, RunInfo, RunStatus
from nebulus.runtime.session import Session
from nebulus.runtime.verify import Verification, verify
from nebulus.runtime.world import World


class RunRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a run needs to be taken up elsewhere: goal, plan, setup, and where its world is.

    `place` is read by whoever opens the world (a workspace, a settings file); it holds no secrets.
    """

    goal: Goal
    plan: Plan
    setup: Setup
    policy_digest: str = ""
    place: dict[str, str] = msgspec.field(default_factory=dict)


OpenWorld: TypeAlias = Callable[[RunRequest], AbstractAsyncContextManager[tuple[Setup, World]]]
GoingBack: TypeAlias = Callable[[str], Awaitable[None]]
"""Is told the name of a run before anything that it recorded is cut off."""

_requests = msgspec.json.Decoder(RunRequest)
_outcomes: msgspec.json.Decoder[Outcome] = msgspec.json.Decoder(Outcome)


async def _nothing(run_id: str) -> None:
    """Let a run go back where nothing outside it depends on what it recorded."""


class Supervisor:
    """Runs on one engine. `open_world` builds what a run touches, from its request.

    `going_back` ends what was promised to the records that are cut off: an answer that was taken.
    """

    def __init__(self, engine: Engine, open_world: OpenWorld, *, going_back: GoingBack = _nothing) -> None:
        self._engine, self._open_world, self._going_back = engine, open_world, going_back
        self._accepts_changes = False
        self._happened: dict[str, tuple[Conduct, Spent]] = {}
        """What runs had done and spent that are being taken up from earlier on."""

    async def __aenter__(self) -> "Supervisor":
        await self._engine.open(self._body)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._engine.close()

    async def start(self, run_id: str, request: RunRequest) -> Outcome:
        """Begin a run and drive it to its outcome.

        Raises:
            ConfigError: the name is taken.
            RunBusyError: another process holds a run of this name.
            StoreError: the engine's storage refused; what was recorded before stands.
        """
        return _outcomes.decode(await self._engine.start(run_id, msgspec.json.encode(request)))

    async def resume(self, run_id: str, *, accepts_changes: bool = False) -> Outcome:
        """Take a run up where it was interrupted, or from the step that broke; a finished one stays so.

        Raises:
            RunUnknownError, RunBusyError: as `Engine.resume`.
            ConfigError: setup or policy have changed since, and `accepts_changes` is not set.
        """
        info = await self._engine.info(run_id)
        self._accepts_changes = accepts_changes
        keep = await self._kept(run_id) if info.status is RunStatus.ENDED else None
        return await self._take_up(run_id, keep)

    async def rewind(self, run_id: str, *, step: int, accepts_changes: bool = False) -> Outcome:
        """Take a run up from the beginning of step `step`; what the steps since did to the world stays.

        Raises:
            ConfigError: the run never began that step, or as `resume`.
        """
        self._accepts_changes = accepts_changes
        return await self._take_up(run_id, await self._kept_before(run_id, step))

    async def standing(self, run_id: str, *, step: int = 0) -> int:
        """Return how many events of the run would stand after a resume, or a rewind to `step`.

        What the later ones did to the world stays done, and is done again where a step asks for it.

        Raises:
            RunUnknownError, ConfigError: as `resume` and `rewind`.
        """
        batches = await self._engine.past_of(run_id)
        if step:
            keep: int | None = await self._kept_before(run_id, step)
        else:
            is_ended = (await self._engine.info(run_id)).status is RunStatus.ENDED
            keep = await self._kept(run_id) if is_ended else None
        return sum(1 for _ in _events(batches[:keep]))

    async def _take_up(self, run_id: str, keep: int | None) -> Outcome:
        """Take a run up from its first `keep` records; what the others did and spent still counts."""
        self._happened.pop(run_id, None)
        if keep is not None:
            await self._going_back(run_id)
            batches, setup = await self._engine.past_of(run_id), (await self.request(run_id)).setup
            standing = replay(setup, tuple(_events(batches[:keep])))
            happened = functools.reduce(feed, _events(batches[keep:]), standing)
            if happened.spent != standing.spent:
                self._happened[run_id] = kept_on(happened.conduct, standing.conduct), happened.spent
        return _outcomes.decode(await self._engine.resume(run_id, keep=keep))

    async def _kept_before(self, run_id: str, step: int) -> int:
        """Return how many records to keep to begin `step` anew."""
        batches = await self._engine.past_of(run_id)
        began = _beginnings(await self.request(run_id), batches)
        if step not in began:
            known = ", ".join(map(str, sorted(began))) or "none"
            raise ConfigError(f"run {run_id} never began step {step}; it began {known}")
        return _batches_for(batches, began[step])

    async def cancel(self, run_id: str) -> None:
        """Ask for a stop between two steps.

        Raises:
            RunUnknownError: no such run.
        """
        await self._engine.cancel(run_id)

    async def runs(self) -> list[RunInfo]:
        """List all runs, newest first."""
        return await self._engine.runs()

    async def info(self, run_id: str) -> RunInfo:
        """Describe one run.

        Raises:
            RunUnknownError: no such run.
        """
        return await self._engine.info(run_id)

    async def request(self, run_id: str) -> RunRequest:
        """Return what the run was asked.

        Raises:
            RunUnknownError: no such run.
        """
        return read_request((await self._engine.info(run_id)).request)

    async def journal(self, run_id: str) -> list[Record]:
        """Read the run's journal, as it was stored, without taking the run.

        Raises:
            RunUnknownError: no such run.
            JournalError: a record can't be read.
        """
        batches = await self._engine.past_of(run_id)
        return [record for batch in batches for record in decode_batch(batch)]

    async def verify(self, run_id: str) -> Verification:
        """Say whether the stored journal is whole: chained, legal, and ending as the run did.

        Raises:
            RunUnknownError: no such run.
        """
        info = await self._engine.info(run_id)
        setup = read_request(info.request).setup
        return verify(await self._engine.past_of(run_id), setup, read_outcome(info))

    async def _kept(self, run_id: str) -> int | None:
        """Return how many records to keep of an ended run: all of a done one, else up to what broke."""
        batches = await self._engine.past_of(run_id)
        machine = replay((await self.request(run_id)).setup, tuple(_events(batches)))
        match machine.outcome:
            case Done():
                return None
            case Blocked():
                return len(batches) - 1
            case _:
                return _batches_for(batches, max(1, machine.step_began))

    async def _body(self, run: OpenRun, data: bytes) -> bytes:
        request = read_request(data)
        async with self._open_world(request) as (setup, world):
            session = Session(run, request.setup, world)
            given = GoalGiven(
                goal=request.goal,
                plan=request.plan,
                run_id=run.run_id,
                setup_digest=setup.digest(),
                policy_digest=world.policy.digest,
            )
            now = SetupChanged(setup=msgspec.to_builtins(setup), policy_digest=world.policy.digest)
            before = _last_adopted(request, run.past, policy_digest=now.policy_digest)
            if run.past and now != before:
                self._require_accepted(before, now)
            if run.run_id in self._happened:
                conduct, spent = self._happened.pop(run.run_id)
                conduct_json = msgspec.to_builtins(conduct, order="deterministic")
                now = replace(now, conduct=conduct_json, spent=spent)
            await session.begin(given, changed=now if now != before else None)
            return msgspec.json.encode(await session.drive())

    def _require_accepted(self, before: SetupChanged, now: SetupChanged) -> None:
        """Let a larger budget pass; any other change must have been accepted."""
        was, new = (msgspec.convert(each.setup, Setup).digest() for each in (before, now))
        is_other = {"tools, tiers or limits": was != new, "policy": before.policy_digest != now.policy_digest}
        changed = [name for name, is_changed in is_other.items() if is_changed]
        if changed and not self._accepts_changes:
            raise ConfigError(
                f"{' and '.join(changed)} changed since this run began; restore them, or accept the change"
            )


def read_request(data: bytes) -> RunRequest:
    """Return the request that `data` spells.

    Raises:
        JournalError: it spells none of this version.
    """
    try:
        return _requests.decode(data)
    except msgspec.MsgspecError as error:
        raise JournalError(f"the run's request can't be read by this version: {error}") from error


def read_outcome(info: RunInfo) -> Outcome | None:
    """Return the outcome of an ended run, None while it has none."""
    return _outcomes.decode(info.result) if info.result else None


def _events(batches: tuple[bytes, ...]) -> Iterator[Event]:
    return (record.event for batch in batches for record in decode_batch(batch))


def _last_adopted(request: RunRequest, batches: tuple[bytes, ...], *, policy_digest: str) -> SetupChanged:
    """Return the setup and policy that the run had when it was last held; `policy_digest` if it named none."""
    adopted = SetupChanged(
        setup=msgspec.to_builtins(request.setup), policy_digest=request.policy_digest or policy_digest
    )
    for event in _events(batches):
        if isinstance(event, SetupChanged):
            adopted = replace(event, conduct={}, spent=None)
    return adopted


def _batches_for(batches: tuple[bytes, ...], position: int) -> int:
    """Return how many batches hold the first `position` events."""
    seen = 0
    for index, batch in enumerate(batches):
        if seen >= position:
            return index
        seen += len(decode_batch(batch))
    return len(batches)


def _beginnings(request: RunRequest, batches: tuple[bytes, ...]) -> dict[int, int]:
    """Return for each step that began the position of the event before it."""
    machine, began = new_machine(request.setup), dict[int, int]()
    for event in _events(batches):
        machine = feed(machine, event)
        if machine.active:
            began.setdefault(machine.active, machine.step_began)
    return began
