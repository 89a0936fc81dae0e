"""Adds what a kept run showed to the profiles of the models that were asked in it."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from nebulus.adapters.profiles.store import ProfileStore
from nebulus.app.application import open_application
from nebulus.app.learning import Learned, learn
from nebulus.app.settings import Settings
from nebulus.ceiling.profile import day_of
from nebulus.cli.place import chosen, recalled, require_runs
from nebulus.core.journal import events_of
from nebulus.core.text import counted
from nebulus.report.text import Line, safe
from nebulus.runtime.supervise import read_request


async def learned(run_id: str, settings: Settings, folder: Path, *, store: ProfileStore) -> list[Learned]:
    """Add what a run showed to the profiles of its models, and return what that was.

    Raises:
        RunUnknownError: no such run.
        JournalError: its journal can't be read by this version.
        ConfigError: a profile can't be read or written.
    """
    require_runs(settings, folder)
    async with open_application(settings, folder) as application:
        info = await application.supervisor.info(run_id)
        settings = chosen(settings, recalled(dict(read_request(info.request).place)))
        events = list(events_of(await application.supervisor.raw_journal(run_id)))
    return list(learn(run_id, events, settings, store=store, day=day_of(info.updated_s)))


def learned_lines(found: Iterable[Learned]) -> Iterator[Line]:
    """Yield what was learned, a line for each model, and how right its forecast was."""
    known = list(found)
    if not known:
        yield Line("nothing is known for certain: no step was proven by a check, and no model failed", "dim")
    for one in known:
        if one.why_not:
            yield Line(f"{safe(one.tier)}: nothing was added; {one.why_not}", "yellow")
            continue
        yield Line(f"{safe(one.tier)}: {counted(one.steps, 'step')} added, {one.right} of them right")
        if one.forecast is not None:
            end = "right" if one.ended_right else "wrong"
            yield Line(f"  its forecast of this run was {one.forecast:.0%}, and it ended {end}")
            side = "high" if one.error >= 0 else "low"
            yield Line(
                f"  over {counted(one.forecasts, 'run')}, its forecasts were {abs(one.error):.0%} too {side}",
                "dim",
            )
