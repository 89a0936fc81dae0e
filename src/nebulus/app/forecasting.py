"""Forecasts a goal on the tiers of some settings, from their profiles alone: no model is asked, none is even started."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from nebulus.app import bootstrap, bootstrap_profiles
from nebulus.app.probe import Store
from nebulus.app.settings import Settings
from nebulus.ceiling.forecast import Forecast, PlannedStep, forecast
from nebulus.core.config import RunConfig
from nebulus.core.errors import ConfigError
from nebulus.core.plan import Goal, Plan
from nebulus.core.result import ResultSpec
from nebulus.core.tiers import StepKind
from nebulus.loop.runbook import read_runbook, with_implied_checks
from nebulus.ports.tool import Tool
from nebulus.report.demands import planned_demands

WINDOW_TOKENS = 8192
"""The window that is assumed where neither the settings nor the profile say one."""


class ForecastReport(Struct, frozen=True, kw_only=True):
    """What the profiles say of a goal: a forecast for each tier that was measured, and what is known of the others."""

    goal: str
    forecasts: tuple[Forecast, ...]
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
    forecasts: list[Forecast] = []
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
        if changed := profile.model.changes(model):
            stale[name] = changed
        known = tier.tier(name, tier.window_tokens or profile.window_tokens or WINDOW_TOKENS)
        config = RunConfig(tiers=(known,), tools=specs, limits=settings.limits, planning=settings.planning)
        planned = [
            PlannedStep(number=number, text=text, demand=demand)
            for number, text, demand in planned_demands(wanted, steps, config)
        ]
        found = forecast(name, planned, profile, today=today)
        usd = known.cost_usd(found.cost.prompt_tokens, found.cost.completion_tokens)
        forecasts.append(replace(found, usd=usd))
    return ForecastReport(goal=wanted.text, forecasts=tuple(forecasts), unmeasured=unmeasured, stale=stale)


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
