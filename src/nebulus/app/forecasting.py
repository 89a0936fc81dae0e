"""Forecasts a goal on the tiers of some settings, from their profiles alone: no model is asked, none is even started."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from nebulus.app import bootstrap, bootstrap_profiles
from nebulus.app.probe import Store
from nebulus.app.settings import Settings
from nebulus.ceiling.forecast import (
    LEAST_GAIN,
    Advice,
    Forecast,
    MeasuredTier,
    PlannedStep,
    forecast,
    forecast_mix,
    skill_of,
)
from nebulus.ceiling.profile import Profile
from nebulus.core.config import RunConfig
from nebulus.core.errors import ConfigError
from nebulus.core.plan import Goal, Plan
from nebulus.core.result import ResultSpec
from nebulus.core.routes import RouteMode
from nebulus.core.tiers import StepKind, Tier
from nebulus.loop.route import tier_options
from nebulus.loop.runbook import read_runbook, with_implied_checks
from nebulus.ports.tool import Tool
from nebulus.report.demands import planned_demands
from nebulus.routing.choose import NoTierAllowed, choose

MIX = "mix"
WINDOW_TOKENS = 8192
"""The window that is assumed where neither the settings nor the profile say one."""


class ForecastReport(Struct, frozen=True, kw_only=True):
    """What the profiles say of a goal: a forecast for each tier that was measured, and what is known of the others."""

    goal: str
    forecasts: tuple[Forecast, ...]
    mix: Forecast | None
    """All measured tiers together, each step begun by the one that would be chosen by what was measured; None where fewer
    than two were measured."""
    unmeasured: dict[str, str]
    """The tiers without a profile, each with the command that makes one."""
    stale: dict[str, tuple[str, ...]]
    """The tiers whose model has changed since it was measured, with what has changed."""


async def forecast_goal(
    settings: Settings,
    goal: str | Goal,
    *,
    folder: Path,
    store: Store,
    today: str,
    plan: Plan | None = None,
    result: ResultSpec | None = None,
    tools: Sequence[Tool] = (),
    workspace: Path | None = None,
) -> ForecastReport:
    """Return how likely `goal` ends right on each tier that executes steps, by its profile.

    The goal is understood, and the tools are chosen, as a run would; nothing is begun.

    Raises:
        ConfigError: the goal can't be understood, or a profile can't be read.
    """
    wanted, steps = read_runbook(goal) if isinstance(goal, str) else (goal, Plan(()))
    steps = plan or steps
    if result is not None:
        wanted = replace(wanted, result=result)
    place: Mapping[str, str] = {} if workspace is None else {"workspace": str(workspace)}
    async with bootstrap.tools(place, tools, settings, folder=folder) as kit:
        specs = tuple(tool.spec for tool in kit.tools)
    steps = with_implied_checks(steps, specs, goal=wanted)
    measured, unmeasured, stale = _measured(settings, store)
    forecasts, demands = [], {}
    for name, profile in measured.items():
        tier = settings.tiers[name]
        known = tier.tier(
            name,
            tier.window_tokens or profile.window_tokens or WINDOW_TOKENS,
            leaves_machine=tier.is_elsewhere(),
        )
        config = RunConfig(tiers=(known,), tools=specs, limits=settings.limits, planning=settings.planning)
        planned = [
            PlannedStep(number=number, text=text, demand=demand)
            for number, text, demand in planned_demands(wanted, steps, config)
        ]
        demands[name] = (known, planned)
        forecasts.append(_priced(forecast(name, planned, profile, today=today), {name: known}))
    mix = None
    if len([name for name in measured if name not in stale]) > 1:
        fresh = {name: profile for name, profile in measured.items() if name not in stale}
        mix = _mix(settings, fresh, demands, today=today)
    return ForecastReport(
        goal=wanted.text,
        forecasts=tuple(_with_larger(forecasts)),
        mix=mix,
        unmeasured=unmeasured,
        stale=stale,
    )


def _measured(
    settings: Settings, store: Store
) -> tuple[dict[str, Profile], dict[str, str], dict[str, tuple[str, ...]]]:
    """Return the profiles of the tiers that execute, the commands that measure the others, and what is stale."""
    measured: dict[str, Profile] = {}
    unmeasured: dict[str, str] = {}
    stale: dict[str, tuple[str, ...]] = {}
    for name, tier in settings.tiers.items():
        if StepKind.EXECUTE not in tier.kinds:
            continue
        model = bootstrap_profiles.model_identity(tier)
        profile = store.find(model)
        if profile is None or not profile.rows:
            unmeasured[name] = f"nebulus probe {tier.model}"
            continue
        measured[name] = profile
        if changed := profile.model.changes(model):
            stale[name] = changed
    return measured, unmeasured, stale


def _mix(
    settings: Settings,
    profiles: Mapping[str, Profile],
    demands: Mapping[str, tuple[Tier, list[PlannedStep]]],
    *,
    today: str,
) -> Forecast | None:
    """Return the forecast of a run whose steps are each begun by the tier that would be chosen by what was measured.

    None where the settings forbid every tier for some step.
    """
    policy = replace(settings.route.policy(), mode=RouteMode.MEASURED)
    skills = {name: skill_of(profile, today=today) for name, profile in profiles.items()}
    tiers = [demands[name][0] for name in profiles]
    work = []
    for step in demands[tiers[0].name][1]:
        route = choose(step.demand, tier_options(tiers, step.demand, skills), policy)
        if isinstance(route, NoTierAllowed):
            return None
        work.append((step, MeasuredTier(name=route.tier, profile=profiles[route.tier])))
    return _priced(forecast_mix(MIX, work, today=today), {tier.name: tier for tier in tiers})


def _priced(found: Forecast, tiers: Mapping[str, Tier]) -> Forecast:
    usd = sum(
        tiers[step.tier].cost_usd(step.cost.prompt_tokens, step.cost.completion_tokens)
        for step in found.steps
    )
    return replace(found, usd=usd)


def _with_larger(forecasts: Sequence[Forecast]) -> Iterator[Forecast]:
    """Yield the forecasts with a larger tier among what would help a step, where it is measurably better."""
    for place, one in enumerate(forecasts):
        steps = []
        for index, step in enumerate(one.steps):
            larger = max(
                ((other.steps[index].estimate.mean, other.tier) for other in forecasts[place + 1 :]),
                default=(0.0, ""),
            )
            if larger[0] - step.estimate.mean >= LEAST_GAIN:
                advice = Advice(what=f"let {larger[1]} do it", chance=larger[0])
                step = replace(step, advice=(advice, *step.advice))
            steps.append(step)
        yield replace(one, steps=tuple(steps))


def require_forecast(report: ForecastReport) -> ForecastReport:
    """Return `report` if any tier was measured.

    Raises:
        ConfigError: none was.
    """
    if not report.forecasts:
        commands = " or ".join(f"`{command}`" for command in report.unmeasured.values())
        raise ConfigError(
            f"no profile: {', '.join(report.unmeasured)} was never measured", fix=f"run {commands} first"
        )
    return report
