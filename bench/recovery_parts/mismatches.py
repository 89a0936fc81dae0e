"""Compares right calls with the text of their step: how often does the argument check object wrongly?

On recorded answers of real models to BFCL's questions (with the question as the step) and on the right
calls of the nano language. The rule for changes (`unasked`) does not apply to questions; it is counted as
if every tool changed something.
"""

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from nano.environment import Environment
from nano.language import Reference, make_job, resolve
from nebulus.calls import read
from nebulus.calls.assignments import assignments
from nebulus.calls.step_arguments import contradicted, doubted, spelled, unasked
from nebulus.core.answers import ModelAnswer, RawCall
from nebulus.core.findings import Call
from nebulus.core.tools import Effect, ToolSpec

JOBS = 300
DEPTH = 8


class Recorded(Struct, frozen=True):
    """One recorded call: the words that asked for it, and how its answer was judged."""

    words: str
    call: Call
    tool: ToolSpec
    is_right: bool
    is_only: bool


def recorded(folder: Path) -> Iterator[Recorded]:
    """Yield the calls of recorded answers that could be read."""
    with gzip.open(folder / "bfcl_calls" / "dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["category"] == "relevance":
                continue
            tools = [_spec(tool["function"]) for tool in row["tools"]]
            words = "\n".join(message["content"] for message in row["messages"] if message["role"] == "user")
            made = read(_answer(row), tools).calls
            for call in made:
                tool = next(tool for tool in tools if tool.name == call.tool)
                yield Recorded(words, call, tool, row["official_ok"], len(made) == 1)


def _spec(function: dict[str, Any]) -> ToolSpec:
    return ToolSpec(
        name=function["name"],
        description=function.get("description", ""),
        parameters=function["parameters"],
    )


def _answer(row: dict[str, Any]) -> ModelAnswer:
    if row["channel"] == "text":
        return ModelAnswer(text=row["raw"])
    try:
        made = [(name, given) for call in json.loads(row["raw"]) for name, given in call.items()]
    except (ValueError, AttributeError):
        return ModelAnswer(text=row["raw"])
    return ModelAnswer(calls=tuple(RawCall(name, given) for name, given in made))


def of_records(folder: Path) -> None:
    """Print how many recorded calls each rule speaks against."""
    print("| recorded calls (BFCL) | calls | contradicted | doubted | unasked, were they changes |")
    print("|---|--:|--:|--:|--:|")
    counts: dict[tuple[bool, bool], Counter[str]] = {}
    for one in recorded(folder):
        count = counts.setdefault((one.is_only, one.is_right), Counter())
        changing = replace(one.tool, effect=Effect.WRITE)
        count["calls"] += 1
        count["contradicted"] += contradicted(one.words, one.call, one.tool) is not None
        count["doubted"] += doubted(one.words, one.call, one.tool) is not None
        count["unasked"] += unasked(one.words, one.call, changing) is not None
    for (is_only, is_right), count in sorted(counts.items(), reverse=True):
        name = f"{'the only one of its answer' if is_only else 'one of several'}, {'right' if is_right else 'wrong'}"
        figures = " | ".join(str(count[key]) for key in ("calls", "contradicted", "doubted", "unasked"))
        print(f"| {name} | {figures} |")


def of_jobs() -> None:
    """Print how many arguments of right calls the words are seen to assign, and how many wrongly."""
    print("\n| sentences of the nano language | arguments | assigned | certain | assigned wrongly |")
    print("|---|--:|--:|--:|--:|")
    for wordings in ("train", "held_out"):
        count: Counter[str] = Counter()
        for seed in range(JOBS):
            count.update(_of_job(seed, wordings))
        figures = " | ".join(str(count[key]) for key in ("arguments", "assigned", "certain", "wrong"))
        print(f"| {wordings} | {figures} |")


def _of_job(seed: int, wordings: str) -> Counter[str]:
    job = make_job(random.Random(seed), DEPTH, "held_out", wordings=wordings)  # type: ignore[arg-type]
    world, count = Environment(job, random.Random(seed), 0.0, "held_out"), Counter[str]()
    tools = {tool["function"]["name"]: _spec(tool["function"]) for tool in job.tools}
    while not world.is_complete:
        name, due = world.expected()
        step = job.steps[world.done]
        known = [spelled(due[key]) for key, value in step.arguments if isinstance(value, Reference)]
        said = assignments(resolve(step.text, world.results), tools[name], known)
        count["arguments"] += len(due)
        count["assigned"] += len(said)
        count["certain"] += sum(one.is_certain for one in said)
        count["wrong"] += sum(spelled(due.get(one.name)).lower() != one.value.lower() for one in said)
        world.execute(name, due)
    return count


def main(data: Path | None) -> None:
    """Print both tables; the first only where the recordings are."""
    if data is None:
        print("skipped: recorded calls, for --data names no folder")
    else:
        of_records(data)
    of_jobs()
