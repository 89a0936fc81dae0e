"""The command line: what can be typed. What a command does is imported when it is called.

Exit codes: 0 done, 1 a defect of Nebulus, 2 usage or settings, 3 blocked, 4 refused, 5 exhausted, 6 failed,
7 run unknown or held by another process, 130 interrupted.
"""

from typing import Annotated

import typer

from nebulus import __version__
from nebulus.cli import look, work
from nebulus.cli.options import examples

app = typer.Typer(
    name="nebulus",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_EPILOG = examples(
    {
        "nebulus demo": "watch a long job, from the start to the proof",
        "nebulus doctor": "what is on this machine, and what to fix",
        "nebulus init": "write a nebulus.toml for it",
        "nebulus run -f tidy.md": "carry a runbook out in this folder",
        "nebulus run 'List the files in notes.' -m ollama:qwen3:8b": "a sentence, on another model",
        "nebulus show RUN --why": "why a run ended as it did",
    }
) + (
    "\n\n[bold]Exit codes[/]\n\n  0 done · 2 usage or settings · 3 blocked · 4 refused · 5 exhausted · 6 failed · "
    "7 run unknown or held · 130 interrupted · 1 a defect of Nebulus"
)


def _version(is_asked: bool) -> None:
    if is_asked:
        print(f"nebulus {__version__}")
        raise typer.Exit


@app.callback(epilog=_EPILOG)
def nebulus(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Real agent work on small local models: the model proposes one step, the runtime holds the task.

    A run is durable: when the process dies, `nebulus resume` goes on from the last step that was recorded.
    """


work.register(app)
look.register(app)


def run() -> None:
    """Run the command line; the entry point of the package."""
    app()
