"""A process killed at any write of a run loses nothing and repeats nothing in silence."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.crash.victim import PLANS, expected

ROOT = Path(__file__).parents[2]
SHARDS = 2
POSTGRES = os.environ.get("NEBULUS_TEST_POSTGRES", "")
ENGINES = [
    "sqlite",
    pytest.param(
        "postgres",
        marks=pytest.mark.skipif(
            not POSTGRES, reason="NEBULUS_TEST_POSTGRES is not set; see scripts/postgres"
        ),
    ),
]


def lines_of(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    """Wait for a victim and return its lines."""
    out, err = process.communicate()
    assert process.returncode == 0, err[-2000:]
    return [json.loads(line) for line in out.splitlines()]


def victim(engine: str, folder: Path, plan: str, *positions: int) -> "subprocess.Popen[str]":
    """Start a victim over a range of positions; SQLite gets a file of its own for each."""
    name = "-".join(map(str, positions))
    address = POSTGRES if engine == "postgres" else str(folder / f"{name}.sqlite")
    command = [sys.executable, "-m", "tests.crash.victim", address, str(folder), plan, *map(str, positions)]
    env = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    return subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.crash
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_kill_at_every_write_ends_in_the_same_outcome(engine: str, plan: str, tmp_path: Path) -> None:
    (whole,) = lines_of(victim(engine, tmp_path, plan, 1, 0))
    assert whole["effects"] == expected(plan)
    assert whole["at_once"] >= 3 or plan != "overlapping"
    writes = whole["writes"]
    assert writes > len(expected(plan)) // 4, "at most four effects are allowed by one write"
    size = -(-writes // SHARDS)
    shards = [victim(engine, tmp_path, plan, first, first + size - 1) for first in range(1, writes + 1, size)]
    deaths = [line for shard in shards for line in lines_of(shard) if line["position"]]
    assert sorted(line["position"] for line in deaths) == list(range(1, writes + 1))
    for line in deaths:
        assert 1 <= line["deaths"] <= 2, line
        assert (line.get("outcome"), line.get("summary")) == (whole["outcome"], whole["summary"]), line
        assert line["effects"] == expected(plan), f"an effect was lost or doubled: {line}"
    in_flight = [line for line in deaths if line["unknown"]]
    assert in_flight, "an effect that can't be looked up must be reported as unknown at some position"
    if plan == "in-order":
        assert all(line["unknown"] <= 2 for line in in_flight), "at most one for each death"
    else:
        assert max(line["unknown"] for line in in_flight) > 1, (
            "several effects are in flight at some position"
        )
