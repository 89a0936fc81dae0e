"""The demo: a long job on the bundled model, watched from the start to the proof.

Invariants: it is an ordinary run of ordinary parts, resumable like any other; what is staged is said on the screen.
"""

import asyncio
import shutil
import tempfile
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

import typer
from rich.console import Console

from nebulus.app.asked import new_run_id
from nebulus.app.bootstrap import nano_path
from nebulus.app.settings import FILE_NAME, NANO, STATE_FOLDER
from nebulus.cli.console import Hints, stderr
from nebulus.cli.live_runs import Work, begin, finish
from nebulus.cli.people import AutoApproval
from nebulus.cli.place import Choice, again
from nebulus.cli.watch import is_terminal
from nebulus.core.errors import ConfigError
from nebulus.ports.guard import Person
from nebulus.report.text import safe

RUNBOOK = "runbook.md"
INBOX = "inbox"

_WIND_TUNNEL = (
    "The model here has about a million parameters. It is a wind tunnel, not an assistant: all it can do is turn a "
    "sentence into a call, and it fails in long sessions as larger models do. What you watch is the runtime: one step "
    "at a time, each call parsed, judged, recorded and checked."
)
_STAGED = (
    "Step 11 deletes a file, which can't be undone, so the guard asks a person. Nobody is at this terminal: a run of "
    "yours would stop there (exit 3) and wait for you. In this demo, and only here, code says yes in place of a "
    "person, and is recorded as 'demo'."
)
_YOURS = "Step 11 deletes a file, which can't be undone, so the guard will ask you. Say y to go on."


def show_demo(
    workspace: Path | None,
    models: tuple[str, ...],
    *,
    hints: Hints,
    says_yes: bool = False,
    is_quiet: bool = False,
    as_json: bool = False,
) -> None:
    """Make the workspace, show the runbook, run it, and show how it ended.

    Raises:
        ConfigError: the folder is in use, or the model can't be run here.
        typer.Exit: the run ended, with the code of its outcome.
    """
    console = stderr()
    _require_model(models)
    folder = _fresh(workspace)
    goal = (folder / RUNBOOK).read_text(encoding="utf-8")
    if not is_quiet:
        _introduce(console, folder, goal, is_nano=not models or models == (NANO,))
    is_staged = not says_yes and not is_terminal()
    if not is_quiet and not says_yes:
        console.print(f"{_STAGED if is_staged else _YOURS}\n", soft_wrap=False)
    person: Person | None = None
    if is_staged:
        person = AutoApproval(lambda text: console.print(f"  ☞ {text}", markup=False), name="demo")
    work = Work(
        folder=folder,
        choice=Choice(models=models),
        says_yes=says_yes,
        is_quiet=is_quiet,
        as_json=as_json,
        person=person,
    )
    run_id = f"demo-{new_run_id()}"
    try:
        finish(asyncio.run(begin(goal, work, run_id=run_id, hints=hints)), work)
    except typer.Exit:
        if not is_quiet:
            _farewell(console, folder, run_id)
        raise


def _require_model(models: tuple[str, ...]) -> None:
    """Refuse, before anything is made, where the bundled model is wanted and can't be run."""
    if models and models != (NANO,):
        return
    if not nano_path().exists():
        raise ConfigError(
            "the nano model is not in this package",
            fix="`make nano` trains it, or name another model with --model",
        )
    if find_spec("xllamacpp") is None:
        raise ConfigError(
            "xllamacpp, which runs model files, is not installed",
            fix="pip install 'nebulus[local]', or name a model on a server with --model",
        )


def _fresh(workspace: Path | None) -> Path:
    """Return a folder with the demo's files in it.

    Raises:
        ConfigError: the folder is not empty, or can't be made.
    """
    try:
        if workspace is None:
            folder = Path(tempfile.mkdtemp(prefix="nebulus-demo-"))
        else:
            folder = workspace
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise ConfigError(f"{folder} is not empty", fix="name an empty or a new folder for the demo")
        with as_file(files("nebulus") / "demo") as source:
            shutil.copytree(source / INBOX, folder / INBOX)
            for name in (RUNBOOK, FILE_NAME):
                shutil.copyfile(source / name, folder / name)
    except OSError as error:
        raise ConfigError(f"the demo's files can't be written: {error}", fix="name another folder") from error
    return folder


def _introduce(console: Console, folder: Path, goal: str, *, is_nano: bool) -> None:
    console.rule("Nebulus demo")
    if is_nano:
        console.print(_WIND_TUNNEL, soft_wrap=False)
    console.print(
        f"\nworkspace  {folder}\nrunbook    {folder / RUNBOOK}\nsettings   {folder / FILE_NAME}\n"
        f"record     {folder / STATE_FOLDER}\n",
        markup=False,
    )
    for line in goal.splitlines():
        console.print(f"  │ {safe(line)}", markup=False, style="dim")
    console.print()


def _farewell(console: Console, folder: Path, run_id: str) -> None:
    show = again(run_id, folder, verb="show")
    console.print(
        "\nWhat now:\n"
        f"  {show}             each step, with what it cost\n"
        f"  {show} --verdicts  what the guard said of each call\n"
        f"  {show} --journal   the record that all this is read from\n"
        "  Or run the demo again, stop it in the middle (Ctrl-C, or kill -9), and resume it with\n"
        "  `nebulus resume RUN --workspace FOLDER`: no step that was recorded is done twice.\n"
        f"  The files are yours to look at and to remove: {folder}",
        markup=False,
    )
