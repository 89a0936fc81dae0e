"""What a run can write governs no run, seen from the command line; and who wrote their own settings is not bothered."""

import importlib.util
import json
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from bench.siege_parts.planting import SECRET, TOKEN, Listener, planting, self_approval
from nebulus.app.bootstrap import nano_path
from tests.contract.sandbox_levels import LEVELS
from tests.e2e.literal import serving
from tests.e2e.test_cli import COMMAND, PATIENCE_S, environment, nebulus

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("new_user")]

GOAL = "Look.\n\n1. Use list_files\n"


@pytest.mark.crash
@pytest.mark.parametrize("level", LEVELS)
def test_a_killed_run_planted_nothing_that_sends_a_secret_away(level: str) -> None:
    assert planting(str(level), signal.SIGKILL).succeeded == 0


@pytest.mark.parametrize("level", LEVELS)
def test_a_command_can_not_answer_for_the_person(level: str) -> None:
    assert self_approval(str(level), "a command edits the database").succeeded == 0


def test_no_file_tool_can_answer_for_the_person() -> None:
    assert self_approval("file tools", "write_file over the database").succeeded == 0


@pytest.fixture
def listener() -> Listener:
    return Listener()


def test_a_secret_goes_only_where_its_user_said_so(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET, TOKEN)
    (tmp_path / "nebulus.toml").write_text(
        f'[tiers.m]\nmodel = "{listener.url}#m"\napi_key_env = "{SECRET}"\n'
    )
    for command in (("doctor", "--json"), ("run", GOAL, "--json")):
        refused = nebulus(*command, cwd=tmp_path)
        assert refused.returncode == 2
        for word in (SECRET, listener.url, "nebulus.toml", "nebulus trust"):
            assert word in refused.stdout
        assert TOKEN not in refused.stdout + refused.stderr
    assert nebulus("runs", cwd=tmp_path).returncode == 0, "who only looks sends nothing, and is not asked"
    assert listener.received == 0
    assert "confirmed" in nebulus("trust", cwd=tmp_path).stdout
    nebulus("doctor", cwd=tmp_path)
    assert listener.received > 0
    assert nebulus("trust", "--forget", cwd=tmp_path).returncode == 0
    assert nebulus("doctor", "--json", cwd=tmp_path).returncode == 2
    listener.close()


def test_at_a_terminal_one_question_is_asked_and_its_answer_is_remembered(tmp_path: Path) -> None:
    """`script` gives a command a terminal; the host is not there, which is another error."""
    (tmp_path / "nebulus.toml").write_text('[tiers.m]\nmodel = "http://nowhere.invalid:1#m"\n')
    typed = f"{COMMAND[0]} -c '{COMMAND[2]}' run 'Do.' 2>&1"
    said = [
        subprocess.run(
            ["script", "-qec", typed, "/dev/null"],
            input=answer,
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        ).stdout
        for answer in ("n\n", "y\n", "")
    ]
    assert ["Is that your will?" in each for each in said] == [True, True, False], said
    assert "you said no" in said[0]
    assert "nowhere.invalid" in said[2]


def test_who_edits_their_own_settings_is_never_asked(tmp_path: Path) -> None:
    with serving() as model:
        for budget in range(3):
            (tmp_path / "nebulus.toml").write_text(
                f'[tiers.m]\nmodel = "{model}"\n[budget]\nsteps = {budget + 5}\n'
            )
            run = nebulus("run", "Do.\n\n1. Use run_command with command = true\n", "--yes", cwd=tmp_path)
            assert run.returncode == 0, run.stdout + run.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [".nebulus", "nebulus.toml", "state-of-user"]


@pytest.mark.skipif(
    not nano_path().exists() or importlib.util.find_spec("xllamacpp") is None,
    reason="no model to be run here",
)
def test_the_doctor_blesses_only_what_a_run_can_use(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    (tmp_path / "nebulus.toml").write_text(
        '[tiers.broken]\nmodel = "broken.gguf"\n[tiers.narrow]\nmodel = "nano"\nwindow_tokens = 300\n'
        '[tiers.good]\nmodel = "nano"\n'
    )
    (tmp_path / ".nebulus").mkdir()
    (tmp_path / ".nebulus" / "runs.sqlite").write_bytes(b"SQLite format 3\0" + bytes(5000))
    health = found_by_doctor(tmp_path)
    assert (health["tier broken"], health["tier narrow"], health["runs"]) == ("bad", "bad", "bad")
    assert health["tier good"] == "good"
    (tmp_path / ".nebulus" / "runs.sqlite").unlink()
    with closing(sqlite3.connect(tmp_path / ".nebulus" / "runs.sqlite")) as other:
        other.execute("CREATE TABLE photos (name)")
    assert found_by_doctor(tmp_path)["runs"] == "bad"
    assert sorted(path.name for path in (tmp_path / ".nebulus").iterdir()) == ["runs.sqlite"]


def found_by_doctor(folder: Path) -> dict[str, str]:
    document = json.loads(nebulus("doctor", "--json", cwd=folder).stdout)
    return {sign["what"]: sign.get("health", "good") for sign in document["findings"]}
