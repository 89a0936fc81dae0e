"""The database of a project's runs, artifacts and approvals: an SQLite file, or a PostgreSQL schema.

Invariants: a commit is on disk when it returns; a file is readable by its owner alone; a database that
belongs to another program is never touched.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import sqlalchemy as sa
from msgspec import Struct

from nebulus.adapters.stores.location import file_of
from nebulus.core.errors import ConfigError, StoreError

SCHEMA = "nebulus"
"""The schema in PostgreSQL, and what the names of our tables in SQLite begin with."""

_DBOS_TABLE = "dbos_migrations"
"""The table by which a file of DBOS is recognised. Source: dbos 3.4, `_sys_db_sqlite.py`."""

_SIDE_FILES = ("", "-wal", "-shm")


class SqliteFile(Struct, frozen=True):
    """One file, for the processes of one machine."""

    path: Path


class PostgresSchema(Struct, frozen=True):
    """One schema of a database, for processes on any machine."""

    url: str
    schema: str


Storage: TypeAlias = SqliteFile | PostgresSchema


class SynchronousConnection(sqlite3.Connection):
    """A connection whose commits are on disk when they return, whatever SQLite was compiled with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA synchronous=FULL")


def storage_at(address: str | Path, *, schema: str = SCHEMA) -> Storage:
    """Return the storage that `address` names: a PostgreSQL URL, else the path of an SQLite file."""
    file = file_of(address)
    if file is not None:
        return SqliteFile(file)
    return PostgresSchema("postgresql://" + str(address).partition("://")[2], schema)


def prepare(storage: Storage) -> None:
    """Make sure that `storage` can be written and belongs to Nebulus; create a file that does not exist.

    Raises:
        ConfigError: it can't be written, or belongs to another program.
    """
    if isinstance(storage, SqliteFile):
        _prepare_file(storage.path)


def open_tables(address: str | Path, tables: sa.MetaData) -> sa.Engine:
    """Create `tables` in the storage at `address` where they are missing, and return access to them.

    No connection outlives its transaction, so nothing has to be closed.

    Raises:
        ConfigError: the storage can't be used.
    """
    storage = storage_at(address)
    prepare(storage)
    try:
        match storage:
            case SqliteFile(path):
                engine = sa.create_engine(
                    sa.URL.create("sqlite", database=str(path)),
                    poolclass=sa.NullPool,
                    connect_args={"factory": SynchronousConnection, "timeout": 30.0},
                )
            case PostgresSchema(url, schema):
                engine = sa.create_engine(
                    sa.make_url(url).set(drivername="postgresql+psycopg"),
                    poolclass=sa.NullPool,
                    execution_options={"schema_translate_map": {None: schema}},
                )
                with engine.begin() as connection:
                    connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        tables.create_all(engine)
    except sa.exc.SQLAlchemyError as error:
        raise ConfigError(f"{_named(storage)} can't be used: {first_line(error)}") from error
    return engine


@contextmanager
def transaction(engine: sa.Engine, what: str) -> Iterator[sa.Connection]:
    """Open a transaction that is committed at the end. `what` names the data in an error.

    Raises:
        StoreError: the database refused.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(f"{what} can't be read or written: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """Return what the driver said, without the statement and the values that SQLAlchemy quotes."""
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__


def _prepare_file(path: Path) -> None:
    """Switch on the write-ahead log, which stays on: a commit is one synced append instead of four."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(path, timeout=30.0)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if tables and _DBOS_TABLE not in tables and not any(map(_is_ours, tables)):
                raise ConfigError(
                    f"{path} is a database of another program", fix="name another path for the runs"
                )
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            _make_private(path)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"runs can't be kept in {path}: {error}",
            fix="name a path on a local disk with room, in a folder that you may write",
        ) from error
    if mode != "wal":
        raise ConfigError(f"{path} is on a disk where SQLite has no write-ahead log", fix="name a local disk")


def _is_ours(table: str) -> bool:
    return table.startswith(f"{SCHEMA}_")


def _make_private(path: Path) -> None:
    """Let nobody but the owner read the file and its logs, whatever the umask of who made them."""
    for suffix in _SIDE_FILES:
        side = path.with_name(path.name + suffix)
        if side.exists() and side.stat().st_mode & 0o077:
            side.chmod(0o600)


def _named(storage: Storage) -> str:
    match storage:
        case SqliteFile(path):
            return str(path)
        case PostgresSchema(_, schema):
            return f"PostgreSQL (schema {schema!r})"
