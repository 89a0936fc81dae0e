"""Where the durable engine keeps its runs: one SQLite file, or one schema of a PostgreSQL database."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct

from nebulus.adapters.engines.alive import FileMark, Mark, PostgresMark
from nebulus.core.errors import ConfigError

_MIGRATIONS = "dbos_migrations"
"""The table by which a file of DBOS is known. Source: dbos 3.4, `_sys_db_sqlite.py`."""


class SqliteFile(Struct, frozen=True):
    """One file, for the processes of one machine."""

    path: Path


class PostgresSchema(Struct, frozen=True):
    """One schema of a database, for processes on any machine."""

    url: str
    schema: str


Storage: TypeAlias = SqliteFile | PostgresSchema


class _Synchronous(sqlite3.Connection):
    """A connection that returns from a commit when it is on disk, whatever SQLite was compiled with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA synchronous=FULL")


def storage_at(address: str | Path, *, schema: str) -> Storage:
    """Return the storage that `address` names: a PostgreSQL URL, else the path of an SQLite file."""
    text = str(address)
    for scheme in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if text.startswith(scheme):
            return PostgresSchema("postgresql://" + text.removeprefix(scheme), schema)
    return SqliteFile(Path(text.removeprefix("sqlite:///")).expanduser().absolute())


def mark_of(storage: Storage) -> Mark:
    """Return the mark by which processes that use `storage` see each other."""
    match storage:
        case SqliteFile(path):
            return FileMark(path.with_name(path.name + "-alive"))
        case PostgresSchema(url, _):
            return PostgresMark(url)


def prepare(storage: Storage) -> None:
    """Make sure that `storage` can be written, and is nobody else's.

    Raises:
        ConfigError: it can't be, or is.
    """
    if isinstance(storage, SqliteFile):
        _prepare_file(storage.path)


def settings(storage: Storage) -> Mapping[str, Any]:
    """Return what DBOS is told about `storage`.

    Source: dbos 3.4, `DBOSConfig`.
    """
    match storage:
        case SqliteFile(path):
            return {
                "system_database_url": f"sqlite:///{path}",
                "db_engine_kwargs": {"connect_args": {"factory": _Synchronous}},
            }
        case PostgresSchema(url, schema):
            return {
                "system_database_url": url,
                "dbos_system_schema": schema,
                "db_engine_kwargs": {"connect_args": {"application_name": "nebulus", "connect_timeout": 5}},
            }


def _prepare_file(path: Path) -> None:
    """Switch on the write-ahead log, which stays on: a commit is one synced append instead of four."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if tables and _MIGRATIONS not in tables:
                raise ConfigError(f"{path} is a database of something else; name another path for the runs")
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"runs can't be kept in {path}: {error}; name a path on a local disk with room, in a folder"
            " that you may write"
        ) from error
    if mode != "wal":
        raise ConfigError(
            f"{path} lies where SQLite can't keep a write-ahead log; name a path on a local disk"
        )
