"""What only the engine in memory has: a store that outlives it, and a death that can be told."""

import pytest

from nebulus.adapters.engines.memory import MemoryEngine, MemoryStore
from nebulus.core.errors import RunUnknownError, StoreError
from nebulus.ports.engine import OpenRun, RunStatus


async def body(run: OpenRun, request: bytes) -> bytes:
    if not run.past:
        await run.record(b"1")
    return b"1"


async def test_an_engine_without_a_store_shares_nothing() -> None:
    first, second = MemoryEngine(), MemoryEngine()
    await first.open(body)
    await second.open(body)
    await first.start("run", b"{}")
    with pytest.raises(RunUnknownError):
        await second.info("run")


async def test_a_dead_engine_records_nothing_more_and_its_run_is_another_ones() -> None:
    store = MemoryStore()
    dying, heir = MemoryEngine(store), MemoryEngine(store)

    async def die(run: OpenRun, request: bytes) -> bytes:
        await run.record(b"1")
        dying.abandon()
        await run.record(b"late")
        return b"1"

    await dying.open(die)
    await heir.open(body)
    with pytest.raises(StoreError, match="this engine no longer works on"):
        await dying.start("run", b"{}")
    assert (await heir.info("run")).status is RunStatus.INTERRUPTED
    assert await heir.resume("run") == b"1"
    assert (await heir.info("run")).status is RunStatus.ENDED


async def test_a_dead_engine_ends_no_run() -> None:
    store = MemoryStore()
    dying = MemoryEngine(store)

    async def die(run: OpenRun, request: bytes) -> bytes:
        dying.abandon()
        return b"{}"

    await dying.open(die)
    with pytest.raises(StoreError, match="this engine no longer works on"):
        await dying.start("run", b"{}")
    assert (await MemoryEngine(store).info("run")).status is RunStatus.INTERRUPTED
