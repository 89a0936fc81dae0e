"""The program without a command says what to type next; help and pipes behave."""

import io
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nebulus.cli.console import stdout
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


def test_the_lines_of_a_paragraph_of_help_are_joined() -> None:
    output = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "400"}).output
    assert (
        "seeing what each returned, or with --planning outline makes a plan first; a runbook's steps"
        in output
    )


@pytest.mark.parametrize("command", [["approvals"], ["approve", "3f"], ["deny", "3f"]])
def test_a_question_that_cannot_be_there_makes_no_store(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    CliRunner().invoke(app, command)
    assert not (tmp_path / ".nebulus").exists()


def test_a_reader_that_has_gone_ends_a_command_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    console = stdout()
    console.file = Gone()
    with pytest.raises(BrokenPipeError):
        console.print("x")
