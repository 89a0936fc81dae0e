"""The commands that do something: run, resume, rewind, cancel, demo."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nebulus.cli.options import (
    AcceptOption,
    ConfigOption,
    InputOption,
    JsonOption,
    ModelOption,
    ProofOption,
    QuietOption,
    RunArgument,
    RunIdOption,
    TierOption,
    VotesOption,
    WorkspaceOption,
    YesOption,
    examples,
)
from nebulus.core.plan import PlanMode

if TYPE_CHECKING:
    from nebulus.cli.place import Choice

HERE = Path()

GoalArgument = Annotated[
    list[str] | None, typer.Argument(help="What is to be done: prose, a runbook, or - for stdin.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(
        epilog=examples(
            {
                "nebulus run -f tidy.md": "a runbook with numbered steps",
                "nebulus run 'Move a.md to archive/a.md.'": "prose: one call after the other",
                "nebulus run 'Tidy the inbox.' --planning outline": "prose: a plan first, then its steps",
                "cat tidy.md | nebulus run -": "from stdin",
                "nebulus run -f tidy.md -m ollama:qwen3:8b": "without a nebulus.toml",
                "nebulus run 'Add up the amounts in may.csv.' --result text --votes 3": "and only what two of "
                "three tries agree on",
                "nebulus run 'How warm is it in Oslo?' --result text": "and answer with a text, alone on stdout",
                "nebulus run -f weather.md --result weather.json": "and answer in JSON of a schema",
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
    app.command(epilog=examples({"nebulus cancel 20260101-120000-ab12": "nothing new begins"}))(cancel)
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
    goal: GoalArgument = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the goal from a file.")] = None,
    workspace: WorkspaceOption = HERE,
    tier: TierOption = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    run_id: RunIdOption = "",
    result: Annotated[
        str,
        typer.Option(
            "--result", help="Answer too: `text`, or JSON of the JSON Schema in the file that is named here."
        ),
    ] = "",
    planning: Annotated[
        PlanMode | None,
        typer.Option(
            "--planning", help="How to work on prose: call by call (next), or a plan first (outline)."
        ),
    ] = None,
    inputs: InputOption = None,
    votes: VotesOption = None,
    require_proof: ProofOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Carry out a goal: a sentence, or a runbook with numbered steps.

    With prose, the model chooses one call after the other, seeing what each returned, or with --planning outline
    makes a plan first; a runbook's steps are carried out as you wrote them (`nebulus plan` shows how they are
    understood). Ends with 0 only if the goal is met.

    With --result the run gives an answer, alone on stdout: text, or JSON on one line. How it ended goes to stderr,
    with the place where each value was seen, or "claimed" where it was seen nowhere; --quiet leaves that out.

    Before something that can't be undone you are asked. Without a terminal and without --yes the run is blocked
    (exit 3); `resume` asks again. --yes answers approvals only, not whether an effect has happened.
    """
    from nebulus.app.asked import new_run_id
    from nebulus.app.inputs import inputs_of, read_inputs
    from nebulus.cli.console import reporting
    from nebulus.cli.live_runs import Work, begin, finish
    from nebulus.cli.results import requested_result

    with reporting(as_json=as_json) as hints:
        work = Work(
            folder=workspace,
            choice=choice_of(config, tier, model, planning=planning, votes=votes),
            says_yes=yes,
            is_quiet=quiet,
            as_json=as_json,
            requires_proof=require_proof,
            inputs=inputs_of(read_inputs(inputs or ())),
        )
        text, name = goal_text(" ".join(goal or ()), file), run_id or new_run_id()
        report = begin(text, work, run_id=name, hints=hints, result=requested_result(result))
        finish(asyncio.run(report), work)


def resume(
    run_id: RunArgument,
    *,
    workspace: WorkspaceOption = HERE,
    tier: TierOption = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    accept_changes: AcceptOption = False,
    require_proof: ProofOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Resume a run that was interrupted, or that ended blocked, refused, exhausted or failed.

    Finished steps stay finished; what failed is tried again. A run that is done stays done. The models
    and settings that the run began with are used again, unless you name others. If tools, tiers, limits
    or policy have changed since, nothing is done until you say --accept-changes.
    """
    from nebulus.cli import live_runs
    from nebulus.cli.console import reporting

    with reporting(as_json=as_json) as hints:
        work = live_runs.Work(
            folder=workspace,
            choice=choice_of(config, tier, model),
            says_yes=yes,
            is_quiet=quiet,
            as_json=as_json,
            requires_proof=require_proof,
        )
        ended = live_runs.resume(run_id, work, hints=hints, accepts_changes=accept_changes)
        live_runs.finish(asyncio.run(ended), work)


def rewind(
    run_id: RunArgument,
    *,
    step: Annotated[int, typer.Option("--step", min=1, help="The step to begin again from.")],
    force: Annotated[
        bool, typer.Option("--force", help="Go back without being asked, over what was done since.")
    ] = False,
    workspace: WorkspaceOption = HERE,
    accept_changes: AcceptOption = False,
    require_proof: ProofOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Do a step and all after it again. What they did to the world is not undone.

    It is listed first, and you are asked whether to go back over it. --yes says yes to that as well as to
    what the run asks then; --force to that alone.
    """
    from nebulus.cli import live_runs
    from nebulus.cli.console import reporting

    with reporting(as_json=as_json) as hints:
        work = live_runs.Work(
            folder=workspace,
            says_yes=yes,
            is_quiet=quiet,
            as_json=as_json,
            goes_back=force,
            requires_proof=require_proof,
        )
        ended = live_runs.rewind(run_id, work, step=step, hints=hints, accepts_changes=accept_changes)
        live_runs.finish(asyncio.run(ended), work)


def cancel(
    run_id: RunArgument,
    *,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a run to stop: nothing new begins, and what is under way is recorded. It can be resumed."""
    from nebulus.cli import kept_runs
    from nebulus.cli.console import reporting, show_json
    from nebulus.cli.place import again, settings_of
    from nebulus.ports.engine import RunStatus

    with reporting(as_json=as_json):
        settings = settings_of(workspace, choice_of(config, None, None), only_looks=True)
        info = asyncio.run(kept_runs.cancel(run_id, settings, workspace))
        if as_json:
            show_json({"run_id": info.run_id, "status": info.status})
        else:
            is_late = info.status is RunStatus.ENDED
            how = "had ended before: nothing was cancelled" if is_late else f"is {info.status.value}"
            print(f"{info.run_id} {how}; `{again(run_id, workspace)}` resumes it")


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

    Makes a new folder with a small inbox and a runbook, which are yours to look at. The bundled model is a
    wind tunnel, not an assistant: it shows what the runtime does around a weak model.

    One step deletes a file, so the guard asks you. Without a terminal, code says yes in place of a person;
    the screen says so, and the record names it demo. Stop the demo in the middle in whatever way you like:
    `nebulus resume` finishes it.
    """
    from nebulus.cli.console import reporting
    from nebulus.cli.demo import show_demo

    with reporting(as_json=as_json) as hints:
        show_demo(workspace, tuple(model or ()), hints=hints, says_yes=yes, is_quiet=quiet, as_json=as_json)


def choice_of(
    config: Path | None,
    tiers: list[str] | None,
    models: list[str] | None,
    *,
    planning: PlanMode | None = None,
    votes: int | None = None,
) -> "Choice":
    """Return what the flags choose."""
    from nebulus.cli.place import Choice

    return Choice(
        config=str(config.absolute()) if config else "",
        tiers=tuple(tiers or ()),
        models=_absolute(models),
        planning=planning,
        votes=votes,
    )


def _absolute(models: list[str] | None) -> tuple[str, ...]:
    """Return the models with paths of files made absolute: the run may be resumed from another folder."""
    from nebulus.app.settings import is_model_path

    return tuple(str(Path(model).absolute()) if is_model_path(model) else model for model in models or ())


def goal_text(goal: str, file: Path | None) -> str:
    """Return what was asked for: the words, the text of `file`, or stdin for "-".

    Raises:
        ConfigError: both, neither, or no text.
    """
    from nebulus.core.errors import ConfigError

    if goal and file:
        raise ConfigError("both a goal and --file were given", fix="give one of them")
    if not goal and not file:
        raise ConfigError(
            "there is no goal", fix="write it, name a file with -f, or give - and write it to stdin"
        )
    if goal == "-":
        return sys.stdin.read()
    if file is None:
        return goal
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}", fix="name a text file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text", fix="name a text file") from error
