"""Drives one run: makes decisions, performs commands (at the same time if they allow it), records what happened.

Invariants: an event is durable before anything with consequences begins because of it; one batch of records ends
where only an event from outside can continue the run; a record that could not be read again is never written; a tool
that may have an effect is never cancelled.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeAlias, assert_never

from msgspec import Raw

from nebulus.core.commands import (
    AskModel,
    AskPerson,
    ChooseRecovery,
    ChooseRoute,
    Command,
    Decision,
    EvaluateChecks,
    Finish,
    JudgeCall,
    ParseAnswer,
    RunTool,
    Wait,
)
from nebulus.core.errors import JournalError, RunCancelledError
from nebulus.core.events import (
    Event,
    ModelAnswered,
    OutcomeUnknown,
    PersonAbsent,
    PersonAnswered,
    RunResumed,
    RunStarted,
    ToolFailed,
    ToolReturned,
)
from nebulus.core.journal import (
    GENESIS,
    RawRecord,
    Record,
    chained,
    decode_event,
    decode_raw_batch,
    encode_batch,
)
from nebulus.core.outcome import Outcome
from nebulus.core.tools import Effect
from nebulus.loop.deciding import asked_for, choose_recovery, parse_answer
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.pending import commands, next_decision
from nebulus.loop.request import ComposedRequest, compose
from nebulus.loop.route import choose_route
from nebulus.loop.transitions import NO_CONFIG, feed
from nebulus.memory.recall import Index
from nebulus.ports.engine import OpenRun
from nebulus.runtime.judge import judge
from nebulus.runtime.perform import ask_model, handed_out, perform
from nebulus.runtime.unrecordable import recordable
from nebulus.runtime.world import World

UNSAVED_S = 0.25
"""Model and tool time, in seconds, that a crash may cost: answers and reads that took less in total are recorded with
the next batch."""

LISTEN_S = 1.0
"""How often a waiting run checks whether it must stop. Source: what a person perceives as immediate."""

Key: TypeAlias = tuple[str, ...]


class RunDriver:
    """One run in this process. `handed_out` are the kinds of commands that the host performs itself."""

    def __init__(
        self, journal: OpenRun, world: World, *, handed_out: frozenset[type[Command]] = frozenset()
    ) -> None:
        self._journal, self.world, self._handed_out = journal, world, handed_out
        self._pending: list[RawRecord] = []
        self._unsaved_s, self._must_save, self._saved_steps = 0.0, False, 0
        self._chain = GENESIS
        self._under_way: dict[Key, asyncio.Task[Event]] = {}
        self._composed: dict[Key, ComposedRequest] = {}
        self._may_have_run: frozenset[str] = frozenset()
        self._index = Index()
        self._inbox: asyncio.Queue[Event | None] = asyncio.Queue()
        self._arriving: asyncio.Task[Event | None] | None = None
        self._asking_alone: asyncio.Task[object] | None = None
        self._is_stopping = False
        self._people = asyncio.Lock()
        self._watchers: list[asyncio.Queue[Record | None]] = []
        self._idle = asyncio.Event()
        self.records: list[Record] = []
        self.machine: Machine = new_machine(NO_CONFIG)

    # what a host may call

    def submit(self, event: Event) -> None:
        """Hand in an event: the answer to a command that the host performed, or a person's decision."""
        self._idle.clear()
        self._inbox.put_nowait(event)

    def stop(self) -> None:
        """Ask the run to stop, from this process: nothing new begins, and effects under way are recorded first."""
        self._is_stopping = True
        if self._asking_alone is not None:
            self._asking_alone.cancel()
        else:
            self._inbox.put_nowait(None)

    async def wait_idle(self) -> tuple[Command, ...]:
        """Wait until the host must act, and return the commands to perform: handed-out ones, or `Finish`."""
        await self._idle.wait()
        known = (*self._handed_out, Finish)
        return tuple(handed_out(one, self.world) for one in commands(self.machine) if isinstance(one, known))

    async def watch(self) -> AsyncIterator[Record]:
        """Yield every record of the run: the existing ones, then each new one, until the end."""
        queue: asyncio.Queue[Record | None] = asyncio.Queue()
        past, is_over = list(self.records), self.machine.outcome is not None
        self._watchers.append(queue)
        try:
            for record in past:
                yield record
            while not is_over and (fresh := await queue.get()) is not None:
                yield fresh
        finally:
            self._watchers.remove(queue)

    # what an engine's body calls

    def replay(self, batches: Iterable[bytes]) -> None:
        """Fold what was recorded before this process opened the run.

        Raises:
            JournalError: the past can't be read, or was changed.
        """
        for batch in batches:
            for raw in decode_raw_batch(batch):
                data = bytes(raw.event)
                record = Record(position=raw.position, event=decode_event(data), chain=raw.chain)
                self._settle(record, data)
        running = (command for command in commands(self.machine) if isinstance(command, RunTool))
        self._may_have_run = frozenset(command.call.call_id for command in running)
        self._saved_steps = len(self.machine.evidence)

    async def drive(self, *first: Event) -> Outcome:
        """Record the `first` events, then drive the run to its end.

        Raises:
            RunCancelledError: the run was asked to stop; what was under way has been recorded.
            StoreError: a batch could not be recorded.
        """
        try:
            for event in first:
                self._record(event)
            return await self._loop()
        finally:
            self._idle.set()
            for queue in self._watchers:
                queue.put_nowait(None)

    async def _loop(self) -> Outcome:
        try:
            while True:
                self._decide()
                wanted = commands(self.machine)
                if wanted and isinstance(wanted[0], Finish):
                    await self._cancel_unwanted(frozenset())
                    await self._save()
                    return wanted[0].outcome
                is_stopping = self._is_stopping or await self._journal.stop_asked()
                event = None if is_stopping else await self._next(wanted)
                if event is None:
                    await self._stop()
                else:
                    self._record(event)
        finally:
            await self._cancel_unwanted(frozenset())
            if self._arriving is not None:
                self._arriving.cancel()

    def _decide(self) -> None:
        """Make every decision that code can make now."""
        while (command := next_decision(self.machine)) is not None:
            self._record(self._decided(command))

    def _decided(self, command: Decision) -> Event:
        machine, world = self.machine, self.world
        match command:
            case ChooseRoute():
                return choose_route(machine, command, world.skills)
            case ParseAnswer():
                composed, stored = self._answered(command), world.artifacts.get
                return parse_answer(machine, command, composed, stored=stored, skills=world.skills)
            case JudgeCall():
                return judge(machine, command, world)
            case ChooseRecovery():
                return choose_recovery(machine, command, now_s=world.clock.time_s(), skills=world.skills)
            case _:
                assert_never(command)

    def _answered(self, command: ParseAnswer) -> ComposedRequest:
        """Return the request of the answer, composed again if another process sent it."""
        known = self._composed.pop(_place(command.step, command.call_id), None)
        return known or self._compose(asked_for(self.machine, command))

    def _compose(self, command: AskModel) -> ComposedRequest:
        self._index = self._index.covering(self.machine.state.facts)
        return compose(self.machine, command, self._index)

    async def _next(self, wanted: tuple[Command, ...]) -> Event | None:
        """Begin everything that is wanted and return the next event, or None if the run must stop."""
        own = {_key(command): command for command in wanted if type(command) not in self._handed_out}
        await self._cancel_unwanted(frozenset(own))
        fresh = [command for key, command in own.items() if key not in self._under_way]
        if self._must_save or any(map(self._has_consequences, fresh)):
            await self._save()
        if len(own) == 1 and len(wanted) == 1 and fresh and not isinstance(fresh[0], AskPerson | Wait):
            return await self._alone(fresh[0])  # nothing else can happen meanwhile: no task is needed
        for command in fresh:
            self._under_way[_key(command)] = asyncio.ensure_future(self._perform(command))
        if len(own) < len(wanted):
            await self._save()
            self._idle.set()
        else:
            self._idle.clear()
        return await self._first()

    async def _alone(self, command: Command) -> Event | None:
        """Perform the only command; return None if a stop was requested while a model was being asked."""
        if not isinstance(command, AskModel):
            return await self._perform(command)
        self._asking_alone = task = asyncio.current_task()
        try:
            return await self._perform(command)
        except asyncio.CancelledError:
            if not self._is_stopping or task is None or task.uncancel():
                raise
            return None
        finally:
            self._asking_alone = None

    async def _first(self, *, is_stopping: bool = False) -> Event | None:
        """Return the first event of the commands under way or from the host, or None if the run must stop."""
        if self._arriving is None:
            self._arriving = asyncio.ensure_future(self._inbox.get())
        while True:
            waited_for = {*self._under_way.values(), self._arriving}
            await asyncio.wait(waited_for, timeout=LISTEN_S, return_when=asyncio.FIRST_COMPLETED)
            for key, task in self._under_way.items():
                if task.done():
                    del self._under_way[key]
                    return task.result()
            if self._arriving.done():
                event, self._arriving = self._arriving.result(), None
                if event is not None or not is_stopping:
                    return event
                self._arriving = asyncio.ensure_future(self._inbox.get())
            if not is_stopping and await self._journal.stop_asked():
                return None

    async def _perform(self, command: Command) -> Event:
        self.world.observers.on_command(command)
        match command:
            case AskModel():
                composed = self._compose(command)
                self._composed[_place(command.step, command.call_id)] = composed
                return await ask_model(command, composed, self.world, config=self.machine.config)
            case RunTool():
                call_id = command.call.call_id
                may_have_run, self._may_have_run = (
                    call_id in self._may_have_run,
                    self._may_have_run - {call_id},
                )
                return await perform(command, self.world, may_have_run=may_have_run)
            case AskPerson():
                async with self._people:  # a person is asked one question at a time
                    return await perform(command, self.world, may_have_run=False)
            case EvaluateChecks() | Wait():
                return await perform(command, self.world, may_have_run=False)
            case _:
                raise AssertionError(f"{type(command).__name__} is not performed")

    async def _cancel_unwanted(self, wanted: frozenset[Key]) -> None:
        """Cancel requests and waits that are no longer wanted; never a tool that may have an effect."""
        for key in [key for key in self._under_way if key not in wanted and not self._is_effect(key)]:
            task = self._under_way.pop(key)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _stop(self) -> None:
        """Record the events of effects under way, then stop.

        Raises:
            RunCancelledError: always.
        """
        await self._cancel_unwanted(frozenset(key for key in self._under_way if self._is_effect(key)))
        while self._under_way and (event := await self._first(is_stopping=True)) is not None:
            self._record(event)
        await self._save()
        raise RunCancelledError(
            f"run {self._journal.run_id!r} stopped because it was asked to", fix="resume it to continue"
        )

    def _is_effect(self, key: Key) -> bool:
        if key[0] != RunTool.__name__:
            return False
        _, flight = self.machine.find_flight(key[1])
        return self.machine.config.tool(flight.call.tool).effect is not Effect.READ

    def _has_consequences(self, command: Command) -> bool:
        """Whether a command must not begin before the events that led to it are durable."""
        match command:
            case RunTool(call=call):
                return self.machine.config.tool(call.tool).effect is not Effect.READ
            case AskModel() | EvaluateChecks():
                return False
            case _:
                return True

    # records

    def _record(self, event: Event) -> None:
        """Make `event`, redacted and readable again, the next record."""
        known, data = recordable(event, self.machine)
        hidden = self.world.secrets.without(known)
        if hidden is not known:
            known, data = recordable(hidden, self.machine)
        record = Record(position=self.machine.position + 1, event=known, chain=chained(self._chain, data))
        self._settle(record, data)
        self._pending.append(RawRecord(position=record.position, event=Raw(data), chain=record.chain))
        match known:
            case ModelAnswered(took_s=took_s):
                self._unsaved_s += took_s
            case ToolReturned(took_s=took_s) | ToolFailed(took_s=took_s):
                self._unsaved_s += took_s
            case _:
                pass
        self._must_save = (
            self._must_save
            or self._unsaved_s > UNSAVED_S
            or not self._can_be_repeated(known)
            or len(self.machine.evidence) != self._saved_steps
        )

    def _can_be_repeated(self, event: Event) -> bool:
        """Whether only time is lost if a crash loses `event`."""
        match event:
            case ToolReturned() | ToolFailed() | OutcomeUnknown():
                return self.machine.calls[-1].effect is Effect.READ if self.machine.calls else False
            case RunStarted() | RunResumed() | PersonAnswered() | PersonAbsent():
                return False
            case _:
                return True

    def _settle(self, record: Record, data: bytes) -> None:
        if record.chain != chained(self._chain, data):
            raise JournalError(
                f"record {record.position} was changed after it was written, or one before it is missing",
                fix=f"`nebulus verify {self._journal.run_id}` says more",
            )
        self.machine, self._chain = feed(self.machine, record.event), record.chain
        self.records.append(record)
        self.world.observers.on_record(record)
        for queue in self._watchers:
            queue.put_nowait(record)

    async def _save(self) -> None:
        """Make everything that happened durable."""
        if not self._pending:
            return
        await self._journal.record(encode_batch(self._pending))
        self._pending.clear()
        self._unsaved_s, self._must_save = 0.0, False
        self._saved_steps = len(self.machine.evidence)


def _place(step: int, call_id: str) -> Key:
    return (str(step), call_id)


def _key(command: Command) -> Key:
    """Return a key that identifies a command, so that the same one is not begun twice."""
    kind = type(command).__name__
    match command:
        case RunTool(call=call):
            return (kind, call.call_id)
        case AskPerson(question=question):
            return (kind, question.question_id, question.digest)
        case AskModel():
            return (kind, str(command.step), command.call_id, command.tier, str(command.attempt))
        case Wait():
            return (kind, str(command.step), command.call_id, str(command.until_s))
        case EvaluateChecks():
            return (kind, str(command.step))
        case _:
            return (kind,)
