"""What a run is given before it begins."""

from pathlib import Path

import pytest

from nebulus.app.application import FILES_LISTED, Application, open_application
from nebulus.app.asked import checked_run_id, new_run_id
from nebulus.app.bootstrap import MEMORY
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.core.budget import Budget
from nebulus.core.errors import ConfigError
from nebulus.core.plan import PlanMode
from nebulus.testing.backends import ScriptedBackend

PROSE = "Tidy up."
RUNBOOK = "Tidy up.\n\n1. Use list_files with path = ."


async def files_given(folder: Path, goal: str, planning: PlanMode = PlanMode.NEXT) -> tuple[str, ...]:
    settings = Settings(
        tiers={"scripted": TierSettings(model="nano")},
        engine=EngineSettings(url=MEMORY),
        commands="off",
        planning=planning,
    )
    backends = {"scripted": ScriptedBackend([])}
    async with open_application(settings, folder, backends=backends) as application:
        return (await application.prepare(goal, workspace=folder)).files


async def test_a_goal_in_prose_is_given_the_names_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.md").touch()
    assert await files_given(tmp_path, PROSE) == ("a.md",)


@pytest.mark.parametrize(("goal", "planning"), [(RUNBOOK, PlanMode.NEXT), (PROSE, PlanMode.OUTLINE)])
async def test_the_workspace_is_not_walked_where_no_prompt_shows_it(
    tmp_path: Path, goal: str, planning: PlanMode
) -> None:
    (tmp_path / "a.md").touch()
    assert await files_given(tmp_path, goal, planning) == ()


async def test_too_many_files_are_not_named(tmp_path: Path) -> None:
    for number in range(FILES_LISTED + 1):
        (tmp_path / f"{number}.md").touch()
    assert await files_given(tmp_path, PROSE) == ()


@pytest.mark.parametrize("run_id", ["../../x", "a b", "-x", "x" * 65, "é"])
def test_the_id_of_a_run_is_short_and_plain(run_id: str) -> None:
    with pytest.raises(ConfigError, match="can't be the id of a run"):
        checked_run_id(run_id)
    assert checked_run_id(new_run_id())


def test_limits_that_a_program_sets_are_checked_like_those_of_a_file(tmp_path: Path) -> None:
    settings = Settings(engine=EngineSettings(url=MEMORY), budget=Budget(seconds=float("nan")))
    with pytest.raises(ConfigError, match=r"budget\.seconds=nan is out of range"):
        Application(settings, tmp_path)
