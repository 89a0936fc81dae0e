"""What every engine promises, in memory, on SQLite and on PostgreSQL."""

import asyncio

import pytest

from nebulus.core.errors import (
    ConfigError,
    JournalError,
    RunUnknownError,
    StoreError,
)
from nebulus.ports.engine import OpenRun, RunInfo, RunStatus
from tests.contract.engine_homes import Broken, Counter, Home, break_at, breaks, home_on, opened


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgres"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    return home_on(request.param, tmp_path_factory)


async def test_a_run_returns_what_its_body_returned_and_keeps_every_step(
    home: Home, run_id: str, counter: Counter
) -> None:
    async with opened(home, counter.body) as engine:
        assert await engine.start(run_id, b"3") == b"[1, 2, 3]"
        assert await engine.past_of(run_id) == (b"1", b"2", b"3")
        info = await engine.info(run_id)
    assert (info.status, info.request, info.result) == (RunStatus.ENDED, b"3", b"[1, 2, 3]")
    assert info.created_s <= info.updated_s
    assert counter.performed == [1, 2, 3]


async def test_an_ended_run_is_not_performed_again(home: Home, run_id: str, counter: Counter) -> None:
    async with opened(home, counter.body) as engine:
        await engine.start(run_id, b"3")
        assert await engine.resume(run_id) == b"[1, 2, 3]"
        assert await engine.resume(run_id, keep=3) == b"[1, 2, 3]"
    assert counter.performed == [1, 2, 3]


async def test_a_step_that_raised_is_not_recorded_and_is_performed_again(
    home: Home, run_id: str, counter: Counter
) -> None:
    await break_at(home, run_id, counter, 3)
    async with opened(home, counter.body) as engine:
        assert (await engine.info(run_id)).status is RunStatus.INTERRUPTED
        assert await engine.past_of(run_id) == (b"1", b"2")
        assert await engine.resume(run_id) == b"[1, 2, 3, 4, 5]"
    assert counter.performed == [1, 2, 3, 3, 4, 5]


async def test_a_run_can_be_interrupted_many_times(home: Home, run_id: str, counter: Counter) -> None:
    await break_at(home, run_id, counter, 1)
    for step in (2, 2, 4):
        async with opened(home, Counter(counter.notes, at={step: breaks}).body) as engine:
            with pytest.raises(Broken):
                await engine.resume(run_id)
    async with opened(home, counter.body) as engine:
        assert await engine.resume(run_id) == b"[1, 2, 3, 4, 5]"
        assert await engine.past_of(run_id) == (b"1", b"2", b"3", b"4", b"5")
    assert counter.performed == [1, 1, 2, 2, 2, 3, 4, 4, 5]


async def test_who_resumes_a_run_is_given_its_past(home: Home, run_id: str, counter: Counter) -> None:
    seen: list[tuple[bytes, ...]] = []

    async def body(run: OpenRun, request: bytes) -> bytes:
        seen.append(run.past)
        assert run.run_id == run_id
        return await counter.body(run, request)

    await break_at(home, run_id, counter, 3)
    async with opened(home, body) as engine:
        await engine.resume(run_id)
    assert seen == [(b"1", b"2")]


async def test_nothing_is_recorded_after_a_batch_that_could_not_be(home: Home, run_id: str) -> None:
    async def body(run: OpenRun, request: bytes) -> bytes:
        await run.record(b"1")
        with pytest.raises(StoreError, match="not UTF-8"):
            await run.record(b"\xff")
        with pytest.raises(StoreError, match="no longer works on run"):
            await run.record(b"3")
        raise Broken

    async with opened(home, body) as engine:
        with pytest.raises(Broken):
            await engine.start(run_id, b"{}")
        assert await engine.past_of(run_id) == (b"1",)


async def test_batches_recorded_at_the_same_time_keep_their_order(home: Home, run_id: str) -> None:
    async def body(run: OpenRun, request: bytes) -> bytes:
        await asyncio.gather(*(run.record(batch) for batch in (b"1", b"1", b"2")))
        return b"{}"

    async with opened(home, body) as engine:
        await engine.start(run_id, b"{}")
        assert await engine.past_of(run_id) == (b"1", b"1", b"2")


async def test_a_cancelled_task_leaves_its_run_interrupted_and_resumable(
    home: Home, run_id: str, counter: Counter
) -> None:
    hanging = asyncio.Event()

    async def hang() -> None:
        hanging.set()
        await asyncio.Event().wait()

    async with opened(home, Counter(counter.notes, at={3: hang}).body) as engine:
        task = asyncio.create_task(engine.start(run_id, b"4"))
        await hanging.wait()
        assert (await engine.info(run_id)).status is RunStatus.RUNNING
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await engine.info(run_id)).status is RunStatus.INTERRUPTED
    async with opened(home, counter.body) as engine:
        assert await engine.resume(run_id) == b"[1, 2, 3, 4]"
    assert counter.performed == [1, 2, 3, 3, 4]


@pytest.mark.parametrize(("keep", "again"), [(0, [1, 2, 3]), (1, [2, 3]), (2, [3]), (3, []), (9, [])])
async def test_keep_cuts_an_ended_run_to_its_first_steps(
    home: Home, run_id: str, counter: Counter, keep: int, again: list[int]
) -> None:
    async with opened(home, counter.body) as engine:
        await engine.start(run_id, b"3")
        assert await engine.resume(run_id, keep=keep) == b"[1, 2, 3]"
        assert await engine.past_of(run_id) == (b"1", b"2", b"3")
        assert [info.run_id for info in await engine.runs()].count(run_id) == 1
    assert counter.performed == [1, 2, 3, *again]


async def test_keep_cuts_an_interrupted_run_and_a_cut_run_again(
    home: Home, run_id: str, counter: Counter
) -> None:
    await break_at(home, run_id, counter, 4)
    async with opened(home, Counter(counter.notes, at={3: breaks}).body) as engine:
        with pytest.raises(Broken):
            await engine.resume(run_id, keep=2)
        assert await engine.past_of(run_id) == (b"1", b"2")
        with pytest.raises(Broken):
            await engine.resume(run_id, keep=1)
        with pytest.raises(ConfigError, match="keep=-1"):
            await engine.resume(run_id, keep=-1)
    async with opened(home, counter.body) as engine:
        assert await engine.resume(run_id) == b"[1, 2, 3, 4, 5]"
    assert counter.performed == [1, 2, 3, 4, 3, 2, 3, 3, 4, 5]


async def test_a_name_is_given_once(home: Home, run_id: str, counter: Counter) -> None:
    async with opened(home, counter.body) as engine:
        await engine.start(run_id, b"1")
        with pytest.raises(ConfigError, match=f"{run_id}.* exists already"):
            await engine.start(run_id, b"1")
    assert counter.performed == [1]


async def test_names_that_look_alike_are_different_runs(home: Home, run_id: str, counter: Counter) -> None:
    names = [run_id, f"{run_id}~1", f"{run_id}~", f"{run_id}~1~2", f"{run_id} %_/'\"ü"]
    async with opened(home, counter.body) as engine:
        for size, name in enumerate(names, start=1):
            await engine.start(name, str(size).encode())
        for size, name in enumerate(names, start=1):
            assert len(await engine.past_of(name)) == size
            assert (await engine.info(name)).run_id == name
        assert {info.run_id for info in await engine.runs()} >= set(names)


async def test_what_is_not_there_is_said_to_be_unknown(home: Home, run_id: str, counter: Counter) -> None:
    async with opened(home, counter.body) as engine:
        for ask in (engine.resume, engine.info, engine.past_of, engine.cancel):
            with pytest.raises(RunUnknownError, match=run_id):
                await ask(run_id)


async def test_all_runs_are_listed_newest_first(home: Home, run_id: str, counter: Counter) -> None:
    async with opened(home, counter.body) as engine:
        for number in range(3):
            await engine.start(f"{run_id}-{number}", b"1")
        await engine.resume(f"{run_id}-0", keep=0)
        listed = [info.run_id for info in await engine.runs() if info.run_id.startswith(run_id)]
    assert listed == [f"{run_id}-2", f"{run_id}-1", f"{run_id}-0"]


async def test_runs_are_listed_in_pages_without_their_requests(
    home: Home, run_id: str, counter: Counter
) -> None:
    async with opened(home, counter.body) as engine:
        for number in range(5):
            await engine.start(f"{run_id}-{number}", b"1")
        listed: list[RunInfo] = []
        while page := await engine.runs(limit=2, after=listed[-1].run_id if listed else None):
            assert len(page) <= 2
            listed += page
        own = [info for info in listed if info.run_id.startswith(run_id)]
        assert [info.run_id for info in own] == [f"{run_id}-{number}" for number in (4, 3, 2, 1, 0)]
        assert {(info.request, info.result) for info in own} == {(b"", b"[1]")}
        assert (await engine.info(f"{run_id}-0")).request == b"1"
        with pytest.raises(RunUnknownError):
            await engine.runs(after=f"{run_id}-none")


async def test_opening_takes_nothing_up(home: Home, run_id: str, counter: Counter) -> None:
    await break_at(home, run_id, counter, 2)
    async with opened(home, counter.body) as engine:
        await asyncio.sleep(0.1)
        assert (await engine.info(run_id)).status is RunStatus.INTERRUPTED
    assert counter.performed == [1, 2]


async def test_a_run_of_another_version_is_listed_with_it_and_refused(
    home: Home, run_id: str, counter: Counter
) -> None:
    await break_at(home, run_id, counter, 2)
    async with opened(home, counter.body, version="2") as engine:
        assert [info.version for info in await engine.runs() if info.run_id == run_id] == ["1"]
        with pytest.raises(JournalError, match=r"version '1'.* version '2'"):
            await engine.resume(run_id)
    async with opened(home, counter.body) as engine:
        assert await engine.resume(run_id) == b"[1, 2, 3, 4, 5]"


@pytest.mark.parametrize(
    "result",
    [b'""', '"ü\u2028 \U0001f600"'.encode(), b'"\\u0000 \\ud83d"', b'"a\\nb\\\\"', b" 1.0 ", b"9" * 200_000],
    ids=["empty", "unicode", "escapes", "backslashes", "spaces", "large"],
)
async def test_a_result_comes_back_byte_by_byte(home: Home, run_id: str, result: bytes) -> None:
    async def body(run: OpenRun, request: bytes) -> bytes:
        await run.record(result)
        return result

    async with opened(home, body) as engine:
        assert await engine.start(run_id, result) == result
        assert await engine.past_of(run_id) == (result,)
        info = await engine.info(run_id)
    assert (info.request, info.result) == (result, result)


async def test_runs_in_one_process_do_not_disturb_each_other(
    home: Home, run_id: str, counter: Counter
) -> None:
    async with opened(home, counter.body) as engine:
        names = [f"{run_id}-{number}" for number in range(5)]
        ended = await asyncio.gather(*(engine.start(name, b"4") for name in names))
        assert ended == [b"[1, 2, 3, 4]"] * 5
        assert [await engine.past_of(name) for name in names] == [(b"1", b"2", b"3", b"4")] * 5


async def test_a_closed_engine_says_so_and_may_be_closed_again(
    home: Home, run_id: str, counter: Counter
) -> None:
    engine = home.engine()
    with pytest.raises(ConfigError, match="not open"):
        await engine.start(run_id, b"1")
    await engine.open(counter.body)
    await engine.close()
    await engine.close()
    with pytest.raises(ConfigError, match="not open"):
        await engine.resume(run_id)
    assert await asyncio.to_thread(lambda: "threads of the loop still work") != ""
