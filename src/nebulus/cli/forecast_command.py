"""The command that says before a run how likely it ends right: forecast."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from nebulus.cli.options import (
    ConfigOption,
    JsonOption,
    ModelOption,
    ProfilesOption,
    TierOption,
    WorkspaceOption,
    examples,
)

HERE = Path()


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        epilog=examples(
            {
                "nebulus forecast tidy.md": "each tier of nebulus.toml that was measured",
                "nebulus forecast tidy.md -m smollm2 -m ollama:qwen3:8b": "would the small one do?",
                "nebulus forecast tidy.md --json": "for a script",
            }
        )
    )(forecast)


def forecast(
    runbook: Annotated[Path, typer.Argument(help="A runbook, or a goal in prose; - for stdin.")],
    *,
    workspace: WorkspaceOption = HERE,
    tier: TierOption = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    profiles: ProfilesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how likely a runbook ends right, before it is begun: for each tier, with an interval.

    It rests on what `nebulus probe` measured of each model: no model is asked, and none is started. It names the weakest
    steps, what would help them, and what the run will take. Where there is no profile, it says which command makes one.
    """
    from nebulus.app import bootstrap_profiles
    from nebulus.app.forecasting import forecast_goal, require_forecast
    from nebulus.ceiling.profile import day_of
    from nebulus.cli.console import reporting, show, show_json, stdout
    from nebulus.cli.place import settings_of
    from nebulus.cli.run_commands import choice_of, goal_text
    from nebulus.report.forecasts import WHAT_IT_IS, forecast_lines, mix_lines
    from nebulus.report.text import Line, safe
    from nebulus.runtime.world import SystemClock

    with reporting(as_json=as_json):
        text = goal_text("-", None) if str(runbook) == "-" else goal_text("", runbook)
        settings = settings_of(workspace, choice_of(config, tier, model), only_looks=True)
        found = asyncio.run(
            forecast_goal(
                settings,
                text,
                folder=workspace,
                store=bootstrap_profiles.profiles(profiles),
                today=day_of(SystemClock().time_s()),
                workspace=workspace,
            )
        )
        require_forecast(found)
        if as_json:
            show_json(found)
            return
        for one in found.forecasts:
            show(forecast_lines(one, stale=found.stale.get(one.tier, ())), stdout())
        if found.mix is not None:
            show(mix_lines(found.mix), stdout())
        lines = [
            Line(safe(f"{name}: no profile; run `{command}`"), "yellow")
            for name, command in found.unmeasured.items()
        ]
        show([*lines, Line(WHAT_IT_IS, "dim")], stdout())
