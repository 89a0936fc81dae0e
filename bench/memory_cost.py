"""What keeping the state costs: distilling a 100 KB result, and composing a prompt at step 1,000."""

import json
import random
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from bench.memory_course import course
from bench.memory_needed import WORDS, Rate, chain, prompts
from bench.walk import Walk
from nano.language import make_job
from nebulus.core.plan import Goal, Plan, Step
from nebulus.core.state import State
from nebulus.memory.distil import with_active, with_result
from nebulus.memory.record import stored_result

ROUNDS = 15
SIZE_BYTES = 100_000


def log(rng: random.Random) -> str:
    """Return 100 KB of log lines: the densest text there is, with a date, an address and numbers in each line."""
    lines: list[str] = []
    while sum(map(len, lines)) < SIZE_BYTES:
        lines += [
            f"2026-11-{rng.randint(1, 28):02} 12:00:{rng.randint(10, 59)} request {rng.randint(0, 99999)} from "
            f"10.0.0.{rng.randint(0, 255)} took {rng.randint(1, 999)} ms, user u{rng.randint(0, 999)}@mail.example\n"
            for _ in range(100)
        ]
    return "".join(lines)[:SIZE_BYTES]


def prose(rng: random.Random) -> str:
    """Return 100 KB of plain words."""
    return " ".join(rng.choices(WORDS, k=SIZE_BYTES // 4))[:SIZE_BYTES]


def rows_of_json(rng: random.Random) -> str:
    """Return 100 KB of JSON: a list of objects."""
    rows = [{"id": f"k{n}", "mail": f"u{n}@mail.example", "sum": rng.random()} for n in range(1600)]
    return json.dumps(rows)[:-1] + "]"


def least_ms(work: Callable[[], Any]) -> float:
    """Return the least CPU time of several rounds, in milliseconds: a shared machine only ever adds."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return 1e3 * min(times)


def cost() -> list[dict[str, Any]]:
    """Print both tables and return their rows."""
    rows: list[dict[str, Any]] = []
    state = with_active(State(goal=Goal(text="g"), plan=Plan((Step(number=1, text="t"),))), 1)
    print("| distilled | KB | CPU ms | peak memory KB | facts kept |\n|---|--:|--:|--:|--:|")
    for kind in (log, prose, rows_of_json):
        text = kind(random.Random(1))

        def distil(text: str = text) -> State:
            told = stored_result(text, address="0" * 64, is_trusted=True)
            return with_result(state, step=1, tool="t", call_id="c1", result=told)

        tracemalloc.start()
        kept = len(distil().facts)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        rows.append(
            {"distilled": kind.__name__, "ms": least_ms(distil), "peak_kb": peak / 1024, "facts": kept}
        )
        last = rows[-1]
        print(
            f"| {kind.__name__} | {len(text) // 1000} | {last['ms']:.1f} | {last['peak_kb']:.0f} | {kept} |"
        )
    print("\n| composing | facts | CPU ms |\n|---|--:|--:|")
    for name, machine in _machines():
        ms = least_ms(lambda machine=machine: Walk(machine).composed)  # type: ignore[misc]
        facts = len(machine.state.facts)
        rows.append({"composing": name, "ms": ms, "facts": facts})
        print(f"| {name} | {facts} | {ms:.2f} |", flush=True)
    return rows


def _machines() -> list[tuple[str, Any]]:
    """The nano job and the office chain, at their last steps."""
    found = []
    for depth in (10, 100, 1000):
        job = make_job(random.Random(7), depth, "held_out")
        *_, last = course(job, seed=7, window_tokens=4096)
        found.append((f"step {depth} of a job", last.machine))
    made = chain(1000, wording="words", seed=1)
    *_, machine = _walked(made)
    return [*found, ("step 1000 of a chain of pages", machine)]


def _walked(made: Any) -> list[Any]:
    """The machine before each step of a chain."""
    return [machine for _, _, machine in prompts(made, 4000, Rate())]
