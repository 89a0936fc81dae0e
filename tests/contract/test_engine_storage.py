"""What a durable engine says when its storage is unfit, and that nothing recorded is lost by it."""

import os
import resource
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path

import psycopg
import pytest

from nebulus.adapters.engines.dbos import DbosEngine
from nebulus.adapters.engines.leases import PostgresLeases, new_owner
from nebulus.core.errors import ConfigError, NebulusError, StoreError
from nebulus.ports.engine import OpenRun, RunStatus
from tests.contract.engine_homes import POSTGRES, SCHEMA, Counter, DbosHome, Steps, opened

Shortage = Callable[[Path], AbstractContextManager[None]]

NOBODY = 65534
LARGE = b'"' + b"x" * 100_000 + b'"'


async def never(run: OpenRun, request: bytes) -> bytes:
    raise AssertionError("nothing is started on a storage that can't be used")


async def assert_refused(address: str, because: str) -> None:
    engine = DbosEngine(address, schema=SCHEMA)
    with pytest.raises(ConfigError, match=because):
        await engine.open(never)
    await engine.close()


async def test_a_path_that_leads_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    await assert_refused(str(tmp_path / "file" / "runs.db"), "runs can't be kept in .*runs.db")


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.write_text("my diary\n" * 1000)
    await assert_refused(str(path), "file is not a database")
    assert path.read_text() == "my diary\n" * 1000


async def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
    await assert_refused(str(path), "is a database of another program")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("photos",)]


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """A folder that may be read and not written; root is nobody meanwhile, for root may write anywhere."""
    is_root = os.geteuid() == 0
    folder.chmod(0o555)
    if is_root:
        for parent in folder.parents[:3]:
            parent.chmod(0o755)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)


async def test_a_folder_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    with without_rights(folder):
        await assert_refused(str(folder / "runs.db"), "runs can't be kept in .*a folder that you may write")


async def test_a_store_that_has_become_read_only_is_refused_and_keeps_its_runs(tmp_path: Path) -> None:
    home, counter = DbosHome(str(tmp_path / "store" / "runs.db")), Counter(tmp_path / "notes")
    async with opened(home, counter.body) as engine:
        await engine.start("run", b"2")
    with without_rights(tmp_path / "store"):
        await assert_refused(home.address, "runs can't be kept in")
    async with opened(home, counter.body) as engine:
        assert await engine.resume("run") == b"[1, 2]"


def damage(path: Path) -> None:
    """Overwrite all but the first page."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))


async def test_a_damaged_store_is_reported_and_not_repaired_silently(tmp_path: Path) -> None:
    home, counter = DbosHome(str(tmp_path / "runs.db")), Counter(tmp_path / "notes")
    async with opened(home, counter.body) as engine:
        await engine.start("run", b"2")
    damage(Path(home.address))
    await assert_refused(home.address, "runs can't be kept in .*malformed")


@contextmanager
def a_file_limit(folder: Path) -> Iterator[None]:
    """No file may grow any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 8192, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def a_full_disk(folder: Path) -> Iterator[None]:
    """What is left on the disk is taken by another file."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    try:
        yield
    finally:
        filler.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("shortage", [a_file_limit, a_full_disk])
async def test_a_full_disk_stops_the_run_and_loses_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, shortage: Shortage
) -> None:
    folder: Path = request.getfixturevalue("small_disk") if shortage is a_full_disk else tmp_path
    performed: list[int] = []
    is_short = True

    async def body(run: OpenRun, _: bytes) -> bytes:
        steps = Steps(run)
        for number in range(20):

            async def perform(number: int = number) -> bytes:
                performed.append(number)
                return LARGE

            with shortage(folder) if number == 2 and is_short else nullcontext():
                await steps.step(perform)
        return b'"all"'

    home = DbosHome(str(folder / "runs.db"))
    async with opened(home, body) as engine:
        with pytest.raises(StoreError, match=r"the database refused: .*(full|disk).*is safe"):
            await engine.start("run", b"{}")
        recorded = len(await engine.past_of("run"))
        assert recorded == len(performed) - 1
        assert (await engine.info("run")).status is RunStatus.INTERRUPTED
        is_short = False
        before = len(performed)
        assert await engine.resume("run") == b'"all"'
        assert len(performed) - before == 20 - recorded


async def test_a_postgres_that_nobody_answers_for_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"postgresql://someone:secret@127.0.0.1:{taken.getsockname()[1]}/runs"
        engine = DbosEngine(address)
        with pytest.raises(ConfigError, match=r"PostgreSQL can't be used: .*refused") as refused:
            await engine.open(never)
    assert "secret" not in str(refused.value)


needs_postgres = pytest.mark.skipif(
    POSTGRES not in os.environ, reason='no PostgreSQL: eval "$(scripts/postgres start)"'
)


@needs_postgres
def test_a_lease_that_the_server_dropped_is_taken_again() -> None:
    ours, theirs = (PostgresLeases(os.environ[POSTGRES], SCHEMA) for _ in range(2))
    us, them, nobody = new_owner(), new_owner(), new_owner()
    assert ours.take(us)
    assert theirs.take(them)
    assert not theirs.take(us)
    assert theirs.held([us, them, nobody]) == {us, them}
    with psycopg.connect(os.environ[POSTGRES], autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'nebulus-leases'"
        )
    assert theirs.held([us, them]) == {them}
    ours.renew()
    ours.renew()
    assert theirs.held([us, them]) == {us, them}
    ours.release(us)
    ours.release(us)
    assert theirs.held([us, them]) == {them}
    ours.close()
    theirs.close()


@needs_postgres
async def test_a_postgres_that_does_not_let_us_in_is_refused() -> None:
    address = os.environ[POSTGRES]
    credentials, _, place = address.partition("@")
    user = credentials.rpartition(":")[0]
    for wrong, because in (
        (f"{user}:wrong@{place}", "password authentication failed"),
        (f"{address}-missing", 'database ".*-missing" does not exist'),
        ("postgresql://[", "PostgreSQL can't be used"),
    ):
        engine = DbosEngine(wrong)
        with pytest.raises(NebulusError, match=because) as refused:
            await engine.open(never)
        assert isinstance(refused.value, ConfigError)
        assert ":wrong@" not in str(refused.value)
