"""One open run: the machine, its journal, and the world, joined.

Laws: an event is durable before the machine goes on from it; what is decided by pure code alone (a
verdict) rides with the next durable record, or alone where it ends the run; the recorded past stands in
front of the present.
"""

from typing import TypeAlias

from nebulus.core.commands import (
    AskModel,
    AskPerson,
    Command,
    Finish,
    Intend,
    Judge,
    RunChecks,
    RunTool,
    Wait,
)
from nebulus.core.digest import short_digest
from nebulus.core.errors import JournalError
from nebulus.core.events import Event, GoalGiven, SetupChanged
from nebulus.core.journal import GENESIS, Record, chained, decode_batch, encode_batch
from nebulus.core.outcome import Outcome
from nebulus.loop.machine import feed
from nebulus.loop.progress import Machine, Setup, new_machine
from nebulus.ports.engine import OpenRun
from nebulus.runtime.perform import judge, perform
from nebulus.runtime.world import World

Durable: TypeAlias = AskModel | Intend | RunTool | AskPerson | RunChecks | Wait

SETUP = "setup"
"""The name of the step that records a changed setup."""
DURABLE_WAIT_S = 30.0
"""Waits from here on are kept by the engine, so that a restart waits only for what is left."""


class Session:
    """A run that this process holds."""

    def __init__(self, run: OpenRun, setup: Setup, world: World) -> None:
        self._run, self._world = run, world
        self._pending: list[Record] = []
        self._chain = GENESIS
        self._may_have_run = False
        self.machine: Machine = new_machine(setup)

    async def begin(self, given: GoalGiven, *, changed: SetupChanged | None = None) -> None:
        """Take up the recorded past, or begin with `given` if there is none; then go on as `changed` says.

        Raises:
            JournalError: the past contradicts itself, or was changed.
            ConfigError: a call under way needs what the changed setup lacks.
        """
        past = self._run.past
        for batch in past:
            await self._replay(batch)
        self._may_have_run = bool(past)
        if not past:
            await self._record("goal", given)
        elif changed is not None and not isinstance(self._command, Finish):
            await self._record(SETUP, changed)

    async def drive(self) -> Outcome:
        """Perform every command, to the end."""
        command = await self.advance(frozenset())
        assert isinstance(command, Finish)
        return command.outcome

    async def advance(self, handed_out: frozenset[type[Command]], event: Event | None = None) -> Command:
        """Go on until a command that somebody else performs, or the end, and return it.

        `event` answers the command that was handed out before; None where none was.

        Raises:
            IllegalEventError: `event` does not answer that command.
        """
        if event is not None:
            await self._record(_step_name(self._command), event)
        while True:
            command = self._command
            if isinstance(command, Finish):
                await self._record_verdict()
                return command
            if type(command) in handed_out:
                return command
            if isinstance(command, Judge):
                verdict = self._link(judge(command, self._world))
                self._pending.append(verdict)
                self._feed(verdict)
                continue
            await self._perform(command)

    @property
    def _command(self) -> Command:
        if self.machine.command is None:
            raise JournalError("the run has not begun: its first record is missing")
        return self.machine.command

    async def _perform(self, command: Durable) -> None:
        self._world.observers.on_command(command)
        may_have_run, self._may_have_run = self._may_have_run, False

        async def act() -> bytes:
            event = await perform(command, self._world, may_have_run=may_have_run)
            return encode_batch([*self._pending, self._link(event)])

        if isinstance(command, Wait) and command.seconds >= DURABLE_WAIT_S:
            await self._run.sleep(command.seconds)
            command = Wait(seconds=0.0, why=command.why)
        batch = decode_batch(await self._run.step(_step_name(command), act))
        self._pending.clear()
        self._feed(batch[-1])

    async def _record_verdict(self) -> None:
        """Make a verdict durable that ended the run: no later record will carry it."""
        if not self._pending:
            return

        async def act() -> bytes:
            return encode_batch(self._pending)

        await self._run.step(Judge.__name__.lower(), act)
        self._pending.clear()

    async def _record(self, name: str, event: Event) -> None:
        record = self._link(event)
        after = feed(self.machine, record.event)

        async def act() -> bytes:
            return encode_batch([*self._pending, record])

        await self._run.step(name, act)
        self._pending.clear()
        self._settle(after, record)

    async def _replay(self, recorded: bytes) -> None:
        *decided, record = decode_batch(recorded)
        for verdict in decided:
            self._feed(verdict)
        command = self.machine.command
        if isinstance(command, Wait) and command.seconds >= DURABLE_WAIT_S:
            await self._run.sleep(command.seconds)
        name = SETUP if isinstance(record.event, SetupChanged) else "goal"
        if command is not None and name != SETUP:
            name = _step_name(command)
        await self._run.step(name, _unreachable)
        self._feed(record)

    def _link(self, event: Event) -> Record:
        """Return `event`, without secrets, as the next record."""
        known = self._world.secrets.without(event)
        return Record(position=self.machine.position + 1, event=known, chain=chained(self._chain, known))

    def _feed(self, record: Record) -> None:
        self._settle(feed(self.machine, record.event), record)

    def _settle(self, after: Machine, record: Record) -> None:
        if record.chain != chained(self._chain, record.event):
            raise JournalError(
                f"record {record.position} was changed after it was written, or one before it is missing; "
                f"`nebulus verify {self._run.run_id}` says more"
            )
        self.machine, self._chain = after, record.chain
        self._world.observers.on_record(record)


async def _unreachable() -> bytes:
    raise JournalError("the engine forgot a step that it had recorded")


def _step_name(command: Command) -> str:
    """Return the name under which a command's answer is recorded: its kind, and what it was about."""
    match command:
        case AskModel():
            return f"ask:{command.tier}"
        case RunTool(call=call):
            return f"run:{call.tool}:{short_digest(call.arguments)}"
        case Intend(call=call):
            return f"intend:{call.tool}:{short_digest(call.arguments)}"
        case AskPerson():
            return f"person:{command.question.question_id}"
        case RunChecks():
            return f"check:{short_digest(command.checks)}"
        case Wait() | Judge() | Finish():
            return type(command).__name__.lower()
