"""A process ends in time, and nothing of it is left: what every sandbox that starts one relies on."""

import asyncio
from pathlib import Path

import pytest

from nebulus.adapters.sandboxes.processes import run_bounded


async def test_how_it_ended_and_what_it_said_come_back() -> None:
    ended = await run_bounded(
        ("/bin/sh", "-c", "echo out; echo err >&2; exit 4"), timeout_s=20, output_bytes=100
    )
    assert (ended.exit_code, ended.output) == (4, "out\nerr\n")


async def test_its_environment_and_its_input_are_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEBULUS_SECRET", "token")
    ended = await run_bounded(("/bin/sh", "-c", "/usr/bin/env; cat"), timeout_s=20, output_bytes=1000)
    assert "token" not in ended.output


async def test_what_is_over_its_time_is_killed_with_its_group(tmp_path: Path) -> None:
    late = tmp_path / "late"
    script = f"(sleep 1; echo x > {late}) & echo begun; wait"
    ended = await run_bounded(("/bin/sh", "-c", script), timeout_s=0.3, output_bytes=100)
    assert (ended.is_timeout, ended.output, ended.exit_code) == (True, "begun\n", -9)
    await asyncio.sleep(1.2)
    assert not late.exists()


async def test_what_is_cancelled_is_killed(tmp_path: Path) -> None:
    late = tmp_path / "late"
    running = asyncio.create_task(
        run_bounded(("/bin/sh", "-c", f"sleep 1; echo x > {late}"), timeout_s=20, output_bytes=100)
    )
    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(1.2)
    assert not late.exists()


async def test_a_child_that_keeps_the_output_open_ends_with_the_time(tmp_path: Path) -> None:
    ended = await run_bounded(("/bin/sh", "-c", "sleep 30 & exit 0"), timeout_s=0.3, output_bytes=100)
    assert ended.is_timeout


async def test_what_can_not_be_started_raises() -> None:
    with pytest.raises(FileNotFoundError):
        await run_bounded(("/no/such/program",), timeout_s=1, output_bytes=10)
