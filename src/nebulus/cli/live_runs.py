"""Runs of this process: begun, resumed, rewound, each watched to its end and shown."""

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.text import Text

from nebulus.app import bootstrap
from nebulus.app.application import Application, open_application
from nebulus.app.settings import Settings
from nebulus.app.voting import number_of_try
from nebulus.cli.console import Hints, show, show_json, stderr, stdout
from nebulus.cli.exits import Exit, exit_of
from nebulus.cli.kept_runs import report_of
from nebulus.cli.people import choose_person
from nebulus.cli.place import Choice, again, recalled, require_runs, settings_of
from nebulus.cli.results import write_answer
from nebulus.cli.terminal import TerminalFace
from nebulus.cli.watch import Face, NoFace, PlainFace, Watcher, is_terminal
from nebulus.core.errors import ConfigError, RunUnknownError
from nebulus.core.outcome import Done, Question
from nebulus.core.plan import Goal, Input
from nebulus.core.result import ResultSpec
from nebulus.core.text import counted
from nebulus.ports.guard import Person
from nebulus.report.run import EffectReport, RunReport
from nebulus.report.summary import summary_lines
from nebulus.report.text import Line, one_line
from nebulus.runtime.handle import RunHandle
from nebulus.runtime.supervise import Supervisor


class Work(Struct, frozen=True, kw_only=True):
    """How a run is watched, answered and shown."""

    folder: Path
    choice: Choice = Choice()
    says_yes: bool = False
    is_quiet: bool = False
    as_json: bool = False
    goes_back: bool = False
    """Does again what was done, without asking."""
    requires_proof: bool = False
    """A claimed end has an exit code of its own."""
    person: Person | None = None
    """None for the flag, the terminal, or nobody."""
    inputs: tuple[Input, ...] = ()
    """The data that the goal is about."""


Start: TypeAlias = Callable[[Application, Person | None], Awaitable[RunHandle]]


async def begin(
    goal: str | Goal, work: Work, *, run_id: str, hints: Hints, result: ResultSpec | None = None
) -> RunReport:
    """Begin a run towards `goal` and return its report once it has ended.

    Raises:
        NebulusError: as `Application.start` and `RunHandle.result`.
    """

    async def start(application: Application, _: Person | None) -> RunHandle:
        await _require_free(application.supervisor, run_id)
        handle = await application.start(
            goal,
            result=result,
            inputs=work.inputs,
            workspace=work.folder,
            run_id=run_id,
            place=work.choice.remembered(),
        )
        hints.resume = again(run_id, work.folder)
        return handle

    return await _watched(work, start, settings_of(work.folder, work.choice))


async def resume(run_id: str, work: Work, *, hints: Hints, accepts_changes: bool = False) -> RunReport:
    """Resume a run where it is and return its report once it has ended.

    Raises:
        NebulusError: as `Supervisor.resume` and `RunHandle.result`.
    """

    async def start(application: Application, _: Person | None) -> RunHandle:
        await _recall(application, run_id, work=work, hints=hints)
        return await application.supervisor.resume(run_id, accepts_changes=accepts_changes)

    return await _watched(work, start, _settings_of_kept(work))


async def rewind(
    run_id: str, work: Work, *, step: int, hints: Hints, accepts_changes: bool = False
) -> RunReport:
    """Begin `step` and all after it again, and return the run's report once it has ended.

    What was done to the world since then is told first, and somebody must want to go back over it.

    Raises:
        NebulusError: as `Supervisor.rewind` and `RunHandle.result`.
        ConfigError: somebody said no to going back, or nobody was there to say yes.
    """

    async def start(application: Application, person: Person | None) -> RunHandle:
        await _recall(application, run_id, work=work, hints=hints)
        supervisor = application.supervisor
        position = await supervisor.position_of(run_id, step=step)
        report = await report_of(supervisor, run_id)
        done = [effect for effect in report.effects if effect.position > position]
        _tell_effects(done)
        if done and not work.goes_back:
            await _require_consent(run_id, step, person, count=len(done))
        return await supervisor.rewind(run_id, step=step, accepts_changes=accepts_changes)

    return await _watched(work, start, _settings_of_kept(work))


def _settings_of_kept(work: Work) -> Settings:
    settings = settings_of(work.folder, work.choice)
    require_runs(settings, work.folder)
    return settings


async def _recall(application: Application, run_id: str, *, work: Work, hints: Hints) -> None:
    """Take the models and settings that the run began with, where no others are named."""
    request = await application.supervisor.request(run_id)
    if work.choice == Choice():
        application.settings = settings_of(work.folder, recalled(request.place))
    hints.resume = again(run_id, work.folder)


def _tell_effects(done: list[EffectReport]) -> None:
    """Say what was done to the world since the step that is gone back to: it is not undone."""
    if not done:
        return
    lines = [Line("Done since then; it stays done, and may be done again:", "bold yellow")]
    show([*lines, *(Line(f"    {one_line(effect.text, 200)}") for effect in done)], stderr())


async def _require_consent(run_id: str, step: int, person: Person | None, *, count: int) -> None:
    """Let a run go back over what it did only if somebody wants that.

    Raises:
        ConfigError: somebody does not, or nobody is there.
    """
    what = f"{counted(count, 'thing')} {'was' if count == 1 else 'were'} done since step {step} began"
    question = Question(
        question_id="rewind",
        kind="approval",
        text=f"Go back to step {step} of {run_id}?",
        tool="rewind",
        arguments=f"--step {step}",
        reason=f"{what}; it stays done, and may be done again",
    )
    reply = await person.ask(question) if person else None
    if reply is None:
        raise ConfigError(
            f"{what}, and nobody said to go back over it", fix="say --force, or rewind in a terminal"
        )
    if not reply.is_yes:
        raise ConfigError(f"{what}, and you said no to going back over it", fix="nothing was changed")


def finish(report: RunReport, work: Work) -> None:
    """Show how a run ended, and leave with the exit code of its outcome.

    An answer is alone on stdout; where there is one, or should be, the summary goes to stderr.

    Raises:
        typer.Exit: always.
    """
    code = exit_code(report, work)
    if work.as_json:
        show_json(document(report, code))
        raise typer.Exit(code)
    asks_for_answer = report.goal.result is not None
    if not (asks_for_answer and report.is_answered and work.is_quiet):
        resume_it = again(report.run_id, work.folder)
        lines = summary_lines(report, resume=resume_it, has_answer=not asks_for_answer)
        show(lines, stderr() if asks_for_answer else stdout())
    if report.is_answered:
        write_answer(report.answer)
    raise typer.Exit(code)


def exit_code(report: RunReport, work: Work) -> Exit:
    """Return the exit code for the end of a run."""
    if report.outcome is None:
        return Exit.INTERRUPTED
    return exit_of(report.outcome, requires_proof=work.requires_proof)


def document(report: RunReport, code: Exit) -> dict[str, object]:
    """Return the end of a run as the JSON document of a command."""
    outcome = report.outcome
    result = outcome.result if isinstance(outcome, Done) else None
    return {
        "run_id": report.run_id,
        "answer": report.answer,
        "sources": result.sources if result is not None else (),
        "proof": outcome.proof if isinstance(outcome, Done) else None,
        "outcome": outcome,
        "steps": [
            {"number": step.number, "text": step.text, "status": step.status} for step in report.plan.steps
        ],
        "spent": report.spent,
        "exit_code": int(code),
    }


async def _watched(work: Work, start: Start, settings: Settings) -> RunReport:
    console = stderr()
    await bootstrap.fetch_models(settings, is_quiet=work.is_quiet)
    with face_of(work, console) as face:
        person = work.person or choose_person(
            face,
            says_yes=work.says_yes,
            is_interactive=is_terminal(),
            tell=lambda text: console.print(Text(f"  ☞ {text}", style="magenta")),
        )
        async with open_application(
            settings,
            work.folder,
            person=person,
            watch=[partial(_watcher, face, console, most=settings.votes)],
        ) as application:
            handle = await start(application, person)
            outcome = await handle.result()
            report = await report_of(application.supervisor, handle.run_id)
            return msgspec.structs.replace(report, outcome=outcome)


def _watcher(face: Face, console: Console, run_id: str, *, most: int) -> Watcher:
    """Return what shows a run, with a line before it where the goal is tried in copies."""
    if most > 1 and not isinstance(face, NoFace):
        number = number_of_try(run_id)
        where = (
            f"try {number} of at most {most}, in a copy of the workspace" if number else "in the workspace"
        )
        console.print(Text(f"- {where}", style="bold cyan"))
    return Watcher(face)


@contextmanager
def face_of(work: Work, console: Console) -> Iterator[Face]:
    """Open where the progress of a run is shown: nowhere, on the terminal, or as lines."""
    if work.is_quiet:
        yield NoFace()
    elif sys.stderr.isatty():
        with TerminalFace(console) as face:
            yield face
    else:
        yield PlainFace(console)


async def _require_free(supervisor: Supervisor, run_id: str) -> None:
    """Say that a name is taken before a model is loaded for nothing; the engine has the last word."""
    try:
        await supervisor.info(run_id)
    except RunUnknownError:
        return  # The name is free, which is what was wanted.
    raise ConfigError(f"run {run_id!r} exists already", fix="resume it, or take another name")
