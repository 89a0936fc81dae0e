"""The demo's files hold together: its settings are valid, each step is narrow, and what it promises is checked."""

from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nebulus.app.bootstrap import nano_path
from nebulus.app.settings import NANO
from nebulus.app.settings_file import load_settings
from nebulus.cli.main import app
from nebulus.core.plan import ToolSucceeded
from nebulus.loop.runbook import read_runbook

DEMO = Path(str(files("nebulus") / "demo"))


def test_the_settings_of_the_demo_are_valid_and_name_the_bundled_model() -> None:
    settings = load_settings(None, DEMO)
    assert [tier.model for tier in settings.tiers.values()] == [NANO]


def test_each_step_is_shown_the_one_tool_that_it_names() -> None:
    goal, plan = read_runbook((DEMO / "runbook.md").read_text("utf-8"))
    assert len(plan.steps) == 16
    assert all(len(step.tools) == 1 and step.tools[0] in step.text for step in plan.steps)
    assert not any(isinstance(check, ToolSucceeded) for check in goal.checks)
    assert len(goal.checks) >= 5


def test_every_file_that_a_step_begins_with_is_there() -> None:
    _, plan = read_runbook((DEMO / "runbook.md").read_text("utf-8"))
    named = {
        word.rstrip(",") for step in plan.steps for word in step.text.split() if word.startswith("inbox/")
    }
    assert named == {f"inbox/{path.name}" for path in (DEMO / "inbox").iterdir()}


@pytest.mark.skipif(nano_path().exists(), reason="the nano model is here")
def test_without_its_model_the_demo_says_so_and_makes_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "--workspace", str(tmp_path / "new")])
    assert result.exit_code == 2
    assert "make nano" in result.stderr
    assert list(tmp_path.iterdir()) == []
