"""Which storage an address names, and how it is made ready."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from nebulus.adapters.stores.artifacts import DatabaseStore
from nebulus.adapters.stores.database import (
    PostgresSchema,
    SqliteFile,
    SynchronousConnection,
    prepare,
    storage_at,
)
from nebulus.core.errors import ConfigError


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me@db/runs?sslmode=require",
        "postgres://me@db/runs?sslmode=require",
        "postgresql+psycopg://me@db/runs?sslmode=require",
    ],
)
def test_a_postgres_url_is_understood_in_every_form(address: str) -> None:
    assert storage_at(address, schema="s") == PostgresSchema("postgresql://me@db/runs?sslmode=require", "s")


def test_anything_else_is_the_path_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/var/me")
    assert storage_at("runs.db", schema="s") == SqliteFile(tmp_path / "runs.db")
    assert storage_at(Path("runs.db"), schema="s") == SqliteFile(tmp_path / "runs.db")
    assert storage_at("sqlite:////var/runs.db", schema="s") == SqliteFile(Path("/var/runs.db"))
    assert storage_at("~/runs.db", schema="s") == SqliteFile(Path("/var/me/runs.db"))


def test_a_file_is_made_with_its_folder_and_a_write_ahead_log(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "runs.db"
    prepare(SqliteFile(path))
    assert path.parent.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_connection_waits_for_the_disk_whatever_sqlite_was_made_to_do(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "runs.db", factory=SynchronousConnection)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_nobody_else_may_read_what_is_made(tmp_path: Path) -> None:
    path = tmp_path / "state" / "runs.db"
    before = os.umask(0)
    try:
        DatabaseStore(path).put("private")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_a_file_that_others_could_read_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.touch(0o644)
    prepare(SqliteFile(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_may_hold_artifacts_before_it_holds_a_run(tmp_path: Path) -> None:
    DatabaseStore(tmp_path / "runs.db").put("first")
    prepare(SqliteFile(tmp_path / "runs.db"))


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
    with pytest.raises(ConfigError, match="of another program"):
        DatabaseStore(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("photos",)]
