"""Which storage an address names, and what DBOS is told about it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from nebulus.adapters.engines.storage import PostgresSchema, SqliteFile, prepare, settings, storage_at


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me@db/runs?sslmode=require",
        "postgres://me@db/runs?sslmode=require",
        "postgresql+psycopg://me@db/runs?sslmode=require",
    ],
)
def test_a_postgres_url_is_understood_in_every_spelling(address: str) -> None:
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
    factory = settings(SqliteFile(tmp_path / "runs.db"))["db_engine_kwargs"]["connect_args"]["factory"]
    with closing(sqlite3.connect(tmp_path / "runs.db", factory=factory)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
