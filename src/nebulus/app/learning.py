"""What a run that is over teaches: outcomes for the profiles of its models, and how right their forecasts were.

Invariants: only a profile that exists is added to, unless somebody asks for a new one; each run is counted once; a stale
profile learns nothing; a profile that can't be read or written never changes the outcome of a run.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from nebulus.adapters.profiles.store import ProfileStore
from nebulus.app import bootstrap_profiles
from nebulus.app.settings import Settings
from nebulus.ceiling.estimate import fit
from nebulus.ceiling.forecast import chance_of_all
from nebulus.ceiling.profile import AgeOf, Profile, Row, coarse, day_of
from nebulus.core.errors import ConfigError, RunUnknownError
from nebulus.core.events import Event
from nebulus.core.journal import events_of
from nebulus.report.learning import Verdict, learned_rows, verdicts_of
from nebulus.report.step_outcomes import step_outcomes
from nebulus.runtime.world import SystemClock

_LOG = logging.getLogger(__name__)


class Learned(Struct, frozen=True, kw_only=True):
    """What a run added to the profile of a tier's model; `why_not` says why nothing was added."""

    tier: str
    steps: int = 0
    right: int = 0
    forecast: float | None = None
    """How likely it was to end right by the profile as it was before; None where nothing could be said."""
    ended_right: bool = False
    error: float = 0.0
    """How much higher than the share of runs that ended right the forecasts of this model have been so far, on average."""
    forecasts: int = 0
    """How many runs that is about."""
    why_not: str = ""


def learn(
    run_id: str, events: Sequence[Event], settings: Settings, *, store: ProfileStore, day: str
) -> Iterator[Learned]:
    """Add what a run showed to the profile of each tier's model, unless it is stale or has counted the run already.

    A model without a profile gets one. `day` is when the run ended, as YYYY-MM-DD.

    Raises:
        ConfigError: a profile can't be read or written.
    """
    found = step_outcomes(events)
    verdicts = verdicts_of(found)
    for tier, rows in learned_rows(found, day=day).items():
        if tier not in settings.tiers:
            yield Learned(tier=tier, why_not="the settings have no such tier any more")
            continue
        model = bootstrap_profiles.model_identity(settings.tiers[tier])
        with store.changing(model):
            profile = store.find(model) or Profile(model=model)
            if changed := profile.model.changes(model):
                yield Learned(tier=tier, why_not=f"its profile is stale: {' and '.join(changed)} changed")
            elif run_id in profile.runs:
                yield Learned(tier=tier, why_not="this run was counted before")
            else:
                grown, learned = _grown(profile, rows, verdicts.get(tier), day=day)
                store.write(grown.with_run(run_id))
                yield replace(learned, tier=tier)


def _grown(
    profile: Profile, rows: Sequence[Row], verdict: Verdict | None, *, day: str
) -> tuple[Profile, Learned]:
    """Return a profile with more rows, and with how right the forecast was that it would have made of the run."""
    learned = Learned(tier="", steps=len(rows), right=sum(row.right for row in rows))
    if verdict is None or not profile.rows:
        return profile.with_rows(rows), learned
    model = fit(profile.trials(age_days=AgeOf(day)))
    chance = chance_of_all([(coarse(demand), model) for demand in verdict.demands])[0]
    grown = profile.with_rows(rows).with_forecast(chance, is_right=verdict.is_right)
    return grown, replace(
        learned,
        forecast=round(chance, 4),
        ended_right=verdict.is_right,
        error=round(grown.forecasts.error, 4),
        forecasts=grown.forecasts.runs,
    )


def learn_quietly(
    run_id: str, events: Sequence[Event], settings: Settings, *, store: ProfileStore, day: str
) -> None:
    """As `learn`, for the profiles that exist; what goes wrong is logged."""
    known = {name: tier for name, tier in settings.tiers.items() if is_measured(name, settings, store)}
    try:
        for _ in learn(run_id, events, replace(settings, tiers=known), store=store, day=day):
            pass
    except ConfigError as error:
        _LOG.warning("nothing was learned from run %s: %s", run_id, error)


def is_measured(tier: str, settings: Settings, store: ProfileStore) -> bool:
    """Whether there is a profile of a tier's model; no file is read."""
    return store.path(bootstrap_profiles.short_identity(settings.tiers[tier])).exists()


async def learn_from(
    run_id: str, journal: Callable[[str], Awaitable[tuple[bytes, ...]]], settings: Settings
) -> None:
    """Add what a run that is over showed to the profiles of its models, if there are any and the settings want it."""
    if not settings.route.learns:
        return
    store = bootstrap_profiles.profiles()
    if not any(is_measured(tier, settings, store) for tier in settings.tiers):
        return
    try:
        events = list(events_of(await journal(run_id)))
    except RunUnknownError:  # It was only prepared.
        return
    day = day_of(SystemClock().time_s())
    await asyncio.to_thread(learn_quietly, run_id, events, settings, store=store, day=day)
