"""The eight known pitfalls of DBOS, and two more, each closed on SQLite and on PostgreSQL."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiohttp import ClientSession, web

from nebulus.core.errors import ConfigError, RunCancelledError
from nebulus.ports.engine import OpenRun, RunStatus
from tests.contract.engine_homes import (
    ROOT,
    SCHEMA,
    Broken,
    Counter,
    DbosHome,
    OtherProcess,
    Steps,
    break_at,
    breaks,
    home_on,
    opened,
)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DbosHome:
    home = home_on(request.param, tmp_path_factory)
    assert isinstance(home, DbosHome)
    return home


async def other_at(home: DbosHome, run_id: str, counter: Counter) -> OtherProcess:
    """Another process, in step 2 of 3."""
    return await home.other(run_id, b"3", notes=counter.notes, hang_at=2)


def rows(home: DbosHome, query: str) -> list[tuple[Any, ...]]:
    """What the database says, asked past every layer of ours."""
    if home.address.startswith("postgresql"):
        with psycopg.connect(home.address, autocommit=True) as connection:
            connection.execute(f"SET search_path = {SCHEMA}")
            return list(connection.execute(query))
    with closing(sqlite3.connect(home.address)) as connection:
        return list(connection.execute(query))


async def test_pitfall_1_a_second_process_does_not_take_the_first_ones_runs(
    home: DbosHome, run_id: str, counter: Counter
) -> None:
    other = await other_at(home, run_id, counter)
    async with opened(home, counter.body) as engine:
        await engine.start(f"{run_id}-ours", b"1")
        await asyncio.sleep(1.5)  # longer than a poll of DBOS's own recovery
        assert (await engine.info(run_id)).status is RunStatus.RUNNING
    owners = rows(home, f"SELECT executor_id FROM workflow_status WHERE workflow_uuid LIKE '{run_id}%'")
    assert len(set(owners)) == 2
    assert await other.go_on() == "[1, 2, 3]"
    assert counter.performed == [1, 2, 1, 3]


async def test_pitfall_2_a_dead_process_leaves_nothing_pending(
    home: DbosHome, run_id: str, counter: Counter
) -> None:
    other = await other_at(home, run_id, counter)
    await other.die()
    async with opened(home, counter.body) as engine:
        while (await engine.info(run_id)).status is RunStatus.RUNNING:
            await asyncio.sleep(0.01)
        assert await engine.resume(run_id) == b"[1, 2, 3]"
    states = rows(home, f"SELECT status FROM workflow_status WHERE workflow_uuid LIKE '{run_id}%' ORDER BY 1")
    assert states == [("SUCCESS",)]


async def test_pitfall_2_a_run_whose_body_failed_is_free_although_its_process_lives_on(
    home: DbosHome, run_id: str, counter: Counter
) -> None:
    async with opened(home, Counter(counter.notes, at={2: breaks}).body) as engine:
        with pytest.raises(Broken):
            await engine.start(run_id, b"3")
        assert (await engine.info(run_id)).status is RunStatus.INTERRUPTED
        assert await home.resumed_elsewhere(run_id, notes=counter.notes) == "[1, 2, 3]"
        assert (await engine.info(run_id)).status is RunStatus.ENDED
    assert counter.performed == [1, 2, 2, 3]


async def test_pitfall_3_a_stop_during_a_step_does_not_throw_its_result_away(
    home: DbosHome, run_id: str, counter: Counter
) -> None:
    async def stop() -> None:
        await engine.cancel(run_id)

    async with opened(home, Counter(counter.notes, at={2: stop}).body) as engine:
        with pytest.raises(RunCancelledError):
            await engine.start(run_id, b"3")
        await engine.resume(run_id)
    assert counter.performed == [1, 2, 3]


async def test_pitfall_4_what_was_recorded_is_handed_over_unchanged_whatever_the_body_now_does(
    home: DbosHome, run_id: str
) -> None:
    amount = 10

    async def body(run: OpenRun, request: bytes) -> bytes:
        if run.past:
            return run.past[0]
        await run.record(json.dumps(amount).encode())
        raise Broken

    async with opened(home, body) as engine:
        with pytest.raises(Broken):
            await engine.start(run_id, b"{}")
        amount = 99
        assert await engine.resume(run_id) == b"10"


async def test_a_workflow_that_starts_late_never_takes_the_place_of_a_later_one(
    home: DbosHome, run_id: str
) -> None:
    attempts = 0

    async def body(run: OpenRun, request: bytes) -> bytes:
        nonlocal attempts
        attempts += 1
        if attempts < 10:
            raise Broken  # before the event loop had a chance to start the workflow
        return b'"done"'

    async with opened(home, body) as engine:
        with pytest.raises(Broken):
            await engine.start(run_id, b"{}")
        for _ in range(8):
            with pytest.raises(Broken):
                await engine.resume(run_id)
        assert await engine.resume(run_id) == b'"done"'
    assert rows(home, f"SELECT status FROM workflow_status WHERE workflow_uuid = '{run_id}'") == [
        ("SUCCESS",)
    ]


class TwoArgumentsError(Exception):
    """What pickle can write, but not read."""

    def __init__(self, first: str, second: int) -> None:
        super().__init__(f"{first} {second}")
        self.second = second


async def test_pitfall_5_an_exception_comes_out_as_itself_and_is_never_replayed(
    home: DbosHome, run_id: str, counter: Counter
) -> None:
    async def fail() -> None:
        raise TwoArgumentsError("a", 7)

    async with opened(home, Counter(counter.notes, at={2: fail}).body) as engine:
        with pytest.raises(TwoArgumentsError) as raised:
            await engine.start(run_id, b"3")
    assert raised.value.second == 7
    recorded = f"SELECT count(*) FROM {{}} WHERE workflow_uuid LIKE '{run_id}%' AND error IS NOT NULL"
    for table in ("operation_outputs", "workflow_output", "workflow_status"):
        assert rows(home, recorded.format(table)) == [(0,)]
    async with opened(home, counter.body) as engine:
        assert await engine.resume(run_id) == b"[1, 2, 3]"


async def test_pitfall_6_the_database_holds_json_and_nothing_that_python_would_execute(
    home: DbosHome, run_id: str, counter: Counter
) -> None:
    await break_at(home, run_id, counter, 3)
    async with opened(home, counter.body) as engine:
        await engine.resume(run_id)
    for table in ("operation_outputs", "workflow_status"):
        query = f"SELECT DISTINCT serialization FROM {table} WHERE workflow_uuid LIKE '{run_id}%'"
        assert rows(home, query) == [("portable_json",)]
    stored = rows(home, f"SELECT output FROM operation_outputs WHERE workflow_uuid LIKE '{run_id}%'")
    stored += rows(home, f"SELECT inputs FROM workflow_input WHERE workflow_uuid LIKE '{run_id}%'")
    assert len(stored) == 6
    for (text,) in stored:
        json.loads(text)


async def test_pitfall_7_an_edit_of_the_sources_strands_no_run(
    home: DbosHome, run_id: str, counter: Counter
) -> None:
    await break_at(home, run_id, counter, 2)
    async with opened(home, Counter(counter.notes).body) as engine:
        assert await engine.resume(run_id) == b"[1, 2, 3, 4, 5]"
    query = f"SELECT DISTINCT application_version FROM workflow_status WHERE workflow_uuid LIKE '{run_id}%'"
    assert rows(home, query) == [("1",)]


async def test_pitfall_8_runs_are_listed_without_attributes_and_dbos_is_pinned(
    home: DbosHome, run_id: str, counter: Counter
) -> None:
    await break_at(home, run_id, counter, 2)
    async with opened(home, counter.body) as engine:
        await engine.cancel(run_id)
        listed = [info.status for info in await engine.runs() if info.run_id == run_id]
    assert listed == [RunStatus.CANCELLED]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "dbos>=3.4,<3.5" in project["dependencies"]
    assert tuple(int(part) for part in version("dbos").split(".")[:2]) == (3, 4)


async def test_a_process_that_only_seemed_dead_can_record_nothing_more(
    home: DbosHome, run_id: str, counter: Counter
) -> None:
    other = await other_at(home, run_id, counter)
    if home.address.startswith("postgresql"):
        rows(
            home,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nebulus-leases'",
        )
    else:
        Path(f"{home.address}-leases").unlink()
    async with opened(home, counter.body) as engine:
        assert await engine.resume(run_id) == b"[1, 2, 3]"
        assert (await other.go_on()).startswith("StoreError: another process has taken this run over")
        assert await engine.past_of(run_id) == (b"1", b"2", b"3")
    assert counter.performed == [1, 2, 2, 3]


async def test_a_lost_connection_is_replaced_without_the_run_noticing(
    home: DbosHome, run_id: str, counter: Counter
) -> None:
    if not home.address.startswith("postgresql"):
        pytest.skip("a file has no connection to lose")

    async def lose_connections() -> None:
        lost = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'nebulus' AND pid <> pg_backend_pid()"
        )
        await asyncio.to_thread(rows, home, lost)

    async with opened(home, Counter(counter.notes, at={2: lose_connections}).body) as engine:
        assert await engine.start(run_id, b"3") == b"[1, 2, 3]"
    assert counter.performed == [1, 2, 3]


async def test_ctrl_c_leaves_the_run_interrupted(home: DbosHome, run_id: str, counter: Counter) -> None:
    other = await other_at(home, run_id, counter)
    await other.interrupt()
    async with opened(home, counter.body) as engine:
        assert (await engine.info(run_id)).status is RunStatus.INTERRUPTED
        assert await engine.resume(run_id) == b"[1, 2, 3]"
    assert counter.performed == [1, 2, 2, 3]


async def test_a_body_may_make_its_own_http_session(home: DbosHome, run_id: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def body(run: OpenRun, request: bytes) -> bytes:
        async with ClientSession() as session:

            async def fetch() -> bytes:
                async with session.get(request.decode()) as response:
                    return await response.read()

            return await Steps(run).step(fetch)

    site = web.Application()
    site.router.add_get("/", answer)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with opened(home, body) as engine:
        host, port = runner.addresses[0]
        assert json.loads(await engine.start(run_id, f"http://{host}:{port}/".encode())) == {"ok": True}
    await runner.cleanup()


async def test_two_durable_engines_in_one_process_are_refused(home: DbosHome, counter: Counter) -> None:
    async with opened(home, counter.body):
        with pytest.raises(ConfigError, match="open already"):
            await home.engine().open(counter.body)


def program_output(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_a_process_prints_nothing_and_ends_although_it_closed_nothing(home: DbosHome, run_id: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from nebulus.adapters.engines.dbos import DbosEngine\n"
        "async def body(run, request):\n"
        "    await run.record(request)\n"
        "    return request\n"
        "async def main():\n"
        "    engine = DbosEngine(sys.argv[1], schema=sys.argv[2])\n"
        "    await engine.open(body)\n"
        "    await engine.start(sys.argv[3], b'{}')\n"
        "asyncio.run(main())\n"
    )
    done = program_output(program, home.address, SCHEMA, run_id)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_program_that_uses_dbos_itself_is_told_so_and_left_alone(home: DbosHome, tmp_path: Path) -> None:
    program = (
        "import asyncio, sys, dbos\n"
        "from nebulus.adapters.engines.dbos import DbosEngine\n"
        "url = f'sqlite:///{sys.argv[3]}/own.db'\n"
        "dbos.DBOS(config={'name': 'own-program', 'system_database_url': url, 'log_level': 'CRITICAL'})\n"
        "dbos.DBOS.launch()\n"
        "async def body(run, request): ...\n"
        "try:\n"
        "    asyncio.run(DbosEngine(sys.argv[1], schema=sys.argv[2]).open(body))\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
        "print(len(dbos.DBOS.list_workflows()))\n"
        "dbos.DBOS.destroy()\n"
    )
    done = program_output(program, home.address, SCHEMA, str(tmp_path))
    assert done.stdout.splitlines() == [
        "ConfigError this process uses DBOS for something else; give nebulus a process of its own",
        "0",
    ]
