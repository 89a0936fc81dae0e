"""Whoever looks for questions where no run was ever kept finds none, and nothing is made there."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nebulus.cli.main import app

pytestmark = pytest.mark.usefixtures("new_user")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


ENGINES = {"default": "", "url": '[engine]\nurl = "sqlite:///{folder}/state/runs.sqlite"\n'}


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("command", [["approvals"], ["approve", "3f9a"], ["deny", "3f9a"], ["runs"]])
def test_looking_for_questions_makes_no_store(work: Path, command: list[str], engine: str) -> None:
    if engine:
        (work / "nebulus.toml").write_text(engine.format(folder=work))
    before = sorted(work.iterdir())
    shown = CliRunner().invoke(app, [*command, "--workspace", str(work)])
    assert sorted(work.iterdir()) == before
    if command[0] in ("approve", "deny"):
        assert shown.exit_code != 0
        assert "no run was ever kept" in shown.output
