"""What it costs to record: CPU and time for each batch, compared with DBOS's own step and a bare insert, in one run.

    python bench/engine.py [--url PATH_OR_URL] [--batches 300] [--bytes 1000] [--rounds 5]

`engine` is `OpenRun.record` of the durable engine, from the event loop and back. `DBOS.run_step` is what DBOS
offers for the same row, called where it is cheapest: in a thread, without an event loop. `insert` is the
floor: one row and one synced commit through sqlite3 alone. `replay` resumes a run with the same records.
"""

import argparse
import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import dbos

from nebulus.adapters.engines.dbos import DbosEngine
from nebulus.adapters.stores.database import SynchronousConnection
from nebulus.ports.engine import OpenRun

Cost = tuple[float, float]
"""CPU and wall time in milliseconds for each batch."""


@dbos.DBOS.workflow(name="bench.peer")
def peer(batches: int, text: str) -> None:
    """Record what the engine records, with DBOS's own steps."""
    for _ in range(batches):
        dbos.DBOS.run_step({"name": "event"}, lambda: text)


def costs_of(work: Callable[[], object], batches: int) -> Cost:
    """Do `work` once, and return what it cost."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return _since(cpu, wall, batches)


def _since(cpu_s: float, wall_s: float, batches: int) -> Cost:
    return (time.process_time() - cpu_s) * 1000 / batches, (time.perf_counter() - wall_s) * 1000 / batches


def insert(path: Path, batches: int, text: str) -> None:
    """Insert as many rows, each in a transaction of its own."""
    with closing(sqlite3.connect(path, factory=SynchronousConnection)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS batches (text TEXT)")
        for _ in range(batches):
            with connection:
                connection.execute("INSERT INTO batches VALUES (?)", (text,))


async def measure(url: str, batches: int, text: str, *, rounds: int) -> dict[str, list[Cost]]:
    """Return what each way cost, round by round."""
    found: dict[str, list[Cost]] = {"insert": [], "DBOS.run_step": [], "engine": [], "replay": []}

    batch = text.encode()

    async def body(run: OpenRun, request: bytes) -> bytes:
        if run.past:
            return b"{}"
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(batches):
            await run.record(batch)
        found["engine"].append(_since(cpu, wall, batches))
        raise InterruptedError

    with tempfile.TemporaryDirectory() as folder:
        engine = DbosEngine(url or Path(folder) / "runs.sqlite")
        await engine.open(body)
        for _ in range(rounds):
            found["insert"].append(
                costs_of(partial(insert, Path(folder) / "floor.sqlite", batches, text), batches)
            )
            found["DBOS.run_step"].append(
                await asyncio.to_thread(costs_of, partial(peer, batches, text), batches)
            )
            run_id = f"bench-{uuid.uuid4().hex}"
            with suppress(InterruptedError):  # The body ends so that the run can be resumed.
                await engine.start(run_id, b"{}")
            cpu, wall = time.process_time(), time.perf_counter()
            await engine.resume(run_id)
            found["replay"].append(_since(cpu, wall, batches))
        await engine.close()
    return found


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="")
    parser.add_argument("--batches", type=int, default=300)
    parser.add_argument("--bytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    text = json.dumps({"text": "x" * given.bytes})
    found = asyncio.run(measure(given.url, given.batches, text, rounds=given.rounds))
    print(
        f"{given.batches} batches of {given.bytes} bytes, median of {given.rounds} rounds, ms for each batch"
    )
    floor = statistics.median(cpu for cpu, _ in found["insert"])
    for name, costs in found.items():
        cpu, wall = (statistics.median(column) for column in zip(*costs, strict=True))
        print(f"{name:<14} CPU {cpu:7.3f}  ({cpu / floor:5.1f} × insert)   wall {wall:7.3f}")


if __name__ == "__main__":
    main()
