"""A run adds what code knows to the profile of its model, once."""

import asyncio
from pathlib import Path

from nebulus.adapters.profiles.store import ProfileStore
from nebulus.app.application import open_application
from nebulus.app.learning import Learned
from nebulus.app.learning import learn as learn_run
from nebulus.app.settings import EngineSettings, Settings, TierSettings
from nebulus.cli.profile_learning import learned_lines
from nebulus.core.events import Event
from nebulus.core.journal import events_of
from nebulus.testing.backends import ScriptedBackend
from nebulus.testing.people import ScriptedPerson
from tests.unit.cli.runs import RUNBOOK, YES, literal

SETTINGS = Settings(
    tiers={"small": TierSettings(model="http://127.0.0.1:1#none")},
    engine=EngineSettings(url="memory"),
    commands="off",
)


def events(folder: Path, runbook: str) -> list[Event]:
    """Carry a runbook out in a folder, by a model that does just what a step says."""
    (folder / "a.md").write_text("hello")

    async def run() -> list[Event]:
        plugs = {"backends": {"small": ScriptedBackend(literal)}, "person": ScriptedPerson((YES,))}
        async with open_application(SETTINGS, folder, **plugs) as application:
            handle = await application.start(runbook, workspace=folder, run_id="tidy")
            await handle.result()
            return list(events_of(await application.supervisor.raw_journal("tidy")))

    return asyncio.run(run())


def learn(folder: Path, happened: list[Event]) -> list[Learned]:
    return list(
        learn_run("tidy", happened, SETTINGS, store=ProfileStore(folder / "profiles"), day="2026-11-28")
    )


def test_the_steps_that_checks_have_proven_are_counted_and_a_run_is_counted_once(tmp_path: Path) -> None:
    happened = events(tmp_path, RUNBOOK)
    (first,) = learn(tmp_path, happened)
    assert (first.tier, first.steps, first.right) == ("small", 1, 1)
    (stored,) = ProfileStore(tmp_path / "profiles").all()
    assert stored.profile is not None
    assert [(row.source, row.trials, row.right) for row in stored.profile.rows] == [("runs", 1, 1)]
    assert stored.profile.rows[0].day == "2026-11-28"
    (again,) = learn(tmp_path, happened)
    assert again.why_not == "this run was counted before"
    assert "nothing was added" in next(learned_lines([again])).text


def test_a_step_at_which_the_model_failed_is_wrong_and_one_that_was_only_called_is_not_counted(
    tmp_path: Path,
) -> None:
    happened = events(tmp_path, "Look.\n\n1. Use read_file with path = a.md\n2. Use write_file somehow\n")
    (found,) = learn(tmp_path, happened)
    assert (found.steps, found.right) == (1, 0)


def test_a_run_that_shows_nothing_for_certain_adds_nothing(tmp_path: Path) -> None:
    happened = events(tmp_path, "Look.\n\n1. Use read_file with path = a.md\n")
    assert learn(tmp_path, happened) == []
    assert "nothing is known for certain" in next(learned_lines([])).text
    assert not (tmp_path / "profiles").exists()
