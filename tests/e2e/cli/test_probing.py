"""A probe of a real server: killed in its middle it goes on, and what it measured is shown and used for a forecast."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nebulus.app.bootstrap import nano_path

pytest.importorskip("xllamacpp")
pytestmark = pytest.mark.skipif(not nano_path().exists(), reason="the nano model is not here")
NEBULUS = (sys.executable, "-m", "nebulus")


def nebulus(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NEBULUS, *arguments],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "NEBULUS_PROFILES": str(folder / "profiles"),
        "XDG_STATE_HOME": str(folder / "state"),
    }


def test_a_probe_that_was_killed_goes_on_and_its_profile_is_used(tmp_path: Path) -> None:
    profile = tmp_path / "profiles" / "nano.json"
    command = [*NEBULUS, "probe", "nano", "--max-questions", "3", "-C", str(tmp_path)]
    with subprocess.Popen(command, env=environment(tmp_path), stderr=subprocess.DEVNULL) as probing:
        deadline = time.monotonic() + 120
        while not profile.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        probing.send_signal(signal.SIGKILL)
    before = sum(group["asked"] for group in json.loads(profile.read_text())["groups"])
    assert 0 < before <= 3
    assert [path.name for path in profile.parent.iterdir() if not path.name.startswith(".draft-")] == [
        "nano.json"
    ]
    again = nebulus(tmp_path, "probe", "nano", "--max-questions", "4", "-C", str(tmp_path))
    assert again.returncode == 0, again.stderr
    assert f"{before} question" in again.stderr
    assert "4 questions" in nebulus(tmp_path, "profile", "show", "nano").stdout
    (tmp_path / "look.md").write_text("Look.\n\n1. Use read_file with path = a.md\n")
    told = nebulus(
        tmp_path, "forecast", str(tmp_path / "look.md"), "-m", "nano", "-C", str(tmp_path), "--json"
    )
    assert told.returncode == 0, told.stderr
    (forecast,) = json.loads(told.stdout)["forecasts"]
    assert 0 < forecast["low"] < forecast["high"] < 1
