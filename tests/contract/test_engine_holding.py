"""What every engine promises about stops and other processes, in memory, on SQLite and on PostgreSQL."""

import asyncio
import json
from functools import partial

import pytest

from nebulus.core.errors import (
    RunBusyError,
    RunCancelledError,
    StoreError,
)
from nebulus.ports.engine import RunStatus
from tests.contract.engine_homes import Counter, Home, break_at, home_on, opened


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgres"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    return home_on(request.param, tmp_path_factory)


async def test_a_stop_waits_for_the_step_in_flight_and_keeps_it(
    home: Home, run_id: str, counter: Counter
) -> None:
    async def stop() -> None:
        await engine.cancel(run_id)

    async with opened(home, Counter(counter.notes, at={2: stop}).body) as engine:
        with pytest.raises(RunCancelledError, match="before step 3"):
            await engine.start(run_id, b"4")
        assert (await engine.info(run_id)).status is RunStatus.CANCELLED
        assert await engine.past_of(run_id) == (b"1", b"2")
        assert await engine.resume(run_id) == b"[1, 2, 3, 4]"
    assert counter.performed == [1, 2, 3, 4]


async def test_a_run_that_nobody_holds_can_be_cancelled_and_still_resumed(
    home: Home, run_id: str, counter: Counter
) -> None:
    await break_at(home, run_id, counter, 2)
    async with opened(home, counter.body) as engine:
        await engine.cancel(run_id)
        assert (await engine.info(run_id)).status is RunStatus.CANCELLED
        assert await engine.resume(run_id, keep=0) == b"[1, 2, 3, 4, 5]"
        await engine.cancel(run_id)
        assert (await engine.info(run_id)).status is RunStatus.ENDED
    assert counter.performed == [1, 2, 1, 2, 3, 4, 5]


async def test_a_run_that_another_process_holds_is_refused_and_the_holder_named(
    home: Home, run_id: str, counter: Counter
) -> None:
    other = await home.other(run_id, b"3", notes=counter.notes, hang_at=2)
    async with opened(home, counter.body) as engine:
        assert (await engine.info(run_id)).status is RunStatus.RUNNING
        assert await engine.past_of(run_id) == (b"1",)
        with pytest.raises(RunBusyError, match=other.whereabouts):
            await engine.resume(run_id)
        with pytest.raises(RunBusyError, match=other.whereabouts):
            await engine.start(run_id, b"3")
        assert await other.go_on() == "[1, 2, 3]"
        assert (await engine.info(run_id)).result == b"[1, 2, 3]"
    assert counter.performed == [1, 2, 3]


async def test_the_run_of_a_killed_process_is_free_at_once_and_only_its_step_in_flight_is_repeated(
    home: Home, run_id: str, counter: Counter
) -> None:
    other = await home.other(run_id, b"5", notes=counter.notes, hang_at=3)
    async with opened(home, counter.body) as engine:
        assert (await engine.info(run_id)).status is RunStatus.RUNNING
        await other.die()
        while (await engine.info(run_id)).status is RunStatus.RUNNING:  # PostgreSQL needs a moment to see it
            await asyncio.sleep(0.01)
        assert (await engine.info(run_id)).status is RunStatus.INTERRUPTED
        assert await engine.past_of(run_id) == (b"1", b"2")
        assert await engine.resume(run_id) == b"[1, 2, 3, 4, 5]"
    assert counter.performed == [1, 2, 3, 3, 4, 5]


async def test_another_process_can_stop_a_run(home: Home, run_id: str, counter: Counter) -> None:
    other = await home.other(run_id, b"3", notes=counter.notes, hang_at=2)
    async with opened(home, counter.body) as engine:
        await engine.cancel(run_id)
        await asyncio.sleep(0.3)
        assert (await other.go_on()).startswith("RunCancelledError")
        assert (await engine.info(run_id)).status is RunStatus.CANCELLED
        assert await engine.past_of(run_id) == (b"1", b"2")
        assert json.loads(await engine.resume(run_id)) == [1, 2, 3]
    assert counter.performed == [1, 2, 3]


async def test_a_closed_engine_lets_go_of_its_runs(home: Home, run_id: str, counter: Counter) -> None:
    is_hanging, may_go_on = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        is_hanging.set()
        await may_go_on.wait()

    async with opened(home, Counter(counter.notes, at={2: hang}).body) as engine:
        task = asyncio.create_task(engine.start(run_id, b"3"))
        await is_hanging.wait()
    may_go_on.set()
    with pytest.raises(StoreError):
        await task
    async with opened(home, counter.body) as engine:
        assert (await engine.info(run_id)).status is RunStatus.INTERRUPTED
        assert await engine.resume(run_id) == b"[1, 2, 3]"
    assert counter.performed == [1, 2, 2, 3]


async def test_two_tasks_can_not_hold_one_run(home: Home, run_id: str, counter: Counter) -> None:
    tasks: list[asyncio.Task[bytes]] = []

    async def outlast_the_others() -> None:
        while sum(task.done() for task in tasks) < 2:
            await asyncio.sleep(0.01)

    async with opened(home, Counter(counter.notes, at={2: outlast_the_others}).body) as engine:
        for take in (partial(engine.start, run_id, b"3"), partial(engine.resume, run_id, keep=1)):
            tasks[:] = [asyncio.create_task(take()) for _ in range(3)]
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert sorted(type(end).__name__ for end in ended) == ["RunBusyError", "RunBusyError", "bytes"]
    assert counter.performed == [1, 2, 3, 2, 3]


async def test_a_task_that_is_cancelled_at_once_leaves_nothing_held(
    home: Home, run_id: str, counter: Counter
) -> None:
    async with opened(home, counter.body) as engine:
        for turns in range(4):
            task = asyncio.create_task(engine.start(f"{run_id}-{turns}", b"3"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        listed = [info for info in await engine.runs() if info.run_id.startswith(run_id)]
        assert {info.status for info in listed} <= {RunStatus.INTERRUPTED, RunStatus.ENDED}
        for info in listed:
            assert await engine.resume(info.run_id) == b"[1, 2, 3]"
