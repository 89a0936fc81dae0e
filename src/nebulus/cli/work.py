"""The commands that do something: run, resume, rewind, cancel, demo."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nebulus.cli.options import (
    AcceptOption,
    ConfigOption,
    JsonOption,
    ModelOption,
    QuietOption,
    RunArgument,
    TierOption,
    WorkspaceOption,
    YesOption,
    examples,
)

if TYPE_CHECKING:
    from nebulus.cli.place import Choice

HERE = Path()


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(
        epilog=examples(
            {
                "nebulus run -f tidy.md": "a runbook with numbered steps",
                "nebulus run 'Move a.md to archive/a.md.'": "prose: the planning tier makes a plan",
                "cat tidy.md | nebulus run -": "from stdin",
                "nebulus run -f tidy.md -m ollama:qwen3:8b": "without a nebulus.toml",
                "nebulus run -f tidy.md --json 2>/dev/null": "for scripts",
            }
        )
    )(run)
    app.command(
        epilog=examples(
            {
                "nebulus resume 20260101-120000-ab12": "after an interruption, a failure, or a question",
                "nebulus resume 20260101-120000-ab12 --yes": "answer its question with yes",
            }
        )
    )(resume)
    app.command(
        epilog=examples(
            {
                "nebulus rewind 20260101-120000-ab12 --step 4": "do step 4 and all after it again",
                "nebulus rewind 20260101-120000-ab12 --step 4 --force": "without being asked, for scripts",
            }
        )
    )(rewind)
    app.command(epilog=examples({"nebulus cancel 20260101-120000-ab12": "it stops before its next step"}))(
        cancel
    )
    app.command(
        epilog=examples(
            {
                "nebulus demo": "in a fresh folder, on the bundled model",
                "nebulus demo --workspace demo --yes": "in a folder of yours, approving the deletion",
                "nebulus demo -m ollama:qwen3:8b": "the same job on a real model",
            }
        )
    )(demo)


def run(
    *,
    goal: Annotated[str, typer.Argument(help="What shall be done: prose, a runbook, or - for stdin.")] = "",
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the goal from a file.")] = None,
    workspace: WorkspaceOption = HERE,
    tier: TierOption = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    run_id: Annotated[
        str, typer.Option("--run-id", help="A name for the run; made from the time without it.")
    ] = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Carry a goal out: a sentence, or a runbook with numbered steps.

    With prose, the planning tier makes a plan first; with a runbook, each step is as you wrote it
    (`nebulus plan` shows how it is understood). Ends with 0 only if the goal is met.

    What can't be undone asks you first; without a terminal and without --yes the run is blocked (exit 3),
    and `resume` asks again. --yes answers approvals only: whether an effect of unknown outcome has
    happened, no flag can know.
    """
    from nebulus.app.application import new_run_id
    from nebulus.cli.console import reporting
    from nebulus.cli.working import Work, begin, finish

    with reporting(as_json=as_json) as hints:
        plan = Work(
            folder=workspace,
            choice=_choice(config, tier, model),
            says_yes=yes,
            is_quiet=quiet,
            as_json=as_json,
        )
        story = asyncio.run(begin(goal_text(goal, file), plan, run_id=run_id or new_run_id(), hints=hints))
        finish(story, plan)


def resume(
    run_id: RunArgument,
    *,
    workspace: WorkspaceOption = HERE,
    tier: TierOption = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    accept_changes: AcceptOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Take a run up where it stopped: interrupted, blocked, refused, exhausted or failed.

    Finished steps stay finished. A run that is done stays done. The models and settings that the run
    began with are used again, unless you name others. If tools, tiers, limits or policy have changed
    since, nothing is done until you say --accept-changes.
    """
    from nebulus.cli.console import reporting
    from nebulus.cli.working import Work, finish, take_up

    with reporting(as_json=as_json) as hints:
        plan = Work(
            folder=workspace,
            choice=_choice(config, tier, model),
            says_yes=yes,
            is_quiet=quiet,
            as_json=as_json,
        )
        finish(asyncio.run(take_up(run_id, plan, hints=hints, accepts_changes=accept_changes)), plan)


def rewind(
    run_id: RunArgument,
    *,
    step: Annotated[int, typer.Option("--step", min=1, help="The step to begin again from.")],
    force: Annotated[
        bool, typer.Option("--force", help="Go back without being asked, over what was done since.")
    ] = False,
    workspace: WorkspaceOption = HERE,
    accept_changes: AcceptOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Do a step and all after it again. What they did to the world is not undone.

    It is listed first, and you are asked whether to go back over it. --yes says yes to that as well as to
    what the run asks then; --force to that alone.
    """
    from nebulus.cli.console import reporting
    from nebulus.cli.working import Work, finish, take_up

    with reporting(as_json=as_json) as hints:
        plan = Work(folder=workspace, says_yes=yes, is_quiet=quiet, as_json=as_json, goes_back=force)
        story = take_up(run_id, plan, hints=hints, accepts_changes=accept_changes, step=step)
        finish(asyncio.run(story), plan)


def cancel(
    run_id: RunArgument,
    *,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a run to stop between two steps. The step in flight is recorded first; it can be resumed."""
    from nebulus.cli import looking
    from nebulus.cli.console import reporting, show_json
    from nebulus.cli.place import again, settings_of

    with reporting(as_json=as_json):
        settings = settings_of(workspace, _choice(config, None, None), only_looks=True)
        info = asyncio.run(looking.cancel(run_id, settings, workspace))
        if as_json:
            show_json({"run_id": info.run_id, "status": info.status})
        else:
            print(f"{info.run_id} is {info.status.value}; `{again(run_id, workspace)}` takes it up")


def demo(
    *,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", "-C", help="An empty or new folder; without it, a temporary one."),
    ] = None,
    model: ModelOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Watch a model of a million parameters carry out a long job, step by step, to the proof.

    Makes a fresh folder with a small inbox and a runbook, which are yours to look at. The bundled model is
    a wind tunnel, no assistant: it shows what the runtime holds together around a weak model.

    One step deletes a file, so the guard asks you. Without a terminal a person made of code says yes; the
    screen says so, and the record names it demo. Stop the demo in the middle in whatever way you like:
    `nebulus resume` finishes it.
    """
    from nebulus.cli.console import reporting
    from nebulus.cli.demo import show_demo

    with reporting(as_json=as_json) as hints:
        show_demo(workspace, tuple(model or ()), hints=hints, says_yes=yes, is_quiet=quiet, as_json=as_json)


def _choice(config: Path | None, tiers: list[str] | None, models: list[str] | None) -> "Choice":
    from nebulus.cli.place import Choice

    return Choice(
        config=str(config.absolute()) if config else "", tiers=tuple(tiers or ()), models=_absolute(models)
    )


def _absolute(models: list[str] | None) -> tuple[str, ...]:
    """Return the models with paths of files made absolute: the run may be taken up from another folder."""
    return tuple(
        str(Path(model).absolute()) if model.endswith(".gguf") and "://" not in model else model
        for model in models or ()
    )


def goal_text(goal: str, file: Path | None) -> str:
    """Return what was asked for: the words, the text of `file`, or stdin for "-".

    Raises:
        ConfigError: both, neither, or no text.
    """
    from nebulus.core.errors import ConfigError

    if goal and file:
        raise ConfigError("both a goal and --file were given; give one of them")
    if not goal and not file:
        raise ConfigError("there is no goal; say it, name a file with -f, or give - and write it to stdin")
    if goal == "-":
        return sys.stdin.read()
    if file is None:
        return goal
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}; name a text file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is no UTF-8 text; name a text file") from error
