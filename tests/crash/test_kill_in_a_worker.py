"""A process that is killed while a worker is under way takes up the same worker, and does nothing twice."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ANSWERS = 4
"""The answers of the whole job: of the one who hands over, twice of the clerk, and again of the first."""


def start(folder: Path, at: int) -> "subprocess.CompletedProcess[str]":
    env = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "tests.crash.hiring", str(folder), str(at)]
    return subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True, check=False)


@pytest.mark.crash
@pytest.mark.parametrize("at", range(1, ANSWERS + 1))
def test_a_kill_at_any_answer_repeats_nothing_of_a_worker(at: int, tmp_path: Path) -> None:
    killed = start(tmp_path, at)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    resumed = start(tmp_path, 0)
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    told = json.loads(resumed.stdout)
    assert told["outcome"] == "Done", told
    assert told["runs"] == 2, "the run, and one run of its worker"
    assert (tmp_path / "work/desk/notes.txt").read_text() == "once\n"
