"""A run that chooses its tier by demand reads the profiles of its models; any other run reads none."""

import asyncio
from pathlib import Path

import pytest

from nebulus.adapters.profiles.store import ProfileStore
from nebulus.app import bootstrap_profiles
from nebulus.app.application import open_application
from nebulus.app.route_settings import RouteSettings
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.ceiling.profile import ModelIdentity, Profile, Row
from nebulus.core.demand import Demand, ToolDemand, WorkKind
from nebulus.core.events import RouteChosen
from nebulus.core.journal import events_of
from nebulus.core.routes import RouteMode
from nebulus.testing.backends import ScriptedBackend
from tests.unit.cli.runs import literal

DEMAND = Demand(
    kind=WorkKind.ACT, tools=ToolDemand(count=5, schema_depth=1, required_arguments=1), prompt_tokens=250
)


def settings(mode: RouteMode) -> Settings:
    tiers = {name: TierSettings(model=f"http://127.0.0.1:1#{name}") for name in ("small", "large")}
    return Settings(
        tiers=tiers, engine=EngineSettings(url="memory"), commands="off", route=RouteSettings(mode=mode)
    )


@pytest.fixture(autouse=True)
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEBULUS_PROFILES", str(tmp_path / "profiles"))
    for name, right in (("small", 3), ("large", 59)):
        row = Row(demand=DEMAND, trials=60, right=right)
        ProfileStore().write(Profile(model=ModelIdentity(name=name)).with_rows([row]))


def first_tier(folder: Path, mode: RouteMode) -> str:
    (folder / "a.md").write_text("hello")

    async def run() -> str:
        backends = {name: ScriptedBackend(literal) for name in ("small", "large")}
        async with open_application(settings(mode), folder, backends=backends) as application:
            handle = await application.start(
                "1. Use read_file with path = a.md", workspace=folder, run_id="r"
            )
            await handle.result()
            events = events_of(await application.supervisor.raw_journal("r"))
            return next(event.tier for event in events if isinstance(event, RouteChosen))

    return asyncio.run(run())


def test_the_tier_whose_profile_is_good_enough_is_asked_first(tmp_path: Path) -> None:
    assert first_tier(tmp_path, RouteMode.MEASURED) == "large"


def test_a_run_that_climbs_the_ladder_reads_no_profile(tmp_path: Path) -> None:
    (tmp_path / "profiles" / "small.json").write_text("{")
    assert bootstrap_profiles.skills(settings(RouteMode.LADDER)) == {}
    assert first_tier(tmp_path, RouteMode.LADDER) == "small"
