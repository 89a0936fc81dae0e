"""The program without a command says what to type next."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nebulus.cli.main import app


def test_without_a_command_it_says_what_is_here_and_what_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fresh = CliRunner().invoke(app, []).output
    assert "There is no nebulus.toml here yet, and no run was made here yet." in fresh
    assert "nebulus demo" in fresh
    (tmp_path / "nebulus.toml").touch()
    (tmp_path / ".nebulus").mkdir()
    (tmp_path / ".nebulus" / "runs.sqlite").touch()
    used = CliRunner().invoke(app, []).output
    assert "Settings are in nebulus.toml, and runs were kept here." in used
    assert "nebulus runs" in used
    assert "nebulus demo" not in used
