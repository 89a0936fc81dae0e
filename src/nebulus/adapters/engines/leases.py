"""Which process works on a run: a lock for each run that a process has open, visible to other processes.

Invariant: the operating system or the database frees the lock of a process that died. A lock that was lost
while its process lives harms nothing: DBOS lets only the newest owner of a workflow record.
"""

import fcntl
import hashlib
import os
import socket
import struct
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeAlias

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
"""The session is idle while a run is under way; servers before PostgreSQL 14 don't know the setting."""

_HELD = (
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
    " AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""The keys of all advisory locks. Source: PostgreSQL 15 manual, "pg_locks", on 64-bit keys."""

_FLOCK = "hhqqi"
"""Type, origin, start, length and process of a lock. Source: Linux manual, fcntl(2), `struct flock`."""

_OFFSETS = 2**62 - 1
"""The bytes of a file that can be locked, whether it has them or not."""


def leases_of(storage: Storage) -> "Leases":
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
    """Locked bytes of the empty file `path`, one for each run: for the processes of one machine.

    Every method may block, and raises StoreError where locks can't be used.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, -1
        self._own: set[str] = set()

    def take(self, run_id: str) -> bool:
        """Lock the run; False if another process has locked it."""
        try:
            self._lock(fcntl.F_OFD_SETLK, fcntl.F_WRLCK, run_id)
        except BlockingIOError:
            return False
        self._own.add(run_id)
        return True

    def release(self, run_id: str) -> None:
        """Unlock the run, if this process locked it."""
        if run_id in self._own:
            self._own.discard(run_id)
            self._lock(fcntl.F_OFD_SETLK, fcntl.F_UNLCK, run_id)

    def held(self, run_ids: Iterable[str]) -> set[str]:
        """Return those that a living process has locked, this one included. Looking locks nothing."""
        return {run_id for run_id in run_ids if run_id in self._own or self._is_locked(run_id)}

    def renew(self) -> None:
        """Do nothing: the lock of a file lasts as long as its process."""

    def close(self) -> None:
        """Close the file, which unlocks it."""
        self._own.clear()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _is_locked(self, run_id: str) -> bool:
        return self._lock(fcntl.F_OFD_GETLK, fcntl.F_WRLCK, run_id) != fcntl.F_UNLCK

    def _lock(self, command: int, kind: int, run_id: str) -> int:
        try:
            if self._file < 0:
                self._file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            wanted = struct.pack(_FLOCK, kind, os.SEEK_SET, _key(run_id) & _OFFSETS, 1, 0)
            return int(struct.unpack_from("h", fcntl.fcntl(self._file, command, wanted))[0])
        except BlockingIOError:
            raise
        except OSError as error:
            raise StoreError(
                f"nothing can be locked in {self._path}: {error}", fix="keep runs elsewhere"
            ) from error


class PostgresLeases:
    """Advisory locks of one session: for processes on any machine. The methods are those of `FileLeases`.

    The connection must reach the server itself: a pooler that gives one session to many clients
    (PgBouncer in transaction mode) can't hold a lock.
    """

    def __init__(self, url: str, schema: str) -> None:
        self._url, self._schema = url, schema
        self._keys: set[int] = set()
        self._guard = threading.RLock()
        self._session: psycopg.Connection | None = None

    def take(self, run_id: str) -> bool:
        """Lock the run; False if another process has locked it."""
        key = _key(run_id, self._schema)
        [(is_ours,)] = self._rows("SELECT pg_try_advisory_lock(%s)", key)
        if is_ours:
            self._keys.add(key)
        return bool(is_ours)

    def release(self, run_id: str) -> None:
        """Unlock the run, if this process locked it."""
        key = _key(run_id, self._schema)
        if key in self._keys:
            self._keys.discard(key)
            self._rows("SELECT pg_advisory_unlock(%s)", key)

    def held(self, run_ids: Iterable[str]) -> set[str]:
        """Return those that a living process has locked, this one included."""
        keys = {key for (key,) in self._rows(_HELD)}
        return {run_id for run_id in run_ids if _key(run_id, self._schema) in keys}

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
                # Where the server still considers our lost session alive, that session keeps the lock meanwhile.
                self._session.execute("SELECT pg_try_advisory_lock(%s)", (key,))
        return self._session


Leases: TypeAlias = FileLeases | PostgresLeases


def _key(run_id: str, space: str = "") -> int:
    """Return the number of a run as an advisory lock of PostgreSQL takes it: 64 bits, signed."""
    digest = hashlib.sha256(f"{space}/{run_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
