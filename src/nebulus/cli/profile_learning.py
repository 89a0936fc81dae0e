"""Adds what a kept run showed to the profiles of the models that were asked in it."""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from nebulus.adapters.profiles.store import ProfileStore
from nebulus.app import bootstrap_profiles
from nebulus.app.application import open_application
from nebulus.app.settings import Settings
from nebulus.ceiling.profile import Profile, Row
from nebulus.cli.place import chosen, recalled, require_runs
from nebulus.core.journal import events_of
from nebulus.core.text import counted
from nebulus.report.learning import learned_rows
from nebulus.report.text import Line, safe
from nebulus.runtime.supervise import read_request


class Learned(Struct, frozen=True, kw_only=True):
    """What a run added to the profile of a tier's model; `why_not` says why nothing was added."""

    tier: str
    steps: int = 0
    right: int = 0
    why_not: str = ""


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
    day = datetime.datetime.fromtimestamp(info.updated_s, tz=datetime.UTC).date().isoformat()
    return list(add_run(run_id, learned_rows(events, day=day), settings, store=store))


def add_run(
    run_id: str, rows_by_tier: Mapping[str, list[Row]], settings: Settings, *, store: ProfileStore
) -> Iterator[Learned]:
    """Add rows to the profile of each tier's model, unless it is stale or has counted the run already.

    Raises:
        ConfigError: a profile can't be read or written.
    """
    for tier, rows in rows_by_tier.items():
        if tier not in settings.tiers:
            yield Learned(tier=tier, why_not="the settings have no such tier any more")
            continue
        model = bootstrap_profiles.model_identity(settings.tiers[tier])
        profile = store.find(model) or Profile(model=model)
        if changed := profile.model.changes(model):
            yield Learned(tier=tier, why_not=f"its profile is stale: {' and '.join(changed)} changed")
        elif run_id in profile.runs:
            yield Learned(tier=tier, why_not="this run was counted before")
        else:
            store.write(replace(profile.with_rows(rows), runs=(*profile.runs, run_id)))
            yield Learned(tier=tier, steps=len(rows), right=sum(row.right for row in rows))


def learned_lines(found: Iterable[Learned]) -> Iterator[Line]:
    """Yield what was learned, a line for each model."""
    known = list(found)
    if not known:
        yield Line("nothing is known for certain: no step was proven by a check, and no model failed", "dim")
    for one in known:
        if one.why_not:
            yield Line(f"{safe(one.tier)}: nothing was added; {one.why_not}", "yellow")
        else:
            yield Line(f"{safe(one.tier)}: {counted(one.steps, 'step')} added, {one.right} of them right")
