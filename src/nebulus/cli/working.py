"""Runs from the command line: begun, taken up, rewound, each watched to its end."""

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.text import Text

from nebulus.app.application import Application, open_application
from nebulus.cli.asking import who
from nebulus.cli.console import Hints, show, show_json, stderr, stdout
from nebulus.cli.ending import ending
from nebulus.cli.exits import Exit, exit_of
from nebulus.cli.place import Choice, again, recalled, require_runs, settings_of
from nebulus.cli.story import Story, effects_after, tell
from nebulus.cli.terminal import TerminalFace
from nebulus.cli.watch import Face, NoFace, PlainFace, Watcher, is_terminal
from nebulus.cli.words import Line, counted, one_line
from nebulus.core.errors import ConfigError, IllegalEventError, JournalError, RunUnknownError
from nebulus.core.outcome import Outcome, Question
from nebulus.ports.guard import Person
from nebulus.runtime.supervise import Supervisor


class Work(Struct, frozen=True, kw_only=True):
    """How a run is watched and answered. `person` None takes the flag, the terminal, or nobody.

    `goes_back` does again what was done, without asking.
    """

    folder: Path
    choice: Choice = Choice()
    says_yes: bool = False
    is_quiet: bool = False
    as_json: bool = False
    goes_back: bool = False
    person: Person | None = None


Start: TypeAlias = Callable[[Application, Watcher, Person | None], Awaitable[Outcome]]


async def begin(goal: str, work: Work, *, run_id: str, hints: Hints) -> Story:
    """Begin a run towards `goal` and return its story.

    Raises:
        NebulusError: as `Application.prepare` and `Supervisor.start`.
    """

    async def start(application: Application, watcher: Watcher, _: Person | None) -> Outcome:
        await _require_free(application.supervisor, run_id)
        request = await application.prepare(goal, workspace=work.folder)
        request = msgspec.structs.replace(request, place={**request.place, **work.choice.remembered()})
        watcher.follow(request.setup)
        hints.resume = again(run_id, work.folder)
        return await application.supervisor.start(run_id, request)

    return await _watched(run_id, work, start)


async def take_up(
    run_id: str, work: Work, *, hints: Hints, accepts_changes: bool = False, step: int = 0
) -> Story:
    """Take a run up where it stopped, or from the beginning of `step` (0 for where it stopped).

    What was done to the world since then is said first; a rewind over it must be wanted.

    Raises:
        NebulusError: as `Supervisor.resume` and `Supervisor.rewind`.
        ConfigError: somebody said no to the rewind, or nobody was there to say yes.
    """
    require_runs(settings_of(work.folder, work.choice), work.folder)

    async def start(application: Application, watcher: Watcher, person: Person | None) -> Outcome:
        supervisor = application.supervisor
        request = await supervisor.request(run_id)
        if work.choice == Choice():
            application.settings = settings_of(work.folder, recalled(request.place))
        hints.resume = again(run_id, work.folder)
        watcher.follow(request.setup)
        standing = await supervisor.standing(run_id, step=step)
        done = effects_after(request.setup, await supervisor.journal(run_id), standing)
        _tell_effects(done)
        if step:
            if done and not work.goes_back:
                await _require_consent(run_id, step, person, count=len(done))
            return await supervisor.rewind(run_id, step=step, accepts_changes=accepts_changes)
        return await supervisor.resume(run_id, accepts_changes=accepts_changes)

    return await _watched(run_id, work, start)


def _tell_effects(done: tuple[str, ...]) -> None:
    """Say what was done to the world since the place that is gone back to: it is not undone."""
    if not done:
        return
    lines = [Line("Done since then; it stays done, and may be done again:", "bold yellow")]
    show([*lines, *(Line(f"    {one_line(effect, 200)}") for effect in done)], stderr())


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
        raise ConfigError(f"{what}, and nobody said to go back over it; say --force, or rewind at a terminal")
    if not reply.is_yes:
        raise ConfigError(f"{what}, and you said no to going back over it; nothing was changed")


def finish(story: Story, work: Work) -> None:
    """Show how a run ended, and leave with the exit code of its outcome.

    Raises:
        typer.Exit: always.
    """
    code = exit_of(story.outcome) if story.outcome else Exit.INTERRUPTED
    if work.as_json:
        show_json(document(story, code))
    else:
        show(ending(story, again=again(story.run_id, work.folder)), stdout())
    raise typer.Exit(code)


def document(story: Story, code: Exit) -> dict[str, object]:
    """Return a run's end as the JSON document of a command."""
    return {
        "run_id": story.run_id,
        "outcome": story.outcome,
        "steps": [
            {"number": step.number, "text": step.text, "status": step.status} for step in story.plan.steps
        ],
        "spent": story.spent,
        "exit_code": int(code),
    }


async def story_of(supervisor: Supervisor, run_id: str) -> Story:
    """Return the story of a run from its journal.

    Raises:
        RunUnknownError: no such run.
        JournalError: the journal does not fit what the run began with.
    """
    request, journal = await supervisor.request(run_id), await supervisor.journal(run_id)
    try:
        return tell(run_id, request.setup, journal)
    except (IllegalEventError, LookupError, StopIteration) as error:
        raise JournalError(
            f"run {run_id!r} was taken up with other tools, tiers or limits than it began with, and its story "
            f"can't be told from those ({error}); `show --journal` shows the record itself"
        ) from error


async def _watched(run_id: str, work: Work, start: Start) -> Story:
    console = stderr()
    with _face(work, console) as face:
        watcher = Watcher(face)
        person = work.person or who(
            face,
            says_yes=work.says_yes,
            is_interactive=is_terminal(),
            tell=lambda text: console.print(Text(f"  ☞ {text}", style="magenta")),
        )
        settings = settings_of(work.folder, work.choice)
        async with open_application(settings, work.folder, person=person, observers=[watcher]) as application:
            outcome = await start(application, watcher, person)
            story = await story_of(application.supervisor, run_id)
            return msgspec.structs.replace(story, outcome=outcome)


@contextmanager
def _face(work: Work, console: Console) -> Iterator[Face]:
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
    raise ConfigError(f"run {run_id!r} exists already; resume it, or take another name")
