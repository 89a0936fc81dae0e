"""A question to the database is asked in a thread, is waited for with patience, and fails as one of ours."""

import asyncio
import sqlite3
import threading

import pytest

from nebulus.adapters.engines.database_calls import ask
from nebulus.core.errors import ConfigError, StoreError


async def test_a_question_is_asked_in_a_daemon_thread_and_answered_in_the_loop() -> None:
    thread = await ask(threading.current_thread)
    assert thread.daemon
    assert thread is not threading.current_thread()


async def test_a_silent_database_is_an_error_and_not_a_wait_without_end() -> None:
    speaks = threading.Event()
    with pytest.raises(StoreError, match="has not answered"):
        await ask(speaks.wait, patience_s=0.01)
    speaks.set()


async def test_a_task_that_is_cancelled_leaves_no_write_behind() -> None:
    may_end, written = threading.Event(), list[str]()

    def write() -> None:
        may_end.wait()
        written.append("row")

    task = asyncio.create_task(ask(write))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert written == ["row"]


async def test_what_the_database_refuses_is_told_without_the_statement() -> None:
    def refuse() -> None:
        raise sqlite3.OperationalError("disk I/O error\nINSERT INTO secrets ...")

    with pytest.raises(StoreError, match=r"^the database refused: disk I/O error; what is recorded is safe$"):
        await ask(refuse)


async def test_an_error_of_ours_comes_out_as_itself() -> None:
    def fail() -> None:
        raise ConfigError("mend this")

    with pytest.raises(ConfigError, match="mend this"):
        await ask(fail)


async def test_questions_at_the_same_time_do_not_wait_for_each_other() -> None:
    meeting = threading.Barrier(3)
    await asyncio.gather(*(ask(meeting.wait) for _ in range(3)))
