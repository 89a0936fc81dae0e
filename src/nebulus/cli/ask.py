"""The command that asks one question: ask."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nebulus.cli.options import (
    ConfigOption,
    InputOption,
    JsonOption,
    ModelOption,
    QuietOption,
    TierOption,
    WorkspaceOption,
    examples,
)

if TYPE_CHECKING:
    from nebulus.cli.live_runs import Work
    from nebulus.cli.watch import Face
    from nebulus.core.result import ResultSpec
    from nebulus.report.run import RunReport

HERE = Path()


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            {
                "nebulus ask 'What is a fjord?'": "the answer on stdout",
                "nebulus ask 'Which date does the letter name?' --input letter=@letter.txt": "about data",
                "nebulus ask - < question.txt > answer.txt": "from stdin, into a file",
                "nebulus ask 'Which towns does this name: …' --schema towns.json": "JSON of a schema",
                "nebulus ask 'What is a fjord?' -m ollama:qwen3:8b --json": "with its cost, for a script",
            }
        )
    )(ask)


def ask(
    question: Annotated[str, typer.Argument(help="The question, or - for stdin.")],
    *,
    schema: Annotated[
        Path | None,
        typer.Option("--schema", help="Answer in JSON of the JSON Schema in this file, in place of text."),
    ] = None,
    inputs: InputOption = None,
    workspace: WorkspaceOption = HERE,
    tier: TierOption = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Ask a model one question and print its answer: one call of the model, no tools, no file is touched.

    The answer alone goes to stdout, everything else to stderr. Nothing is kept: it is not listed by
    `nebulus runs`. To look things up first, or to keep a record, use `nebulus run --result`.
    """
    from nebulus.app.inputs import inputs_of, read_inputs
    from nebulus.cli.console import reporting
    from nebulus.cli.live_runs import Work
    from nebulus.cli.results import TEXT, requested_result, schema_result
    from nebulus.cli.run_commands import choice_of, goal_text

    with reporting(as_json=as_json):
        spec = schema_result(schema) if schema is not None else requested_result(TEXT)
        assert spec is not None
        work = Work(
            folder=workspace,
            choice=choice_of(config, tier, model),
            is_quiet=quiet,
            as_json=as_json,
            inputs=inputs_of(read_inputs(inputs or ())),
        )
        _finish(asyncio.run(_answered(goal_text(question, None), spec, work)), work)


async def _answered(question: str, spec: "ResultSpec", work: "Work") -> "RunReport":
    """Return the report of a run in memory that answers `question`, and does nothing else.

    Raises:
        ConfigError: no question, or a model that can't be used.
    """
    from msgspec.structs import replace

    from nebulus.app import bootstrap
    from nebulus.app.application import open_application
    from nebulus.app.settings import EngineSettings
    from nebulus.cli.kept_runs import report_of
    from nebulus.cli.place import settings_of
    from nebulus.cli.watch import Watcher
    from nebulus.core.errors import ConfigError
    from nebulus.core.plan import Goal

    if not question.strip():
        raise ConfigError("there is no question", fix="write it, or give - and write it to stdin")
    settings = settings_of(work.folder, work.choice)
    settings = replace(settings.without_helpers(), engine=EngineSettings(url=bootstrap.MEMORY))
    goal = Goal(text=bootstrap.secrets(settings).hide(question.strip()))
    await bootstrap.fetch_models(settings, is_quiet=work.is_quiet)
    with _face(work) as face:
        async with open_application(settings, work.folder, watch=[lambda _: Watcher(face)]) as application:
            handle = await application.start(goal, result=spec, inputs=work.inputs)
            outcome = await handle.result()
            return replace(await report_of(application.supervisor, handle.run_id), outcome=outcome)


@contextmanager
def _face(work: "Work") -> "Iterator[Face]":
    """Open where the progress is shown: on a terminal, until the answer is there."""
    import sys

    from nebulus.cli.console import stderr
    from nebulus.cli.terminal import TerminalFace
    from nebulus.cli.watch import NoFace

    if work.is_quiet or not sys.stderr.isatty():
        yield NoFace()
        return
    with TerminalFace(stderr(), is_transient=True) as face:
        yield face


def _finish(report: "RunReport", work: "Work") -> None:
    """Write the answer, or why there is none, and leave with the exit code.

    Raises:
        typer.Exit: always.
    """
    from nebulus.cli.console import show, show_json, stderr
    from nebulus.cli.live_runs import document, exit_code
    from nebulus.cli.results import write_answer
    from nebulus.core.outcome import Done
    from nebulus.report.summary import source_lines, summary_lines
    from nebulus.report.text import Line, format_cost

    code = exit_code(report, work)
    if work.as_json:
        show_json(document(report, code))
        raise typer.Exit(code)
    outcome = report.outcome
    if not isinstance(outcome, Done) or outcome.result is None:
        show(summary_lines(report, resume=""), stderr())
        raise typer.Exit(code)
    if not work.is_quiet:
        sources = source_lines(outcome.result) if outcome.result.sources else []
        show([*sources, Line(f"{outcome.proof.value} · {format_cost(report.spent)}", "dim")], stderr())
    write_answer(report.answer)
    raise typer.Exit(code)
