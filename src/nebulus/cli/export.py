"""The command that hands runs to other programs: export."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nebulus.cli.options import ConfigOption, WorkspaceOption, examples

if TYPE_CHECKING:
    from nebulus.app.settings import Settings
    from nebulus.ports.engine import RunInfo
    from nebulus.runtime.supervise import Supervisor

HERE = Path()


class Format(StrEnum):
    """What runs are written as."""

    JSONL = "jsonl"
    OTLP = "otlp"
    TRAINING = "training"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            {
                "nebulus export RUN": "its journal, a record a line",
                "nebulus export --format otlp -o runs.json": "all runs of this folder as OpenTelemetry traces",
                "curl -H 'Content-Type: application/json' -d @runs.json http://127.0.0.1:4318/v1/traces": "to a collector",
                "nebulus export --format training > calls.jsonl": "a chat for each model call, with its outcome",
            }
        )
    )(export)


def export(
    runs: Annotated[
        list[str] | None, typer.Argument(help="The names of runs; all runs of the folder without any.")
    ] = None,
    *,
    form: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.JSONL,
    content: Annotated[
        bool, typer.Option("--content", help="With otlp: also goals, arguments, results and answers.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file, in place of stdout.")] = None,
    workspace: WorkspaceOption = HERE,
    config: ConfigOption = None,
) -> None:
    """Write runs for other programs: their journals, traces, or training data.

    jsonl is one record a line, as it was stored, with the run's name. otlp is one JSON document for a collector's
    /v1/traces; a journal has durations and no times of day, so spans follow one another from the run's beginning, also
    where calls overlapped. training is one chat a line for each model call, with tools and, as its label, what the answer
    was parsed as, the step's status, and the run's outcome; known secrets are removed again, also those set since.
    """
    from nebulus.cli.console import reporting
    from nebulus.cli.place import Choice, require_runs, settings_of

    with reporting(as_json=False):
        settings = settings_of(workspace, Choice(config=str(config or "")), only_looks=True)
        require_runs(settings, workspace)
        lines = asyncio.run(_lines(runs or [], settings, workspace, form=form, has_content=content))
        text = "".join(f"{line}\n" for line in lines)
        if out is None:
            sys.stdout.write(text)
        else:
            _write(out, text)


def _write(out: Path, text: str) -> None:
    from nebulus.core.errors import ConfigError

    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out} can't be written: {error.strerror}", fix="name another file") from error


async def _lines(
    names: list[str], settings: "Settings", folder: Path, *, form: Format, has_content: bool
) -> list[str]:
    """Return the lines to write: one for each record or call, or one document.

    Raises:
        RunUnknownError: a run is not there.
        JournalError: a journal can't be read by this version.
    """
    import msgspec

    from nebulus.adapters.telemetry.otlp import otlp_document
    from nebulus.app.application import open_application

    async with open_application(settings, folder) as application:
        found = [run async for run in _runs(names, application.supervisor)]
    rows: list[Any] = []
    for info, batches in found:
        rows += _rows(info, batches, settings, form=form, has_content=has_content)
    document = [otlp_document(rows)] if form is Format.OTLP else rows
    return [msgspec.json.encode(row).decode() for row in document]


async def _runs(
    names: list[str], supervisor: "Supervisor"
) -> "AsyncIterator[tuple[RunInfo, tuple[bytes, ...]]]":
    for name in names or [info.run_id for info in reversed(await supervisor.runs())]:
        yield await supervisor.info(name), await supervisor.raw_journal(name)


def _rows(
    info: "RunInfo", batches: tuple[bytes, ...], settings: "Settings", *, form: Format, has_content: bool
) -> Iterator[Any]:
    from nebulus.app import bootstrap
    from nebulus.cli.kept_runs import journal_of
    from nebulus.core.journal import events_of, readable
    from nebulus.report.training import training_rows

    match form:
        case Format.JSONL:
            yield from ({"run_id": info.run_id, **record} for record in readable(batches))
        case Format.OTLP:
            with journal_of(info.run_id):
                yield from _spans(info, batches, has_content=has_content)
        case Format.TRAINING:
            hide = bootstrap.secrets(settings).hide_all
            with journal_of(info.run_id):
                yield from training_rows(info.run_id, list(events_of(batches)), hide=hide)


def _spans(info: "RunInfo", batches: tuple[bytes, ...], *, has_content: bool) -> Iterator[Any]:
    """Yield the spans of a run on a clock that begins with it and moves by what was measured."""
    from nebulus.adapters.telemetry.spans import NS, SpanFold
    from nebulus.core.journal import events_of
    from nebulus.runtime.supervise import read_outcome

    fold, now_ns = SpanFold(info.run_id, has_content=has_content), int(info.created_s * NS)
    for position, event in enumerate(events_of(batches), start=1):
        now_ns += int(getattr(event, "took_s", 0.0) * NS)
        yield from fold.take(event, position=position, now_ns=now_ns)
    yield from fold.end(read_outcome(info), now_ns=now_ns)
