"""Episodes, carried out one after the other and written down at once, so that a run can be cut and gone on with.

Invariants: an episode that is in the file is not carried out again; each is bounded in calls and in time,
whoever carries it out; what hangs is ended and counted as out of time.
"""

import asyncio
import json
import queue
import select
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from bench.recovery_parts.arms import Task, nebulus_episode
from bench.recovery_parts.plain import plain_episode
from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.testing.proxy import FaultyProxy

Row = dict[str, Any]
GRACE_S = 15.0
"""Beyond its bound, for a process of another framework to start and to end."""


class Bench(Struct, frozen=True, kw_only=True):
    """How episodes are carried out: which server (the proxy before it), which bounds, which interpreters, and where rows go."""

    url: str
    seconds: float
    request_s: float
    pythons: dict[str, str]
    rows: Path | None
    until_s: float
    """When to stop for now, on the monotonic clock; 0 is never."""


@contextmanager
def proxied(url: str) -> Iterator[str]:
    """Put the proxy that fails by plan before a server, in a thread of its own; yield its address."""
    ready: queue.Queue[str] = queue.Queue()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def stand() -> None:
        async with FaultyProxy(url) as proxy:
            ready.put(proxy.url)
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(stand(),))
    thread.start()
    try:
        yield ready.get(timeout=GRACE_S)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def name_of(row: Row) -> str:
    """Return what tells one episode from all others."""
    about = ("arm", "seed", "depth", "faults", "rate", "server_rate", "wordings")
    return json.dumps([row[name] for name in about])


def known_rows(path: Path | None) -> list[Row]:
    """Return the rows of an earlier part of the run."""
    if path is None or not path.exists():
        return []
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]


def carried_out(bench: Bench, arms: Sequence[str], todo: list[Task]) -> list[Row]:
    """Return a row for every arm and task, old ones and new ones; fewer where the time for now is over."""
    rows = {name_of(row): row for row in known_rows(bench.rows)}
    for arm in arms:
        left = [task for task in todo if name_of(_row(arm, task)) not in rows]
        for number, row in enumerate(_episodes(bench, arm, left), start=1):
            rows[name_of(row)] = row
            if bench.rows is not None:
                with bench.rows.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
            print(f"{arm}: {number} of {len(left)}, {row['verdict']}", file=sys.stderr, flush=True)
            if 0 < bench.until_s < time.monotonic():
                print("cut here; the same command goes on", file=sys.stderr)
                return _in_order(rows, arms, todo)
    return _in_order(rows, arms, todo)


def _in_order(rows: dict[str, Row], arms: Sequence[str], todo: list[Task]) -> list[Row]:
    wanted = (name_of(_row(arm, task)) for arm in arms for task in todo)
    return [rows[name] for name in wanted if name in rows]


def _row(arm: str, task: Task) -> Row:
    made: Row = msgspec.to_builtins(task)
    return made | {"arm": arm}


def _episodes(bench: Bench, arm: str, todo: list[Task]) -> Iterator[Row]:
    if arm not in bench.pythons:
        for task in todo:
            yield _row(arm, task) | asyncio.run(_here(bench, arm, task))
    elif bench.pythons[arm]:
        yield from _elsewhere(bench, arm, todo)
    else:
        print(f"skipped: {arm}, for no interpreter of its environment was named", file=sys.stderr)


async def _here(bench: Bench, arm: str, task: Task) -> Row:
    """Carry one episode out in this process."""
    if not bench.url:
        return await nebulus_episode(task, None, arm=arm, seconds=bench.seconds)
    address = _address(bench, task)
    await asyncio.to_thread(_forget, address)
    settings = BackendSettings(kind="llama.cpp", url=address, timeout_s=bench.request_s)
    backend = open_backend(settings)
    try:
        if arm == "plain":
            return await plain_episode(task, backend, seconds=bench.seconds)
        return await nebulus_episode(task, backend, arm=arm, seconds=bench.seconds)
    finally:
        await backend.close()


def _elsewhere(bench: Bench, arm: str, todo: list[Task]) -> Iterator[Row]:
    """Have episodes carried out in another framework's environment; a process that hangs is ended."""
    command = [bench.pythons[arm], "-m", "bench.recovery_parts.peers", arm]
    command += [str(bench.seconds), str(bench.request_s)]
    process: subprocess.Popen[str] | None = None
    for task in todo:
        process = process or subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr, text=True
        )
        row, address = _row(arm, task), _address(bench, task)
        _forget(address)
        answer = _asked(process, json.dumps(row | {"url": address}), within_s=bench.seconds + GRACE_S)
        if answer is None:
            if process.poll() is not None:
                raise SystemExit(f"{bench.pythons[arm]} can't run {arm}: see what it said above")
            _end(process)
            process = None
        yield row | (answer or _hung(bench.seconds)) | {"model_calls": _forget(address)}
    if process is not None:
        _end(process)


def _address(bench: Bench, task: Task) -> str:
    """Return where the model is asked: through the proxy, which also counts."""
    return f"{bench.url}/{quote(task.faults[0])}/{task.server_rate}/{task.seed}"


def _forget(address: str) -> int:
    """Restart the plan of an address; return how often the model was asked there, refusals included."""
    with urllib.request.urlopen(f"{address}/_plan", timeout=GRACE_S) as told:
        return int(json.load(told)["answers"])


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def _asked(process: subprocess.Popen[str], question: str, *, within_s: float) -> Row | None:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):  # Then nothing comes back either, and that is seen below.
        process.stdin.write(question + "\n")
        process.stdin.flush()
    ready, _, _ = select.select([process.stdout], [], [], within_s)
    text = process.stdout.readline() if ready else ""
    answer: Row | None = json.loads(text) if text.strip() else None
    return answer


def _hung(seconds: float) -> Row:
    told = {"verdict": "bound", "ended": "it hung and was ended", "seconds": seconds, "is_right": False}
    return told | dict.fromkeys(("done", "wrong", "repeated", "faults_met", "model_calls"), 0)
