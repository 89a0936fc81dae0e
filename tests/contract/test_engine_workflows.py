"""A run is one workflow of DBOS, and costs few queries, on SQLite and on PostgreSQL."""

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dbos
import pytest
import sqlalchemy as sa
from dbos._dbos import _get_dbos_instance
from dbos._schemas.system_database import SystemSchema

from nebulus.adapters.approvals.store import ApprovalStore
from nebulus.adapters.engines.workflows import record
from nebulus.adapters.stores import DatabaseStore
from nebulus.core.errors import StoreError
from nebulus.core.outcome import Question
from nebulus.ports.engine import OpenRun, RunStatus
from nebulus.testing.people import YES
from tests.contract.engine_homes import Broken, Counter, DbosHome, Steps, breaks, home_on, opened

WORKFLOWS, STEPS = SystemSchema.workflow_status, SystemSchema.operation_outputs


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DbosHome:
    home = home_on(request.param, tmp_path_factory)
    assert isinstance(home, DbosHome)
    return home


def database() -> sa.Engine:
    """The database of the engine that is open."""
    return _get_dbos_instance()._sys_db.engine


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that the engine executes meanwhile; DBOS has threads of its own."""
    statements: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if threading.current_thread().name == "nebulus database":
            statements.append(statement)

    sa.event.listen(database(), "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(database(), "before_cursor_execute", note)


def rows_of(table: sa.Table, run_id: str) -> list[dict[str, Any]]:
    with database().begin() as connection:
        found = sa.select(table).where(table.c.workflow_uuid == run_id)
        return [dict(row) for row in connection.execute(found).mappings()]


async def test_a_run_is_one_workflow_however_often_it_is_resumed_and_cut(
    home: DbosHome, run_id: str, counter: Counter
) -> None:
    async with opened(home, Counter(counter.notes, at={3: breaks}).body) as engine:
        with pytest.raises(Broken):
            await engine.start(run_id, b"3")
        with pytest.raises(Broken):
            await engine.resume(run_id)
    async with opened(home, counter.body) as engine:
        await engine.resume(run_id, keep=1)
        await engine.resume(run_id, keep=0)
        found = await asyncio.to_thread(dbos.DBOS.list_workflows, workflow_id_prefix=run_id)
        assert [(each.workflow_id, each.status, each.output) for each in found] == [
            (run_id, "SUCCESS", "[1, 2, 3]")
        ]
        assert [row["function_id"] for row in rows_of(STEPS, run_id)] == [1, 2, 3]


async def test_a_record_is_the_row_that_a_step_of_dbos_would_be(home: DbosHome, run_id: str) -> None:
    text = '{"text": "\\"ü\\" \\\\ \\u0000"}'

    @dbos.DBOS.workflow(name=f"twin-{run_id}")
    def twin() -> None:
        dbos.DBOS.run_step({"name": "event"}, lambda: text)

    def run_twin() -> None:
        with dbos.SetWorkflowID(f"twin-{run_id}"):
            twin()

    async def body(run: OpenRun, request: bytes) -> bytes:
        await run.record(text.encode())
        return request

    async with opened(home, body) as engine:
        await engine.start(run_id, b"{}")
        await asyncio.to_thread(run_twin)
        [ours], [theirs] = rows_of(STEPS, run_id), rows_of(STEPS, f"twin-{run_id}")
    passing = {"workflow_uuid", "started_at_epoch_ms", "completed_at_epoch_ms", "retention_timestamp"}
    assert {name: ours[name] for name in ours.keys() - passing} == {
        name: theirs[name] for name in theirs.keys() - passing
    }
    assert all(abs(ours[name] - theirs[name]) < 3_600_000 for name in passing - {"workflow_uuid"})


async def test_a_record_whose_confirmation_was_lost_is_written_once_and_by_its_owner_alone(
    home: DbosHome, run_id: str
) -> None:
    async def body(run: OpenRun, request: bytes) -> bytes:
        token = rows_of(WORKFLOWS, run_id)[0]["owner_xid"]
        for _ in range(2):
            record(run_id, token, number=1, batch="1", now_ms=7)
        for other, number, text in ((token, 1, "2"), ("another", 2, "1")):
            with pytest.raises(StoreError, match="taken this run over"):
                record(run_id, other, number=number, batch=text, now_ms=7)
        return b"{}"

    async with opened(home, body) as engine:
        await engine.start(run_id, b"{}")
        assert await engine.past_of(run_id) == (b"1",)


async def test_the_first_page_of_ten_thousand_runs_takes_two_queries_and_loads_no_request(
    tmp_path: Path, counter: Counter
) -> None:
    async with opened(DbosHome(str(tmp_path / "runs.db")), counter.body) as engine:
        await engine.start("seed", b"1")
        [seed] = rows_of(WORKFLOWS, "seed")
        with database().begin() as connection:
            many = [seed | {"workflow_uuid": f"run-{number:05}"} for number in range(10_000)]
            many = [row | {"created_at": row["created_at"] + at // 2} for at, row in enumerate(many)]
            connection.execute(WORKFLOWS.insert(), many)
        with counted() as statements:
            first = await engine.runs(limit=50)
        assert len(statements) == 1
        assert not any("inputs" in statement for statement in statements)
        with counted() as statements:
            second = await engine.runs(limit=50, after=first[-1].run_id)
        assert len(statements) == 2
    listed = [info.run_id for info in [*first, *second]]
    assert listed == [f"run-{number:05}" for number in range(9_999, 9_899, -1)]


async def test_taking_up_a_run_costs_no_query_for_each_record(tmp_path: Path) -> None:
    size = 0

    async def body(run: OpenRun, request: bytes) -> bytes:
        for _ in range(size - len(run.past)):
            await run.record(b"1")
        raise Broken

    spent = []
    async with opened(DbosHome(str(tmp_path / "runs.db")), body) as engine:
        for size in (10, 300):
            with pytest.raises(Broken):
                await engine.start(f"run-{size}", b"{}")
            with counted() as statements, pytest.raises(Broken):
                await engine.resume(f"run-{size}")
            spent.append(len(statements))
    assert spent[0] == spent[1]


async def test_two_runs_get_on_at_the_same_time(home: DbosHome, run_id: str) -> None:
    meeting = asyncio.Barrier(2)

    async def meet() -> bytes:
        await meeting.wait()
        return b"1"

    async def body(run: OpenRun, request: bytes) -> bytes:
        for _ in range(3):
            await run.record(await meet())
        return b"{}"

    async with opened(home, body) as engine:
        async with asyncio.timeout(60):
            names = [f"{run_id}-{number}" for number in range(2)]
            assert await asyncio.gather(*(engine.start(name, b"{}") for name in names)) == [b"{}"] * 2
            assert [await engine.past_of(name) for name in names] == [(b"1",) * 3] * 2


async def test_a_run_that_a_step_starts_is_a_run_of_its_own(home: DbosHome, run_id: str) -> None:
    async def body(run: OpenRun, request: bytes) -> bytes:
        async def start_another() -> bytes:
            return await engine.start(f"{run_id}-inner", b"0")

        return await Steps(run).step(start_another) if request == b"1" else b'"inner"'

    async with opened(home, body) as engine:
        assert await engine.start(run_id, b"1") == b'"inner"'
        assert (await engine.info(f"{run_id}-inner")).status is RunStatus.ENDED
        assert await engine.past_of(run_id) == (b'"inner"',)
        [inner] = rows_of(WORKFLOWS, f"{run_id}-inner")
    assert inner["parent_workflow_id"] is None


async def test_a_body_runs_in_the_context_of_its_caller(home: DbosHome, run_id: str) -> None:
    caller: contextvars.ContextVar[str] = contextvars.ContextVar("caller")
    caller.set("me")

    async def body(run: OpenRun, request: bytes) -> bytes:
        return f'"{caller.get()}"'.encode()

    async with opened(home, body) as engine:
        assert await engine.start(run_id, b"{}") == b'"me"'


async def test_what_a_run_stored_and_asked_is_found_by_whoever_reaches_its_database(
    home: DbosHome, run_id: str, counter: Counter
) -> None:
    digest = run_id.encode().hex().ljust(64, "0")[:64]
    question = Question(
        question_id="c1", kind="approval", text="May it?", digest=digest, run_id=run_id, step=1
    )
    async with opened(home, counter.body) as engine:
        await engine.start(run_id, b"1")
        address = DatabaseStore(home.address).put(run_id)
        assert ApprovalStore(home.address).take(question) is None
    ApprovalStore(home.address).answer(digest, YES)
    assert DatabaseStore(home.address).get(address) == run_id
    assert ApprovalStore(home.address).take(question) == YES
    if not home.address.startswith("postgresql"):
        kept = {path.name for path in Path(home.address).parent.iterdir()}
        assert kept <= {"runs.db", "runs.db-wal", "runs.db-shm", "runs.db-leases"}
