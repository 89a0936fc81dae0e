"""The runs of one workspace, for a server: begun, gone on with, asked about, each to its end or to its next question."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from nebulus.app import bootstrap
from nebulus.app.application import Application, open_application
from nebulus.app.settings import EngineSettings, Settings
from nebulus.core.errors import ConfigError
from nebulus.core.journal import Record, events_of
from nebulus.core.outcome import Blocked, Question
from nebulus.core.plan import Goal
from nebulus.core.result import ResultSpec
from nebulus.ports.backend import ModelBackend
from nebulus.ports.guard import PersonReply
from nebulus.report.lines import Narrator
from nebulus.report.marks import VERBOSE
from nebulus.report.run import RunReport, report_run
from nebulus.report.summary import SHOWN_DIGITS, headline, summary_lines
from nebulus.report.text import one_line
from nebulus.runtime.handle import RunHandle
from nebulus.runtime.supervise import read_outcome, read_request

OnLine: TypeAlias = Callable[[str], Awaitable[None]]
"""Is told what happens in a run, line by line."""
LISTED = 20


class Ended(Struct, frozen=True, kw_only=True):
    """How a run ended for now: for good, or with a question for a person."""

    run_id: str
    report: RunReport

    @property
    def question(self) -> Question | None:
        """What a person must answer before the run goes on; None if nothing."""
        outcome = self.report.outcome
        return outcome.question if isinstance(outcome, Blocked) else None

    def text(self, folder: Path) -> str:
        """Return the end as text: the answer, who says so, what is missing, and how to go on."""
        if self.question is not None:
            return self._waiting(self.question, folder)
        resume = f"nebulus resume {self.run_id} --workspace {folder}"
        lines = summary_lines(self.report, resume=resume)
        return "\n".join((f"run {self.run_id}", *(line.text for line in lines)))

    def _waiting(self, question: Question, folder: Path) -> str:
        """Return what the run waits for, and how its user answers: no way is told that skips them."""
        number, where = question.digest[:SHOWN_DIGITS], f"--workspace {folder}"
        ways = f"`nebulus approve {number} {where}` or `nebulus deny {number} {where}`"
        return "\n".join(
            (
                f"run {self.run_id}",
                headline(self.report.outcome).text,
                f"  question: {one_line(question.text, 300)}",
                f"  call:     {one_line(f'{question.tool} {question.arguments}', 1000)}",
                f"  why:      {one_line(question.reason, 600)}",
                f"The user must decide: {ways}; then call the tool approve with this run.",
            )
        )


class Runs:
    """The runs of `folder`. Made by `open_runs`."""

    def __init__(
        self, kept: Application, fleeting: Application, *, folder: Path, remembered: Mapping[str, str]
    ) -> None:
        self._kept, self._fleeting, self.folder, self._remembered = kept, fleeting, folder, dict(remembered)

    async def begin(self, goal: str, *, wants_answer: bool, on_line: OnLine) -> Ended:
        """Begin a run, and return how it ended or what it asks.

        Raises:
            NebulusError: as `Application.start` and `RunHandle.result`.
        """
        result = ResultSpec() if wants_answer else None
        handle = await self._kept.start(goal, result=result, workspace=self.folder, place=self._remembered)
        return await self._followed(self._kept, handle, on_line)

    async def go_on(self, run_id: str, *, on_line: OnLine) -> Ended:
        """Resume a run.

        Raises:
            NebulusError: as `Supervisor.resume` and `RunHandle.result`.
        """
        past = (await self._kept.supervisor.machine(run_id)).position
        return await self._followed(
            self._kept, await self._kept.supervisor.resume(run_id), on_line, past=past
        )

    async def ask(self, question: str) -> str:
        """Answer a question by one call of the model, without tools; nothing is kept.

        Raises:
            NebulusError: as `begin`.
        """
        goal = Goal(text=bootstrap.secrets(self._kept.settings).hide(question.strip()))
        handle = await self._fleeting.start(goal, result=ResultSpec())
        return str(await handle.result())

    async def answer(self, digest: str, reply: PersonReply) -> None:
        """Give a person's answer to the question with this digest.

        Raises:
            ConfigError: there is no such question, or it was answered already.
        """
        store = bootstrap.approvals(self._kept.settings, self._kept.folder)
        if store is None:
            raise ConfigError(
                "runs kept in memory can't wait for an answer", fix="set engine.url to keep them"
            )
        with closing(store):
            await asyncio.to_thread(store.answer, digest, reply)

    async def state(self, run_id: str) -> Ended:
        """Return how a run is now.

        Raises:
            RunUnknownError: no such run.
        """
        return await self._ended(self._kept, run_id)

    async def listing(self) -> str:
        """Return the latest runs, a line each, newest first."""
        lines = []
        for info in await self._kept.supervisor.runs(limit=LISTED):
            whole = await self._kept.supervisor.info(info.run_id)
            goal = one_line(read_request(whole.request).goal.text, 100)
            lines.append(f"{info.run_id}  {headline(read_outcome(whole)).text}  {goal}")
        return "\n".join(lines) or "no run was made here yet"

    async def _followed(
        self, application: Application, handle: RunHandle, on_line: OnLine, *, past: int = 0
    ) -> Ended:
        telling = asyncio.ensure_future(_tell(handle, on_line, past=past))
        try:
            await handle.result()
        except asyncio.CancelledError:
            await handle.release()  # the client gave up: nothing new begins, and the run can be resumed
            raise
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        return await self._ended(application, handle.run_id)

    async def _ended(self, application: Application, run_id: str) -> Ended:
        info = await application.supervisor.info(run_id)
        report = report_run(run_id, events_of(await application.supervisor.raw_journal(run_id)))
        return Ended(run_id=run_id, report=replace(report, outcome=read_outcome(info) or report.outcome))


@asynccontextmanager
async def open_runs(
    settings: Settings,
    folder: Path,
    *,
    remembered: Mapping[str, str] | None = None,
    backends: Mapping[str, ModelBackend] | None = None,
) -> AsyncIterator[Runs]:
    """Open the runs of `folder`; `backends` are used in place of those that the settings name.

    Raises:
        ConfigError: the engine's storage can't be used, or a model is not installed.
    """
    made = dict(
        backends or {name: bootstrap.backend(tier.backend()) for name, tier in settings.tiers.items()}
    )
    alone = replace(settings, engine=EngineSettings(url=bootstrap.MEMORY), mcp={})
    try:
        async with (
            open_application(settings, folder, backends=made) as kept,
            open_application(alone, folder, backends=made) as fleeting,
        ):
            yield Runs(kept, fleeting, folder=folder, remembered=remembered or {})
    finally:
        if backends is None:
            for backend in made.values():
                await backend.close()


async def _tell(handle: RunHandle, on_line: OnLine, *, past: int) -> None:
    """Tell what happens; what was recorded up to the position `past` was told before."""
    narrator = Narrator()
    async for record in handle.events():
        for line in _lines(narrator, record):
            if record.position > past:
                await on_line(line)


def _lines(narrator: Narrator, record: Record) -> list[str]:
    return [one_line(line.text) for line in narrator.tell(record.event) if line.kind not in VERBOSE]
