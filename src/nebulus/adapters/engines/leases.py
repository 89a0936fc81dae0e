"""Who holds a run: a lock for each run that a process has open, which other processes can see.

Invariant: the operating system or the database frees the lock of a process that died. A lock that was lost
while its process lives harms nothing: DBOS lets only the newest owner of a workflow record.
"""

import fcntl
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

import psycopg

from nebulus.adapters.stores.database import PostgresSchema, SqliteFile, Storage, first_line
from nebulus.core.errors import StoreError

_SESSION: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "application_name": "nebulus-leases",
    "options": "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
}
"""Seconds. Both ends notice within half a minute that the other machine is gone; a killed process on a
living machine is noticed at once. Source: PostgreSQL 15 manual, "Parameter Key Words" and "TCP Settings"."""

_NO_IDLE_TIMEOUT = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"
"""The session is idle while a run is held; servers before PostgreSQL 14 don't know the setting."""

_HELD = (
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
    " AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""The keys of all advisory locks. Source: PostgreSQL 15 manual, "pg_locks", on 64-bit keys."""

_TRIES, _PAUSE_S = 10, 0.01
"""A process that only looks has a file's lock for microseconds; one that holds the run keeps it."""


class Leases(Protocol):
    """The locks of this process. Every method may block, and raises StoreError where nobody can find out."""

    def take(self, run_id: str) -> bool:
        """Hold the run from now on; False if somebody else does."""
        ...

    def release(self, run_id: str) -> None:
        """Let go of the run, if it is held."""
        ...

    def held(self, run_ids: Iterable[str]) -> set[str]:
        """Return those that a living process holds, this one included."""
        ...

    def renew(self) -> None:
        """Take the locks again that were lost with a connection."""
        ...

    def close(self) -> None:
        """Let go of every run."""
        ...


def leases_of(storage: Storage) -> Leases:
    """Return the leases by which processes that use `storage` see each other."""
    match storage:
        case SqliteFile(path):
            return FileLeases(path.with_name(path.name + "-leases"))
        case PostgresSchema(url, schema):
            return PostgresLeases(url, schema)


def new_owner() -> str:
    """Return a name for this process that no other process ever has: `host:pid:token`."""
    return f"{socket.gethostname()}:{os.getpid()}:{token_hex(8)}"


def whereabouts(owner: str) -> str:
    """Return where to look for the process that `new_owner` named."""
    host, _, rest = owner.partition(":")
    return f"process {rest.partition(':')[0]} on {host}"


class FileLeases:
    """Locked files in `folder`: for processes of one machine that share an SQLite file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, int] = {}

    def take(self, run_id: str) -> bool:
        """Lock the run's file."""
        path = self._path(run_id)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for _ in range(_TRIES):
                file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
                if _locks(file, fcntl.LOCK_EX) and _is_at(file, path):
                    self._files[run_id] = file
                    return True
                os.close(file)
                time.sleep(_PAUSE_S)
        except OSError as error:
            raise StoreError(
                f"no lock can be held in {self._folder}: {error}; keep runs elsewhere"
            ) from error
        return False

    def release(self, run_id: str) -> None:
        """Remove the run's file and unlock it."""
        if run_id in self._files:
            file, path = self._files.pop(run_id), self._path(run_id)
            if _is_at(file, path):
                path.unlink(missing_ok=True)
            os.close(file)

    def held(self, run_ids: Iterable[str]) -> set[str]:
        """Return those whose file is locked."""
        return {run_id for run_id in run_ids if run_id in self._files or self._is_locked(self._path(run_id))}

    def renew(self) -> None:
        """Do nothing: the lock of a file lasts as long as its process."""

    def close(self) -> None:
        """Unlock every file."""
        for run_id in list(self._files):
            self.release(run_id)

    def _path(self, run_id: str) -> Path:
        return self._folder / f"{hashlib.sha256(run_id.encode()).hexdigest()[:32]}.lock"

    def _is_locked(self, path: Path) -> bool:
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"{path} can't be read, so nobody knows who holds a run: {error}") from error
        try:
            return not _locks(file, fcntl.LOCK_SH)
        finally:
            os.close(file)


class PostgresLeases:
    """Advisory locks of one session: for processes on any machine that share a database.

    The connection must reach the server itself: a pooler that gives one session to many clients
    (PgBouncer in transaction mode) can't hold a lock.
    """

    def __init__(self, url: str, schema: str) -> None:
        self._url, self._schema = url, schema
        self._keys: set[int] = set()
        self._guard = threading.RLock()
        self._session: psycopg.Connection | None = None

    def take(self, run_id: str) -> bool:
        """Lock the run's key."""
        key = self._key(run_id)
        [(is_ours,)] = self._rows("SELECT pg_try_advisory_lock(%s)", key)
        if is_ours:
            self._keys.add(key)
        return bool(is_ours)

    def release(self, run_id: str) -> None:
        """Unlock the run's key."""
        if self._key(run_id) in self._keys:
            self._keys.discard(self._key(run_id))
            self._rows("SELECT pg_advisory_unlock(%s)", self._key(run_id))

    def held(self, run_ids: Iterable[str]) -> set[str]:
        """Return those whose key is locked."""
        keys = {key for (key,) in self._rows(_HELD)}
        return {run_id for run_id in run_ids if self._key(run_id) in keys}

    def renew(self) -> None:
        """Connect again if the server dropped the session, and take its locks again."""
        self._rows("SELECT 1")

    def close(self) -> None:
        """End the session, and its locks with it."""
        with self._guard:
            self._keys.clear()
            if self._session is not None:
                self._session.close()

    def _rows(self, query: str, *values: int) -> list[tuple[Any, ...]]:
        with self._guard:
            try:
                with suppress(psycopg.OperationalError):  # A lost session is replaced below.
                    return self._connected().execute(query, values).fetchall()
                self._session = None
                return self._connected().execute(query, values).fetchall()
            except psycopg.Error as error:
                raise StoreError(f"PostgreSQL can't be used: {first_line(error)}") from error

    def _connected(self) -> psycopg.Connection:
        if self._session is None:
            self._session = psycopg.connect(self._url, autocommit=True, **_SESSION)
            self._session.execute(_NO_IDLE_TIMEOUT)
            for key in self._keys:
                # Where the server still takes our lost session for alive, that one is the lock meanwhile.
                self._session.execute("SELECT pg_try_advisory_lock(%s)", (key,))
        return self._session

    def _key(self, run_id: str) -> int:
        """Return a run's key: 64 bits with a sign, as PostgreSQL takes them."""
        digest = hashlib.sha256(f"{self._schema}/{run_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


def _locks(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: int, path: Path) -> bool:
    """Whether `path` is still this file: another process may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
