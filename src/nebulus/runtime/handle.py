"""One run, held: its result, its events as they happen, and what a host may do to it.

Invariants: a run goes on by itself; a handle only watches, answers, performs what was handed out, or asks for a stop.
Whatever ends the holding of the run without an outcome comes out of `result`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from nebulus.core.commands import Command, Finish
from nebulus.core.errors import ConfigError
from nebulus.core.events import Event, PersonAnswered
from nebulus.core.journal import Record
from nebulus.core.outcome import Outcome, Question
from nebulus.loop.machine import Machine
from nebulus.loop.pending import questions
from nebulus.runtime.driver import RunDriver


class RunHandle:
    """A run of this process. Made by `Supervisor`, `Application` and `Agent`."""

    def __init__(self, run_id: str, cancel: Callable[[str], Awaitable[None]]) -> None:
        self.run_id = run_id
        self._cancel = cancel
        self._driver: RunDriver | None = None
        self._attached = asyncio.Event()
        self._holding: asyncio.Future[Outcome] | None = None

    async def result(self) -> Outcome:
        """Wait for the outcome.

        Raises:
            RunCancelledError: somebody asked the run to stop.
            StoreError: the engine's storage refused; what was recorded before is kept.
        """
        assert self._holding is not None
        return await asyncio.shield(self._holding)

    async def events(self) -> AsyncIterator[Record]:
        """Yield every record of the run: those there are, then each as it comes, to the end."""
        if self._driver is not None:
            async for record in self._driver.watch():
                yield record

    async def advance(self, event: Event | None = None) -> tuple[Command, ...]:
        """Hand in what a handed-out command brought, and return what the host must perform now.

        With several commands under way, each is answered by its own event, in any order. At the end it is one
        `Finish`.

        Raises:
            NebulusError: as `result`, where the run ended without an outcome.
        """
        assert self._holding is not None
        if self._driver is None:
            return (Finish(outcome=await self.result()),)
        if event is not None:
            self._driver.submit(event)
        idle = asyncio.ensure_future(self._driver.wait_idle())
        both: set[asyncio.Future[Any]] = {idle, self._holding}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if self._holding.done():
            idle.cancel()
            return (Finish(outcome=self._holding.result()),)
        return idle.result()

    def questions(self) -> tuple[Question, ...]:
        """Return what waits for a person now."""
        return questions(self.machine) if self._driver is not None else ()

    async def answer(self, question_id: str, is_yes: bool, *, text: str = "", by: str = "") -> None:
        """Answer a question that waits for a person.

        Raises:
            ConfigError: no question of this name waits.
        """
        waiting = [question.question_id for question in self.questions()]
        if self._driver is None or question_id not in waiting:
            known = ", ".join(waiting) or "none"
            raise ConfigError(f"run {self.run_id!r} has no open question {question_id!r}; open: {known}")
        self._driver.submit(PersonAnswered(question_id=question_id, is_yes=is_yes, text=text, by=by))

    async def cancel(self) -> None:
        """Ask for a stop: nothing new begins, and effects under way are recorded first. The run can be resumed."""
        await self._cancel(self.run_id)
        self.stop()

    @property
    def machine(self) -> Machine:
        """Where the run is now.

        Raises:
            ConfigError: the run is not under way in this process.
        """
        if self._driver is None:
            raise ConfigError(f"run {self.run_id!r} is not under way in this process")
        return self._driver.machine

    @property
    def is_done(self) -> bool:
        """Whether the holding of the run is over."""
        return self._holding is not None and self._holding.done()

    def stop(self) -> None:
        """Let go of the run as soon as no effect is under way; `result` raises then."""
        if self._driver is not None:
            self._driver.stop()

    async def let_go(self) -> None:
        """Stop, and wait until the run is no longer under way in this process."""
        self.stop()
        if self._holding is not None:
            await asyncio.wait({self._holding})

    def attach(self, driver: RunDriver) -> None:
        """Take the driver of the run."""
        self._driver = driver
        self._attached.set()

    def end_with(self, outcome: Outcome) -> None:
        """Be the handle of a run that has ended."""
        self._holding = asyncio.get_running_loop().create_future()
        self._holding.set_result(outcome)

    async def hold(self, holding: Coroutine[Any, Any, Outcome]) -> None:
        """Run `holding`, and return once the run is under way.

        Raises:
            NebulusError: it ended before it was.
        """
        self._holding = asyncio.ensure_future(holding)
        self._holding.add_done_callback(_retrieve)
        attached = asyncio.ensure_future(self._attached.wait())
        both: set[asyncio.Future[Any]] = {self._holding, attached}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._holding.cancel()
            raise
        finally:
            attached.cancel()
        if self._holding.done() and not self._attached.is_set():
            self._holding.result()


def _retrieve(holding: "asyncio.Future[Outcome]") -> None:
    """Take note of how a run was left, so that a handle which nobody asks warns nobody."""
    if not holding.cancelled():
        holding.exception()
