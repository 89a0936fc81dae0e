"""What a run proved is added to the profiles that exist, by itself, once, and says how right the forecast was."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from nebulus.adapters.profiles.store import ProfileStore
from nebulus.app.application import open_application
from nebulus.app.route_settings import RouteSettings
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.ceiling.profile import ModelIdentity, Profile, Row
from nebulus.core.demand import Demand, ToolDemand, WorkKind
from nebulus.core.findings import Call
from nebulus.core.outcome import Done, Proof
from nebulus.core.plan import StepStatus
from nebulus.core.tiers import StepKind
from nebulus.report.learning import learned_rows, verdicts_of
from nebulus.report.step_outcomes import RunOutcomes, StepOutcome
from nebulus.testing.backends import ScriptedBackend
from nebulus.testing.people import ScriptedPerson
from tests.unit.cli.runs import RUNBOOK, YES, literal

DEMAND = Demand(kind=WorkKind.ACT, tools=ToolDemand(count=5, schema_depth=1), prompt_tokens=250)
SETTINGS = Settings(
    tiers={"small": TierSettings(model="http://127.0.0.1:1#none")},
    engine=EngineSettings(url="memory"),
    commands="off",
)
MEASURED = Profile(model=ModelIdentity(name="none")).with_rows([Row(demand=DEMAND, trials=20, right=14)])


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProfileStore:
    monkeypatch.setenv("NEBULUS_PROFILES", str(tmp_path / "profiles"))
    return ProfileStore()


def carry_out(folder: Path, settings: Settings = SETTINGS) -> None:
    (folder / "a.md").write_text("hello")

    async def run() -> None:
        plugs = {"backends": {"small": ScriptedBackend(literal)}, "person": ScriptedPerson((YES,))}
        async with open_application(settings, folder, **plugs) as application:
            handle = await application.start(RUNBOOK, workspace=folder, run_id="tidy")
            await handle.result()

    asyncio.run(run())


def rows_of_runs(store: ProfileStore) -> list[tuple[int, int]]:
    return [
        (row.trials, row.right)
        for stored in store.all()
        if stored.profile
        for row in stored.profile.rows
        if row.source == "runs"
    ]


def test_a_run_adds_what_its_checks_have_proven_to_a_profile_that_exists(
    tmp_path: Path, store: ProfileStore
) -> None:
    store.write(MEASURED)
    carry_out(tmp_path)
    assert rows_of_runs(store) == [(1, 1)]
    (stored,) = store.all()
    assert stored.profile is not None
    assert stored.profile.runs == ("tidy",)
    assert stored.profile.asked == MEASURED.asked


def test_a_run_makes_no_profile_of_a_model_that_nobody_measured(tmp_path: Path, store: ProfileStore) -> None:
    carry_out(tmp_path)
    assert not store.folder.exists()


def test_learning_can_be_switched_off(tmp_path: Path, store: ProfileStore) -> None:
    store.write(MEASURED)
    carry_out(tmp_path, replace(SETTINGS, route=RouteSettings(learns=False)))
    assert rows_of_runs(store) == []


def test_a_stale_profile_learns_nothing(tmp_path: Path, store: ProfileStore) -> None:
    stale = ModelIdentity(name="none", tool_form="schemas")
    other = replace(SETTINGS, tiers={"small": TierSettings(model="http://127.0.0.1:1#none")})
    store.path(ModelIdentity(name="none")).parent.mkdir(parents=True)
    written = store.write(replace(MEASURED, model=stale))
    written.rename(store.path(ModelIdentity(name="none")))
    carry_out(tmp_path, other)
    assert rows_of_runs(store) == []


def test_a_profile_that_can_not_be_read_never_changes_how_a_run_ends(
    tmp_path: Path, store: ProfileStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.write(MEASURED)
    store.path(ModelIdentity(name="none")).write_text("{")
    carry_out(tmp_path)
    assert "nothing was learned from run tidy" in caplog.text
    assert store.path(ModelIdentity(name="none")).read_text() == "{"


# what a step shows about each of its tiers

PUT = Call("put", {"value": "7"}, "c1")


def work(*tiers: str, status: StepStatus = StepStatus.PROVEN, **more: object) -> StepOutcome:
    made = StepOutcome(step=1, kind=StepKind.EXECUTE, demand=DEMAND, tiers=list(tiers), calls=[PUT])
    made.status = status
    for name, value in more.items():
        setattr(made, name, value)
    return made


def over(*steps: StepOutcome) -> RunOutcomes:
    return RunOutcomes(steps=steps, outcome=Done(proof=Proof.PROVEN))


def shown(found: RunOutcomes) -> dict[str, list[int]]:
    rows = learned_rows(found, day="2026-11-28")
    return {tier: [row.right for row in each] for tier, each in rows.items()}


def test_a_step_that_a_larger_tier_solved_counts_for_the_larger_and_against_the_smaller() -> None:
    assert shown(over(work("small", "large"))) == {"small": [0], "large": [1]}


def test_an_answer_that_was_not_used_is_right_if_the_larger_tier_proposed_the_same() -> None:
    same, other = Call("put", {"value": "7"}, "c9"), Call("put", {"value": "8"}, "c9")
    assert shown(over(work("small", "large", unused={"small": (same,)})))["small"] == [1]
    assert shown(over(work("small", "large", unused={"small": (other,)})))["small"] == [0]
    unproven = work("small", "large", unused={"small": (other,)}, status=StepStatus.CALLED)
    assert "small" not in shown(over(unproven))


def test_a_run_is_right_for_the_tier_that_did_all_of_it_and_wrong_for_one_that_was_replaced() -> None:
    assert verdicts_of(over(work("small"), work("small")))["small"].is_right
    assert not verdicts_of(over(work("small"), work("small", "large")))["small"].is_right
    assert verdicts_of(over(work("small"), work("large"))) == {}
    assert verdicts_of(over(work("small", "large", unused={"small": (PUT,)}))) == {}


def test_forecasts_are_compared_with_what_happened() -> None:
    profile = MEASURED
    for is_right in (True, False, True, True):
        profile = profile.with_forecast(0.9, is_right=is_right)
    record = profile.forecasts
    assert (record.runs, record.right) == (4, 3)
    assert abs(record.error - 0.15) < 1e-9
    assert abs(record.squared / record.runs - (3 * 0.01 + 0.81) / 4) < 1e-9


def test_of_very_many_runs_the_oldest_are_forgotten() -> None:
    profile = MEASURED
    for number in range(1005):
        profile = profile.with_run(f"r{number}")
    assert len(profile.runs) == 1000
    assert profile.runs[-1] == "r1004"
