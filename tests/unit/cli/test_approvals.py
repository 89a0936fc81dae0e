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
@pytest.mark.parametrize(
    "command", [["approvals"], ["approve", "3f9a"], ["deny", "3f9a"], ["runs"], ["doctor"]]
)
def test_looking_for_questions_makes_no_store(work: Path, command: list[str], engine: str) -> None:
    if engine:
        (work / "nebulus.toml").write_text(engine.format(folder=work))
    before = sorted(work.iterdir())
    shown = CliRunner().invoke(app, [*command, "--workspace", str(work)])
    assert sorted(work.iterdir()) == before
    if command[0] in ("approve", "deny"):
        assert shown.exit_code != 0
        assert "no run was ever kept" in shown.output


def test_a_database_by_url_is_looked_into_by_the_doctor(work: Path) -> None:
    (work / "state").mkdir()
    (work / "state" / "runs.sqlite").write_bytes(b"not a database" * 100)
    (work / "nebulus.toml").write_text(ENGINES["url"].format(folder=work))
    shown = CliRunner().invoke(app, ["doctor", "--workspace", str(work)])
    assert "runs.sqlite is damaged" in " ".join(shown.output.split())
