"""Who is alive: each process holds one mark for as long as it lives, and others can see whether it does.

Law: a mark is let go by the operating system or the database, not by the process, so that a killed one
is seen to be dead at once.
"""

import fcntl
import hashlib
import os
import secrets
import socket
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import psycopg

from nebulus.core.errors import ConfigError, StoreError

_SESSION = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "application_name": "nebulus-alive",
    "options": "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
}
"""Seconds. Both ends notice within half a minute that the other machine is gone; a killed process on a
living machine is noticed at once. Source: PostgreSQL 15 manual, "Parameter Key Words" and "TCP Settings"."""


_NO_IDLE_TIMEOUT = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"
"""The mark is an idle session; servers before PostgreSQL 14 don't know the setting."""

_HELD = (
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks"
    " WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""The keys of all advisory locks. Source: PostgreSQL 15 manual, "pg_locks", on 64-bit keys."""


class Mark(Protocol):
    """This process's mark, and a look at those of others."""

    def take(self, owner: str) -> None:
        """Hold the mark of `owner` from now on.

        Raises:
            ConfigError: it can't be held here.
        """
        ...

    def renew(self) -> None:
        """Hold the mark again, should it have been lost.

        Raises:
            StoreError: it can't be.
        """
        ...

    def living(self, owners: Iterable[str]) -> set[str]:
        """Return those of `owners` that are alive.

        Raises:
            StoreError: it can't be found out.
        """
        ...

    def release(self) -> None:
        """Let go. May be called twice."""
        ...


def new_owner() -> str:
    """Return a name for this process that no other process ever has: `host:pid:token`."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"


def whereabouts(owner: str) -> str:
    """Return where to look for the process that `new_owner` named."""
    host, _, rest = owner.partition(":")
    return f"process {rest.partition(':')[0]} on {host}"


class FileMark:
    """A locked file in `folder`: for processes that share one SQLite file, on one machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._descriptor = -1

    def take(self, owner: str) -> None:
        """Hold the mark of `owner` from now on.

        Raises:
            ConfigError: the folder can't be written, or its file system has no locks.
        """
        path = self._path_of(owner)
        try:
            self._folder.mkdir(exist_ok=True)
            self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"no lock can be held in {self._folder}: {error}; keep runs elsewhere"
            ) from error
        self._path = path

    def renew(self) -> None:
        """Do nothing: the lock on a file lasts as long as its process."""

    def living(self, owners: Iterable[str]) -> set[str]:
        """Return those of `owners` that are alive; what the dead left behind is removed.

        Raises:
            StoreError: the folder can't be read.
        """
        return {owner for owner in set(owners) if self._is_living(self._path_of(owner))}

    def release(self) -> None:
        """Let go."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._path = None

    def _path_of(self, owner: str) -> Path:
        return self._folder / f"{hashlib.sha256(owner.encode()).hexdigest()[:16]}.lock"

    def _is_living(self, path: Path) -> bool:
        if path == self._path:
            return True
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"{path} can't be read, so nobody knows who holds a run: {error}") from error
        try:
            # Shared, so that two who look at once don't take each other for the owner.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


class PostgresMark:
    """An advisory lock held by one connection: for processes on any machine that share a database.

    The connection must reach the server itself: a pooler that hands one session to many clients
    (PgBouncer in transaction mode) can't hold a lock.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._owner = ""
        self._connection: psycopg.Connection | None = None
        self._guard = threading.Lock()

    def take(self, owner: str) -> None:
        """Hold the mark of `owner` from now on.

        Raises:
            ConfigError: the database can't be reached, or does not let us in.
        """
        self._owner = owner
        try:
            self._lock(self._connected())
        except psycopg.Error as error:
            raise ConfigError(f"PostgreSQL can't be used: {_first_line(error)}") from error

    def renew(self) -> None:
        """Take the mark again, if the connection that held it was lost.

        Raises:
            StoreError: the database can't be reached.
        """
        with self._guard:
            try:
                self._lock(self._connected())
            except psycopg.OperationalError:
                self._renew_on_new_connection()

    def living(self, owners: Iterable[str]) -> set[str]:
        """Return those of `owners` that are alive.

        Raises:
            StoreError: the database does not answer.
        """
        self.renew()
        keys = {_key(owner): owner for owner in owners}
        try:
            rows = self._connected().execute(_HELD).fetchall()
        except psycopg.Error as error:
            raise StoreError(f"PostgreSQL does not tell who holds a run: {_first_line(error)}") from error
        return {keys[key] for (key,) in rows if key in keys}

    def release(self) -> None:
        """Let go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _renew_on_new_connection(self) -> None:
        self.release()
        try:
            self._lock(self._connected())
        except psycopg.Error as error:
            raise StoreError(f"PostgreSQL has gone away: {_first_line(error)}") from error

    def _connected(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(self._url, autocommit=True, **_SESSION)  # type: ignore[arg-type]
            self._connection.execute(_NO_IDLE_TIMEOUT)
        return self._connection

    def _lock(self, connection: psycopg.Connection) -> None:
        # Where the server still holds a lost session of ours for alive, that one is the mark meanwhile.
        connection.execute("SELECT pg_try_advisory_lock(%s)", (_key(self._owner),))


def _key(owner: str) -> int:
    """Return the key of an owner's advisory lock: 64 bits with a sign, as PostgreSQL takes them."""
    return int.from_bytes(hashlib.sha256(owner.encode()).digest()[:8], "big", signed=True)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
