"""A process killed after it took a person's answer, and before that was recorded, takes the same one again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.crash.test_kill_at_every_write import ENGINES, POSTGRES, ROOT


def asker(engine: str, folder: Path, run_id: str, what: str) -> "subprocess.CompletedProcess[str]":
    """Begin or resume a run, in a process of its own that may die at its answer."""
    address = POSTGRES if engine == "postgres" else str(folder / "runs.sqlite")
    command = [sys.executable, "-m", "tests.crash.asker", address, str(folder), run_id, what]
    env = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    return subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True, check=False)


def told(ended: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """The line of one that lived."""
    assert ended.returncode == 0, ended.stderr[-2000:]
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.mark.crash
@pytest.mark.parametrize("engine", ENGINES)
def test_a_death_between_taking_and_recording_asks_nobody_twice_and_acts_once(
    engine: str, tmp_path: Path
) -> None:
    run_id = f"answer-{os.getpid():x}-{engine}"
    first = told(asker(engine, tmp_path, run_id, "blocked"))
    assert (first["outcome"], first["asked"], first["effects"]) == ("Blocked", 1, [])
    told(asker(engine, tmp_path, run_id, "approve"))
    for _ in range(2):
        assert asker(engine, tmp_path, run_id, "dies").returncode == -signal.SIGKILL
    last = told(asker(engine, tmp_path, run_id, "lives"))
    assert (last["outcome"], last["waiting"], last["effects"]) == ("Done", 0, ["pay v1"])
    assert last["asked"] == 0, "nobody is asked a second time"
    again = told(asker(engine, tmp_path, run_id, "rewinds"))
    assert (again["outcome"], again["waiting"], again["effects"]) == ("Blocked", 1, ["pay v1"])


@pytest.mark.crash
@pytest.mark.parametrize("engine", ENGINES)
def test_an_answer_that_died_with_its_process_is_no_answer_to_a_run_that_went_back(
    engine: str, tmp_path: Path
) -> None:
    run_id = f"back-{os.getpid():x}-{engine}"
    told(asker(engine, tmp_path, run_id, "blocked"))
    told(asker(engine, tmp_path, run_id, "approve"))
    assert asker(engine, tmp_path, run_id, "dies").returncode == -signal.SIGKILL
    back = told(asker(engine, tmp_path, run_id, "rewinds"))
    assert (back["outcome"], back["waiting"], back["effects"]) == ("Blocked", 1, [])
