"""A handle on one run: its result, its events as they happen, and what a host may do to it.

Invariants: a run proceeds by itself; a handle only watches, answers, performs handed-out commands, or asks it to stop.
Whatever ends the run in this process without an outcome is raised by `result`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from nebulus.core.commands import Command, Finish, RunTool
from nebulus.core.errors import ConfigError
from nebulus.core.events import Event, PersonAnswered
from nebulus.core.failure import Failure
from nebulus.core.journal import Record
from nebulus.core.outcome import Outcome, Question
from nebulus.loop.machine import Machine
from nebulus.loop.pending import questions
from nebulus.ports.tool import ToolOutput
from nebulus.runtime.driver import RunDriver
from nebulus.runtime.effects import event_of


class RunHandle:
    """A run of this process. Made by `Supervisor`, `Application` and `Agent`."""

    def __init__(self, run_id: str, cancel: Callable[[str], Awaitable[None]]) -> None:
        self.run_id = run_id
        self._cancel = cancel
        self._driver: RunDriver | None = None
        self._attached = asyncio.Event()
        self._task: asyncio.Future[Outcome] | None = None

    async def result(self) -> Outcome:
        """Wait for the outcome.

        Raises:
            RunCancelledError: somebody asked the run to stop.
            StoreError: the engine's storage refused; what was recorded before is kept.
        """
        return await asyncio.shield(self._running)

    async def events(self) -> AsyncIterator[Record]:
        """Yield every record of the run: the existing ones, then each new one, until the end."""
        if self._driver is not None:
            async for record in self._driver.watch():
                yield record

    async def advance(self, event: Event | None = None) -> tuple[Command, ...]:
        """Hand in the event that answers a handed-out command, and return the commands to perform now.

        With several commands under way, each is answered by its own event, in any order. At the end, the only command
        is `Finish`.

        Raises:
            NebulusError: as `result`, if the run ended without an outcome.
        """
        running = self._running
        if self._driver is None:
            return (Finish(outcome=await self.result()),)
        if event is not None:
            self._driver.submit(event)
        idle = asyncio.ensure_future(self._driver.wait_idle())
        both: set[asyncio.Future[Any]] = {idle, running}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            idle.cancel()
            return (Finish(outcome=running.result()),)
        return idle.result()

    async def event_of(self, command: RunTool, output: ToolOutput | Failure) -> Event:
        """Return the event that answers a handed-out `command`, for `advance`: what the host's own tool returned.

        It is checked and recorded as if the runtime had run the tool: a large result becomes an artifact, a result that
        breaks the tool's promise becomes a failure.

        Raises:
            ConfigError: the run is not under way in this process.
        """
        world = self._attached_driver.world
        return await event_of(world.tools[command.call.tool], command, output, world=world)

    def questions(self) -> tuple[Question, ...]:
        """Return the questions that wait for a person now."""
        return questions(self.machine) if self._driver is not None else ()

    async def answer(self, question_id: str, is_yes: bool, *, text: str = "", by: str = "") -> None:
        """Answer a question that waits for a person.

        Raises:
            ConfigError: no open question has this id.
        """
        waiting = [question.question_id for question in self.questions()]
        if self._driver is None or question_id not in waiting:
            known = ", ".join(waiting) or "none"
            raise ConfigError(
                f"run {self.run_id!r} has no open question {question_id!r}", fix=f"open: {known}"
            )
        self._driver.submit(PersonAnswered(question_id=question_id, is_yes=is_yes, text=text, by=by))

    async def cancel(self) -> None:
        """Ask the run to stop: nothing new begins, and effects under way are recorded. The run can be resumed."""
        await self._cancel(self.run_id)
        self.stop()

    @property
    def machine(self) -> Machine:
        """The machine: where the run is now.

        Raises:
            ConfigError: the run is not under way in this process.
        """
        return self._attached_driver.machine

    @property
    def is_done(self) -> bool:
        """Whether the run is no longer under way in this process."""
        return self._task is not None and self._task.done()

    @property
    def _attached_driver(self) -> RunDriver:
        if self._driver is None:
            raise ConfigError(f"run {self.run_id!r} is not under way in this process")
        return self._driver

    @property
    def _running(self) -> "asyncio.Future[Outcome]":
        if self._task is None:
            raise ConfigError(f"run {self.run_id!r} was not begun", fix="get its handle from start or resume")
        return self._task

    def stop(self) -> None:
        """Stop driving the run as soon as no effect is under way; `result` then raises."""
        if self._driver is not None:
            self._driver.stop()

    async def release(self) -> None:
        """Stop, and wait until the run is no longer under way in this process."""
        self.stop()
        if self._task is not None:
            await asyncio.wait({self._task})

    def attach(self, driver: RunDriver) -> None:
        """Take the driver of the run."""
        self._driver = driver
        self._attached.set()

    def end_with(self, outcome: Outcome) -> None:
        """Make this the handle of a run that has ended."""
        self._task = asyncio.get_running_loop().create_future()
        self._task.set_result(outcome)

    async def drive(self, running: Coroutine[Any, Any, Outcome]) -> None:
        """Drive the run by `running`, and return once it is under way.

        Raises:
            NebulusError: it ended before it was.
        """
        self._task = asyncio.ensure_future(running)
        self._task.add_done_callback(_retrieve)
        attached = asyncio.ensure_future(self._attached.wait())
        both: set[asyncio.Future[Any]] = {self._task, attached}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        finally:
            attached.cancel()
        if self._task.done() and not self._attached.is_set():
            self._task.result()


def _retrieve(running: "asyncio.Future[Outcome]") -> None:
    """Retrieve the exception of a run, so that asyncio doesn't warn about a handle that nobody awaits."""
    if not running.cancelled():
        running.exception()
