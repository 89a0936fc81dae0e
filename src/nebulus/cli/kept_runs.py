"""Runs that are kept, and runbooks, read without running anything."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from nebulus.app import bootstrap
from nebulus.app.application import open_application
from nebulus.app.settings import Settings
from nebulus.cli.console import show_json
from nebulus.cli.place import has_runs, require_runs
from nebulus.core.errors import IllegalEventError, JournalError
from nebulus.core.journal import events_of, readable
from nebulus.core.outcome import Outcome
from nebulus.core.plan import Goal, Plan
from nebulus.loop.runbook import read_runbook, with_implied_checks
from nebulus.ports.engine import RunInfo, RunStatus
from nebulus.report.prompts import Asked, asked_models
from nebulus.report.run import RunReport, report_run
from nebulus.report.summary import headline
from nebulus.report.text import Line, one_line, safe
from nebulus.runtime.supervise import RunRequest, Supervisor, read_outcome, read_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nebulus.runtime.verify import Verification


class ListedRun(Struct, frozen=True, kw_only=True):
    """A run in a list. `request` is None where another version recorded it and this one can't read it."""

    info: RunInfo
    request: RunRequest | None
    outcome: Outcome | None


async def list_runs(settings: Settings, folder: Path, *, limit: int, after: str) -> list[ListedRun]:
    """Return at most `limit` of the runs kept for `folder`, newest first, those after the run named `after`."""
    if not has_runs(settings, folder):
        return []
    async with open_application(settings, folder) as application:
        supervisor = application.supervisor
        page = await supervisor.runs(limit=limit, after=after or None)
        return [_listed(await supervisor.info(info.run_id)) for info in page]


def _listed(info: RunInfo) -> ListedRun:
    try:
        return ListedRun(info=info, request=read_request(info.request), outcome=read_outcome(info))
    except JournalError:
        return ListedRun(info=info, request=None, outcome=None)


async def read_report(run_id: str, settings: Settings, folder: Path) -> RunReport:
    """Return the report of a run.

    Raises:
        RunUnknownError: no such run.
        JournalError: its journal can't be read by this version.
    """
    async with _supervisor(settings, folder) as supervisor:
        return await report_of(supervisor, run_id)


async def report_of(supervisor: Supervisor, run_id: str) -> RunReport:
    """Return the report of a run from its journal.

    Raises:
        RunUnknownError: no such run.
        JournalError: its journal can't be read by this version.
    """
    with journal_of(run_id):
        return report_run(run_id, events_of(await supervisor.raw_journal(run_id)))


async def read_asked(run_id: str, settings: Settings, folder: Path) -> list[Asked]:
    """Return every question that a run put to a model.

    Raises:
        RunUnknownError: no such run.
        JournalError: its journal can't be read by this version.
    """
    async with _supervisor(settings, folder) as supervisor:
        with journal_of(run_id):
            return list(asked_models(events_of(await supervisor.raw_journal(run_id))))


async def read_journal(run_id: str, settings: Settings, folder: Path) -> list[dict[str, Any]]:
    """Return a run's journal as it was stored, whatever version wrote it.

    Raises:
        RunUnknownError: no such run.
        JournalError: it is not JSON.
    """
    async with _supervisor(settings, folder) as supervisor:
        return list(readable(await supervisor.raw_journal(run_id)))


async def cancel(run_id: str, settings: Settings, folder: Path) -> RunInfo:
    """Ask a run to stop, and return how it is then; one that has ended is left alone.

    Raises:
        RunUnknownError: no such run.
    """
    async with _supervisor(settings, folder) as supervisor:
        before = await supervisor.info(run_id)
        if before.status is RunStatus.ENDED:
            return before
        await supervisor.cancel(run_id)
        return await supervisor.info(run_id)


async def verified(run_id: str, settings: Settings, folder: Path) -> "Verification":
    """Return whether the journal of a run is whole.

    Raises:
        RunUnknownError: no such run.
    """
    async with _supervisor(settings, folder) as supervisor:
        return await supervisor.verify(run_id)


@contextmanager
def journal_of(run_id: str) -> Iterator[None]:
    """Say what can still be done with a journal that this version can't replay.

    Raises:
        JournalError: that is so.
    """
    try:
        yield
    except (JournalError, IllegalEventError, LookupError) as error:
        raise JournalError(
            f"this version of Nebulus can't replay the journal of run {run_id!r} ({error})",
            fix=f"`nebulus show {run_id} --journal` shows the records themselves",
        ) from error


@asynccontextmanager
async def _supervisor(settings: Settings, folder: Path) -> "AsyncIterator[Supervisor]":
    require_runs(settings, folder)
    async with open_application(settings, folder) as application:
        yield application.supervisor


def write_journal(records: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    """Write records to stdout: one JSON object a line, or one document of all."""
    if as_json:
        show_json(list(records))
        return
    for record in records:
        sys.stdout.write(msgspec.json.encode(record).decode() + "\n")


async def understood(text: str, settings: Settings, folder: Path) -> tuple[Goal, Plan]:
    """Return how a runbook is understood with the tools that a run in `folder` would have.

    Raises:
        ConfigError: the text says nothing, or something in it can't be understood.
    """
    goal, plan = read_runbook(text)
    async with bootstrap.tools({"workspace": str(folder)}, (), settings) as kit:
        return goal, with_implied_checks(plan, [tool.spec for tool in kit.tools], goal=goal)


def run_row(listed: ListedRun) -> dict[str, object]:
    """Return one run of a list for a program; `steps` are those that the run was begun with."""
    info, request = listed.info, listed.request
    return {
        "run_id": info.run_id,
        "status": info.status,
        "outcome": type(listed.outcome).__name__ if listed.outcome else "",
        "created_s": info.created_s,
        "updated_s": info.updated_s,
        "version": info.version,
        "steps": len(request.plan.steps) if request is not None else None,
        "goal": one_line(request.goal.text, 200) if request is not None else None,
    }


def run_line(listed: ListedRun) -> Line:
    """Return one run of a list: its name, how it is, when it began, what it is for."""
    info = listed.info
    state = _STATUSES[info.status]
    if info.status is RunStatus.ENDED and listed.outcome is not None:
        state = headline(listed.outcome)
    word = state.text.partition(":")[0].partition(",")[0]
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(info.created_s))
    goal = (
        "(recorded by another version)" if listed.request is None else one_line(listed.request.goal.text, 60)
    )
    return Line(f"{safe(info.run_id):<24} {word:<12} {when}  {goal}", state.style)


_STATUSES: Mapping[RunStatus, Line] = MappingProxyType(
    {
        RunStatus.RUNNING: Line("running"),
        RunStatus.INTERRUPTED: Line("interrupted"),
        RunStatus.CANCELLED: Line("cancelled"),
        RunStatus.ENDED: Line("ended"),
    }
)


def list_lines(found: Iterable[ListedRun]) -> Iterator[Line]:
    """Return a list of runs, a line each."""
    return map(run_line, found)
