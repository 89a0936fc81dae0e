"""The command line: what can be typed. What a command does is imported when it is called.

Results go to stdout, everything else (progress, questions, errors) to stderr. A run that is asked for an answer (`ask`,
`run --result`) writes that answer alone to stdout, in a pipe as on a terminal: text as it is, JSON on one line; how the run
ended goes to stderr, and without an answer stdout stays empty. `--json`, on every command, writes one JSON document to
stdout and nothing else there. What a model, a tool or a file wrote is shown without control characters.

A command works in the current folder, or in that of `--workspace`. It contains the files that a run may touch,
`nebulus.toml` if there is one, and `.nebulus`, where the runs are kept.

| exit code | meaning |
|---|---|
| 0 | done: the goal is met; the output says whether code has proven it or the model claims it |
| 1 | a defect of Nebulus itself; `NEBULUS_DEBUG=1` shows where |
| 2 | usage or settings: a flag, a file or a server that is wrong; nothing was begun |
| 3 | blocked: a person must answer first |
| 4 | refused: the policy, or a person, forbids what a step needs |
| 5 | exhausted: a budget is spent |
| 6 | failed: something broke that could not be fixed |
| 7 | unavailable: the run is unknown, or another process is working on it |
| 8 | claimed: the goal is met, but only the model says so; only with `--require-proof` |
| 129 | hung up: its terminal was closed (SIGHUP) |
| 130 | interrupted: stopped by Ctrl-C or by `nebulus cancel` |
| 143 | terminated: somebody told it to end (SIGTERM) |

After 3, 4, 5, 6, 129, 130 and 143 `nebulus resume` goes on; finished steps stay finished. With `--json` an error is a document
too: `error` (its class), `failure` (kind, fault, what, value, fix: the envelope that every surface shares), `exit_code`.
"""

from pathlib import Path
from typing import Annotated

import typer

from nebulus import __version__
from nebulus.cli import (
    approvals,
    ask,
    chat_command,
    connect,
    export,
    forecast_command,
    mcp_commands,
    models,
    policy,
    probe_command,
    profile_commands,
    run_commands,
    serve,
    signals,
    trust,
    verify,
    view_commands,
)
from nebulus.cli.options import examples, unwrap_help

app = typer.Typer(
    name="nebulus",
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
        "nebulus ask 'What is a fjord?'": "one question, one answer, no tools",
        "nebulus chat": "a conversation about the files of this folder",
        "nebulus serve": "serve clients that speak to OpenAI or Anthropic",
        "nebulus models pull hf:Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF:Q4_K_M": "fetch a model, to use with -m",
        "nebulus show RUN --why": "why a run ended as it did",
    }
) + (
    "\n\n[bold]Exit codes[/]\n\n  0 done · 2 usage or settings · 3 blocked · 4 refused · 5 exhausted · 6 failed · "
    "7 run unknown or busy · 8 claimed (--require-proof) · 129 hung up · 130 interrupted · 143 terminated · "
    "1 a defect of Nebulus"
)


def _version(is_asked: bool) -> None:
    if is_asked:
        print(f"nebulus {__version__}")
        raise typer.Exit


def _say_what_is_next(folder: Path) -> None:
    """Tell somebody who typed `nebulus` alone what there is in `folder`, and what to type next."""
    has_settings = (folder / "nebulus.toml").exists()
    has_runs = (folder / ".nebulus" / "runs.sqlite").exists()
    settings = "settings are in nebulus.toml" if has_settings else "there is no nebulus.toml here yet"
    runs = "runs were kept here" if has_runs else "no run was made here yet"
    commands = {
        "nebulus runs": "what was done here, and what waits for you" if has_runs else "",
        "nebulus demo": "" if has_runs else "watch a long job, from the start to the proof; no model needed",
        "nebulus doctor": "which models and tools this machine has, and what to fix",
        "nebulus init": "" if has_settings else "write a nebulus.toml for it",
        "nebulus run 'List the files here.'": "work towards a goal",
        "nebulus chat": "a conversation about the files here",
        "nebulus --help": "all commands",
    }
    print(
        f"Nebulus {__version__}: agent work on small local models. {settings[0].upper()}{settings[1:]}, and {runs}.\n"
    )
    for command, what in commands.items():
        if what:
            print(f"  {command:<36}{what}")


@app.callback(epilog=_EPILOG, invoke_without_command=True)
def nebulus(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Real agent work on small local models: the model proposes one step, the runtime keeps track of the task.

    A run is durable: when the process dies, `nebulus resume` goes on from the last step that was recorded.
    """
    if context.invoked_subcommand is None:
        _say_what_is_next(Path.cwd())


run_commands.register(app)
ask.register(app)
chat_command.register(app)
serve.register(app)
connect.register(app)
mcp_commands.register(app)
view_commands.register(app)
export.register(app)
models.register(app)
probe_command.register(app)
profile_commands.register(app)
forecast_command.register(app)
approvals.register(app)
policy.register(app)
verify.register(app)
trust.register(app)
unwrap_help(app)


def run() -> None:
    """Run the command line; the entry point of the package."""
    signals.install()
    app()
