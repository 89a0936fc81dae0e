"""No progress: on generated traces with and without loops, and on recorded runs of real models.

A trace is a sequence of calls with their results. A detection counts when a call is blocked at or after
the place where the loop began; a false alarm when one is blocked in honest work, or before that place.
Recorded runs are replayed open-loop: what would have been blocked, not what the model would have done next.
"""

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from nebulus.core.findings import Call
from nebulus.core.history import CallHistory
from nebulus.core.tools import Effect, ToolSpec
from nebulus.recovery import stagnation
from nebulus.recovery.stagnation import blocked, with_record

TRACES = 400
READERS = [
    "get",
    "read",
    "search",
    "list",
    "ls",
    "cat",
    "find",
    "check",
    "pwd",
    "grep",
    "display",
    "show",
    "view",
    "wc",
    "diff",
    "tail",
    "sort",
    "du",
    "estimate",
    "compute",
    "calc",
    "mean",
    "lookup",
    "query",
]
"""First words of names by which recorded tools, which declare nothing, are taken to only look."""


class Step(Struct, frozen=True):
    """One call of a trace and its result; `is_loop` where an attentive person would have stepped in."""

    tool: str
    arguments: dict[str, Any]
    result: str
    is_change: bool = False
    is_error: bool = False
    is_loop: bool = False


def honest(rng: random.Random) -> list[Step]:
    """Return work that gets somewhere: searching, reading, changing, looking again, polling."""
    steps: list[Step] = []
    for _ in range(rng.randint(3, 10)):
        name = f"notes/{rng.randrange(1000)}.md"
        match rng.randrange(6):
            case 0:
                steps.append(Step("list", {"path": "."}, f"{rng.randrange(10**6)} entries"))
            case 1:
                steps += [
                    Step("read", {"path": name, "line": n}, f"{name} {n} {rng.random()}") for n in (1, 50, 99)
                ]
            case 2:
                text = str(rng.random())
                seen = [Step("read", {"path": name}, old) for old in ("empty", text)]
                steps += [seen[0], Step("write", {"path": name, "text": text}, "ok", True), seen[1]]
            case 3:
                polls = rng.randint(2, 6)
                steps += [Step("status", {"job": name}, '{"status": "running"}')] * polls
                steps.append(Step("status", {"job": name}, '{"status": "done"}'))
            case 4:
                word = f"w{rng.randrange(10**6)}"
                steps.append(Step("search", {"query": word}, "nothing found", is_error=False))
                steps.append(Step("search", {"query": word[:3]}, f"3 lines {rng.random()}"))
            case _:
                steps += [
                    Step("write", {"path": name, "text": "a"}, "ok", True),
                    Step("check", {}, "2 of 3 pass"),
                    Step("write", {"path": name, "text": "b"}, "ok", True),
                    Step("check", {}, "3 of 3 pass"),
                ]
    return steps


def looping(rng: random.Random, kind: str) -> list[Step]:
    """Return honest work that ends in a loop of `kind`; the second round is where the loop shows."""
    steps = honest(rng)[: rng.randint(0, 8)]
    salt = str(rng.randrange(10**6))
    match kind:
        case "the same call":
            cycle = [Step("read", {"path": salt}, "the same")]
        case "the same error":
            cycle = [Step("write", {"path": salt, "text": "x"}, "denied", True, True)]
        case "the same change":
            cycle = [Step("write", {"path": salt, "text": "x"}, "ok", True)]
        case "A-B-A-B":
            cycle = [Step("list", {"path": salt}, "a b"), Step("read", {"path": salt}, "x")]
        case "to and fro":
            cycle = [Step("write", {"path": salt, "text": word}, "ok", True) for word in "xy"]
        case "longer cycle":
            length = rng.randint(3, 6)
            cycle = [Step("read", {"path": f"{salt}{n}"}, str(n)) for n in range(length)]
        case "other words":
            return steps + [
                Step("search", {"query": f"{salt} {n} {rng.random()}"}, "nothing found", is_loop=n > 0)
                for n in range(30)
            ]
        case _:
            polls = [Step("status", {"job": salt}, '{"status": "pending"}')] * 8
            return (
                steps
                + polls
                + [Step("status", {"job": salt}, '{"status": "pending"}', is_loop=True) for _ in range(30)]
            )
    return (
        steps
        + cycle
        + [
            Step(s.tool, s.arguments, s.result, s.is_change, s.is_error, is_loop=True)
            for _ in range(12)
            for s in cycle
        ]
    )


KINDS = (
    "the same call", "the same error", "the same change", "A-B-A-B", "to and fro", "longer cycle", "other words",
    "polled for ever",
)  # fmt: skip


def blocked_at(steps: list[Step]) -> int:
    """Return the index of the first step that would have been blocked, -1 for none."""
    history = CallHistory()
    for index, step in enumerate(steps):
        if blocked(history, step.tool, step.arguments):
            return index
        call = Call(step.tool, step.arguments)
        spec = ToolSpec(name=step.tool, effect=Effect.WRITE if step.is_change else Effect.READ)
        record = stagnation.recorded(
            call, spec, step=1, result=step.result, history=history, is_error=step.is_error
        )
        history = with_record(history, record)
    return -1


def generated() -> None:
    """Print what becomes of generated traces."""
    print("| trace | traces | stopped | calls into the loop until then, median (most) | stopped too early |")
    print("|---|--:|--:|--:|--:|")
    for kind in ("honest", *KINDS):
        stopped, early, waits = 0, 0, []
        for seed in range(TRACES):
            rng = random.Random(f"{kind} {seed}")
            steps = honest(rng) if kind == "honest" else looping(rng, kind)
            at = blocked_at(steps)
            began = next((n for n, step in enumerate(steps) if step.is_loop), len(steps))
            if at >= began:
                stopped += 1
                waits.append(at - began + 1)
            elif at >= 0:
                early += 1
        waits.sort()
        told = f"{waits[len(waits) // 2]} ({waits[-1]})" if waits else "-"
        print(f"| {kind} | {TRACES} | {stopped} | {told} | {early} |")


def gpt_oss(folder: Path) -> Iterator[tuple[str, list[Step]]]:
    """Yield the turns of recorded gpt-oss-20b traces, with how the whole run ended."""
    with gzip.open(folder / "gpt_oss_traces" / "dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            run = json.loads(line)
            for turn in run["turns"]:
                steps = [
                    _recorded(name, arguments, result)
                    for step in turn["steps"]
                    for call, result in zip(step["assistant"], step["tool_results"], strict=False)
                    for name, arguments in call.items()
                ]
                ran_out = len(turn["steps"]) >= 20
                ended = "ran out of steps" if ran_out else ("right" if run["official_ok"] else "wrong")
                yield ended, steps


def _recorded(name: str, arguments: str, result: str) -> Step:
    try:
        read = json.loads(arguments)
    except ValueError:
        read = {"raw": arguments}
    is_error = result.startswith("Error during") or '"error"' in result[:200]
    return Step(name, read if isinstance(read, dict) else {"raw": read}, result, not _looks(name), is_error)


def agentdojo(folder: Path) -> Iterator[tuple[str, list[Step]]]:
    """Yield recorded AgentDojo runs, with whether the user's task was solved."""
    with gzip.open(folder / "agentdojo_runs" / "dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            run = json.loads(line)
            steps = []
            for message in run["messages"]:
                if message["role"] == "tool":
                    call, name = message["tool_call"], message["tool_call"]["function"]
                    result = str(message["content"] or message["error"])
                    steps.append(
                        Step(name, call["args"] or {}, result, not _looks(name), bool(message["error"]))
                    )
            yield ("right" if run["utility"] else "wrong"), steps


def _looks(name: str) -> bool:
    bare = name.partition("<")[0].rpartition(".")[2].lower()
    return bare.startswith(tuple(READERS)) or bare == "cd"


def recorded(name: str, runs: Iterator[tuple[str, list[Step]]]) -> None:
    """Print what becomes of recorded runs, by how they ended."""
    count: Counter[str] = Counter()
    stopped: Counter[str] = Counter()
    saved: Counter[str] = Counter()
    for ended, steps in runs:
        count[ended] += 1
        at = blocked_at(steps)
        if at >= 0:
            stopped[ended] += 1
            saved[ended] += len(steps) - at
    for ended in sorted(count):
        print(f"| {name} | {ended} | {count[ended]} | {stopped[ended]} | {saved[ended]} |")


def main(data: Path | None) -> None:
    """Print both tables; the second only where the recordings are."""
    generated()
    if data is None:
        print("\nskipped: recorded runs, for --data names no folder")
        return
    print("\n| recorded runs | ended | turns or runs | a call blocked | calls after the block |")
    print("|---|---|--:|--:|--:|")
    recorded("gpt-oss-20b", gpt_oss(data))
    recorded("AgentDojo, 5 models", agentdojo(data))
