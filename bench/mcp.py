"""What a server with many tools costs a prompt: tools and bytes shown per step, and whether the right one is among them.

python bench/mcp.py                  # 150 tools that nobody here wrote, from the folder that NEBULUS_DATA names
python bench/mcp.py --tools 50 --windows 4096 8192 32768

The tools are those of BFCL, as one server would list them; a goal is one of its questions, whose tools are among them.
A step of a plan shows as many tools as its tier is set to (5); an open step, which lasts for the whole run, as many as
fit half of the room. Tokens are bytes times the rate that is assumed before a server has told its own.
"""

import argparse
import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from nebulus.adapters.mcp.definitions import Definition, Unusable, spec_of
from nebulus.adapters.mcp.settings import McpServerSettings
from nebulus.core.commands import AskModel
from nebulus.core.config import RunConfig
from nebulus.core.events import RunStarted
from nebulus.core.plan import Goal, Plan, PlanMode, Step
from nebulus.core.tiers import StepKind, Tier
from nebulus.core.tools import ToolSpec
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.request import compose
from nebulus.loop.transitions import feed
from nebulus.memory.window import estimated

SERVER = McpServerSettings(command=("server",))
FILE = "bfcl_calls/dev.jsonl.gz"


class Task(Struct, frozen=True):
    """A question, and the tools that answer it, by their names here."""

    question: str
    right: frozenset[str]


def items(folder: Path) -> Iterator[dict[str, Any]]:
    """The recorded items, each question once."""
    seen: set[str] = set()
    with gzip.open(folder / FILE, "rt", encoding="utf-8") as file:
        for line in file:
            item = json.loads(line)
            if item["id"] not in seen and item["ground_truth"]:
                seen.add(item["id"])
                yield item


def server_of(folder: Path, most: int) -> tuple[tuple[ToolSpec, ...], list[Task], int]:
    """At most so many tools, the questions about them, and how many definitions could not be used."""
    specs: dict[str, ToolSpec] = {}
    tasks: list[Task] = []
    unusable = 0
    for item in items(folder):
        made = {}
        for tool in item["tools"]:
            function = tool.get("function", tool)
            found = spec_of(
                Definition(
                    name=function["name"],
                    description=function.get("description", ""),
                    parameters=function["parameters"],
                ),
                "bfcl",
                SERVER,
            )
            if isinstance(found, Unusable):
                unusable += 1
                continue
            made[function["name"]] = found
        if len(specs | {spec.name: spec for spec in made.values()}) > most:
            continue
        specs |= {spec.name: spec for spec in made.values()}
        right = {name for call in item["ground_truth"] for name in call}
        if right <= made.keys():
            tasks.append(Task(item["messages"][-1]["content"], frozenset(made[name].name for name in right)))
    return tuple(specs.values()), tasks, unusable


def started(task: Task, specs: tuple[ToolSpec, ...], *, window: int, is_open: bool) -> Machine:
    """A run towards the question, at its first step."""
    tier = Tier(name="small", window_tokens=window, reserve_tokens=min(1024, window // 4))
    config = RunConfig(tools=specs, tiers=(tier,), planning=PlanMode.NEXT)
    plan = Plan(()) if is_open else Plan((Step(number=1, text=task.question),))
    return feed(new_machine(config), RunStarted(goal=Goal(text=task.question), plan=plan, config=config))


def measured(specs: tuple[ToolSpec, ...], tasks: list[Task], *, window: int, is_open: bool) -> dict[str, Any]:
    """What the first step of each task is shown."""
    shown, size, covered = 0, 0, 0
    for task in tasks:
        machine = started(task, specs, window=window, is_open=is_open)
        composed = compose(machine, AskModel(step=machine.tasks[0].step, kind=StepKind.EXECUTE, tier="small"))
        names = {tool.name for tool in composed.request.tools}
        shown += len(names & {spec.name for spec in specs})
        size += composed.size_bytes
        covered += task.right <= names
    count = len(tasks)
    return {
        "window": window,
        "step": "open" if is_open else "of a plan",
        "tools": shown / count,
        "bytes": size / count,
        "tokens": estimated(0.0, size // count),
        "covered": covered / count,
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", default=os.environ.get("NEBULUS_DATA", ""), help="folder of recorded data")
    parser.add_argument("--tools", type=int, default=150)
    parser.add_argument("--windows", type=int, nargs="*", default=[4096, 8192, 32768])
    options = parser.parse_args()
    if not (Path(options.data) / FILE).is_file():
        sys.exit(f"skipped: NEBULUS_DATA names no folder with {FILE}")
    specs, tasks, unusable = server_of(Path(options.data), options.tools)
    whole = len(json.dumps([spec.parameters for spec in specs])) + sum(
        len(spec.description) for spec in specs
    )
    print(
        f"{len(specs)} tools, {unusable} unusable, {whole:,} bytes of definitions; {len(tasks)} questions\n"
    )
    print("| window | step | tools shown | prompt bytes | about tokens | the right tool is shown |")
    print("|--:|---|--:|--:|--:|--:|")
    for window in options.windows:
        for is_open in (False, True):
            row = measured(specs, tasks, window=window, is_open=is_open)
            print(
                "| {window:,} | {step} | {tools:.1f} | {bytes:,.0f} | {tokens:,} | {covered:.0%} |".format(
                    **row
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
