"""Recovery, measured: faults in every tool call, classes of real errors, loops, and what each strategy is worth.

    python bench/recovery.py faults    [--episodes 3] [--depths 8,16] [--rates 0.1,0.3] [--arms ...]
    python bench/recovery.py servers   # the model server fails instead of the tools
    python bench/recovery.py ablation  # Nebulus with one strategy off
    python bench/recovery.py classes   # is the class of a real error recognised?
    python bench/recovery.py loops     # are loops stopped, and honest work left alone?

`faults` carries out the same seeded jobs of the nano model's language in worlds whose tools fail by a plan
(`nebulus.testing.faults`), by every arm against one llama.cpp server, in one run. `right`: every step was
carried out once, in order, and nothing else, and the arm says so. `loud`: it ended otherwise and said that
it is not done. `silent`: it says that it is done, and it is not. The agents of other frameworks run in
virtual environments of their own: `--langgraph PYTHON`, `--pydantic PYTHON`; without, they are skipped.
"""

import argparse
import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec

from bench.ceiling_parts.report import wilson
from bench.recovery_parts import classes, loops
from bench.recovery_parts.arms import ABLATIONS, Task, nebulus_episode, plain_episode
from nano.serve import served
from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.app.bootstrap import nano_path
from nebulus.testing.faults import OF_SERVERS, Fault

SEED = 20_261_122
ARMS = ("nebulus", "nebulus-checked", "plain", "langgraph", "pydantic-ai")
HEADER = (
    "| {title} | arm | episodes | right | 95 % interval | loud | wrong or silent | repeated effects "
    "| model calls | seconds | waited s |\n|---|---|--:|--:|---|--:|--:|--:|--:|--:|--:|"
)


def tasks(given: argparse.Namespace) -> list[Task]:
    """Return the episodes: every class at every rate and depth, each with its own job."""
    faults = OF_SERVERS if given.what == "servers" else list(Fault)
    made = []
    for index, fault in enumerate(faults):
        for rate in given.rates:
            for depth in given.depths:
                for number in range(given.episodes):
                    seed = SEED + 100_000 * index + 1000 * depth + number
                    of_tools, of_server = (0.0, rate) if given.what == "servers" else (rate, 0.0)
                    made.append(Task(seed, depth, [fault.value], of_tools, given.wordings, of_server))
    return made


async def here(arm: str, todo: Iterable[Task], url: str) -> list[dict[str, Any]]:
    """Run an arm of this process on every task."""
    backend = open_backend(BackendSettings(kind="llama.cpp", url=url)) if url else None
    rows = []
    try:
        for task in todo:
            run = (
                plain_episode(task, backend)
                if backend is not None and arm == "plain"
                else nebulus_episode(task, backend, arm=arm)
            )
            rows.append(msgspec.to_builtins(task) | {"arm": arm} | await run)
    finally:
        if backend is not None:
            await backend.close()
    return rows


def elsewhere(arm: str, todo: Iterable[Task], url: str, *, python: str) -> list[dict[str, Any]]:
    """Run another framework's agent in its own environment on every task; nothing where it is absent."""
    if not python:
        print(f"skipped: {arm}, for no interpreter of its environment was named", file=sys.stderr)
        return []
    lines = "".join(msgspec.json.encode(task).decode() + "\n" for task in todo)
    command = [python, "-m", "bench.recovery_parts.peers", arm, url]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"skipped: {arm}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
    return [json.loads(line) | {"arm": arm} for line in done.stdout.splitlines()]


def row_of(title: str, arm: str, rows: list[dict[str, Any]]) -> str:
    """Return one line of a table."""
    count = Counter(row["verdict"] for row in rows)
    low, high = wilson(count["right"], len(rows))
    repeated, calls = sum(row["repeated"] for row in rows), sum(row["model_calls"] for row in rows)
    seconds = sum(row["seconds"] for row in rows)
    waited = sum(row.get("waited_s", 0.0) for row in rows)
    return (
        f"| {title} | {arm} | {len(rows)} | {count['right']} | {low:.2f}-{high:.2f} | {count['loud']} "
        f"| {count['silent']} | {repeated} | {calls} | {seconds:.0f} | {waited:.0f} |"
    )


def table(rows: list[dict[str, Any]], key: str, title: str) -> str:
    """Return a table by one key of the rows, and within it by arm."""
    lines = [HEADER.format(title=title)]
    names = list(dict.fromkeys(str(row[key]) for row in rows))
    for name in names:
        for arm in dict.fromkeys(row["arm"] for row in rows):
            mine = [row for row in rows if row["arm"] == arm and str(row[key]) == name]
            if mine:
                lines.append(row_of(name, arm, mine))
    return "\n".join(lines)


def report(rows: list[dict[str, Any]], given: argparse.Namespace) -> None:
    """Print the tables, and keep the rows where asked."""
    for row in rows:
        row["fault"], row["all"] = row["faults_of"], "all"
        row["cell"] = f"{max(row['rate'], row['server_rate']):.0%}, depth {row['depth']}"
    for key in ("all", "cell", "fault"):
        print(table(rows, key, key), end="\n\n", flush=True)
    for arm in dict.fromkeys(row["arm"] for row in rows):
        ends = Counter((row["verdict"], row["ended"]) for row in rows if row["arm"] == arm)
        told = "; ".join(f"{verdict}, {ended}: {count}" for (verdict, ended), count in ends.most_common(12))
        print(f"- {arm}: {told}")
    if given.write:
        given.write.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def measure(given: argparse.Namespace) -> None:
    """Run the episodes against one server."""
    todo = tasks(given)
    pythons = {"langgraph": given.langgraph, "pydantic-ai": given.pydantic}
    rows: list[dict[str, Any]] = []
    with nullcontext("") if given.faultless else served(Path(given.model)) as url:
        for arm in given.arms:
            done = (
                elsewhere(arm, todo, url, python=pythons[arm])
                if arm in pythons
                else asyncio.run(here(arm, todo, url))
            )
            rows += [row | {"faults_of": row_faults(task)} for task, row in zip(todo, done, strict=False)]
    report(rows, given)


def row_faults(task: Task) -> str:
    """Return the name of the class of faults that a task meets."""
    return ", ".join(task.faults)


def main() -> None:
    """Measure what is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what", nargs="?", default="faults", choices=("faults", "servers", "ablation", "classes", "loops")
    )
    parser.add_argument("--model", default=str(nano_path()), help="a GGUF file; the model in the package")
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument(
        "--depths", type=lambda text: [int(part) for part in text.split(",")], default=[8, 16]
    )
    parser.add_argument(
        "--rates", type=lambda text: [float(part) for part in text.split(",")], default=[0.1, 0.3]
    )
    parser.add_argument("--arms", type=lambda text: text.split(","))
    parser.add_argument("--wordings", choices=("held_out", "train"), default="train")
    parser.add_argument("--langgraph", default="", help="the interpreter of an environment with langchain")
    parser.add_argument("--pydantic", default="", help="the interpreter of an environment with pydantic-ai")
    parser.add_argument("--faultless", action="store_true", help="a scripted model that makes no mistake")
    parser.add_argument("--data", type=Path, help="a folder with agentdojo_runs and gpt_oss_traces (loops)")
    parser.add_argument("--write", type=Path, help="keep every episode in this file, one JSON object a line")
    given = parser.parse_args()
    match given.what:
        case "classes":
            classes.main()
        case "loops":
            loops.main(given.data)
        case "ablation":
            given.arms = given.arms or ["nebulus", *ABLATIONS]
            measure(given)
        case "servers":
            given.arms = given.arms or ["nebulus", "plain"]
            measure(given)
        case _:
            given.arms = given.arms or list(ARMS)
            measure(given)


if __name__ == "__main__":
    main()
