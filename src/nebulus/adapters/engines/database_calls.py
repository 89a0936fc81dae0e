"""Calls of the database, made in threads: the event loop never waits for a disk or a server.

Invariants: a cancelled task still waits for its answer, so that it leaves no write behind unless the database
is silent; the threads are daemons, so a silent database can't keep the process alive.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

from nebulus.adapters.stores.database import first_line
from nebulus.core.errors import StoreError

T = TypeVar("T")

PATIENCE_S = 30.0
"""How long the database may take for one answer: DBOS itself would wait for ever. Source: the pool
timeout of dbos 3.4."""

FAREWELL_S = 5.0
"""How long it may take when a task is cancelled, or a process releases something."""

_FOREIGN = frozenset({"dbos", "sqlalchemy", "sqlite3", "psycopg"})
_idle: deque[SimpleQueue[Callable[[], None]]] = deque()
"""Threads that wait for a question."""

os.register_at_fork(after_in_child=_idle.clear)


async def ask(question: Callable[[], T], *, patience_s: float = PATIENCE_S) -> T:
    """Return what `question` returns, asked in a thread.

    Raises:
        StoreError: the database refused, or did not answer within `patience_s`.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    thread = _idle.pop() if _idle else _new_thread()

    def answer() -> None:
        try:
            settle = partial(done.set_result, question())
        except BaseException as error:  # noqa: BLE001 - handed to the task that waits
            settle = partial(done.set_exception, error)
        _idle.append(thread)
        with suppress(RuntimeError):  # The loop was closed: nobody waits any more.
            loop.call_soon_threadsafe(settle)

    thread.put(answer)
    return await within(done, patience_s=patience_s)


async def within(done: asyncio.Future[T], *, patience_s: float = PATIENCE_S) -> T:
    """Return the result of `done`, an answer of the database that nobody may cancel.

    Raises:
        StoreError: the database refused, or did not answer within `patience_s`.
    """
    try:
        await asyncio.wait((done,), timeout=patience_s)
    except asyncio.CancelledError:
        await asyncio.wait((done,), timeout=min(patience_s, FAREWELL_S))
        if done.done():
            done.exception()  # Seen, so that asyncio does not complain about it.
        raise
    if not done.done():
        raise StoreError(
            f"the database has not answered for {patience_s:.0f} s",
            fix="what is recorded is safe: resume the run when it answers again",
        )
    try:
        return done.result()
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _FOREIGN:
            raise
        raise StoreError(
            f"the database refused: {first_line(error)}", fix="what is recorded is safe"
        ) from error


def _new_thread() -> SimpleQueue[Callable[[], None]]:
    questions: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def serve() -> None:
        while True:
            questions.get()()

    threading.Thread(target=serve, name="nebulus database", daemon=True).start()
    return questions
