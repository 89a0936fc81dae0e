"""Answers of a real model at depth, without a constraint, and which right calls among them a reader refuses.

    python -m bench.calls_parts.raw_answers MODEL --out answers.jsonl [--depth 8] [--seconds 280] [--seed 0] [--talking]

The model works through the jobs of `bench/real_depth.py` in a plain growing transcript. Whatever it answers, the right
call is put into the transcript with its result, so each answer has a known depth and a known right call. With
`--talking` it is asked before each call to say what it does, as a user who watches would. What it wrote is kept as it
came; `bench/calls.py harm --answers FILE …` reads it at each level of evidence.

A third of the jobs, by the digest of their id, is held out: nobody looks at these answers, and no rule was written by them.
"""

import argparse
import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.ceiling_parts.report import wilson
from bench.real_parts.arms import Task, Track, settings_for
from bench.real_parts.jobs import make_job
from bench.real_parts.loop import ENDS_FREE, SYSTEM
from bench.real_parts.serving import open_model
from bench.real_parts.workspace import workspace_of
from nebulus.app import bootstrap
from nebulus.calls import Needed, by_effect, read
from nebulus.core.answers import FreeForm, Message, ModelAnswer, ModelRequest, RawCall
from nebulus.core.failure import Failure
from nebulus.core.findings import CallEvidence
from nebulus.core.tools import ToolSpec
from nebulus.ports.backend import ModelBackend

ANSWER_TOKENS = 192
TALK = "Go on with the next line that is not done yet. Say in a sentence what you do, and call the tool."
LEVELS: dict[str, Needed] = {
    "unmarked": CallEvidence.UNMARKED,
    "opens": CallEvidence.OPENS,
    "announced": CallEvidence.ANNOUNCED,
    "whole": CallEvidence.WHOLE,
    "by effect": by_effect,
}


def is_held_out(job_id: str) -> bool:
    """Whether the answers of a job are only counted, and never looked at."""
    return hashlib.sha256(job_id.encode()).digest()[0] % 3 == 0


async def _sampled(
    model: str, job_id: str, backend: ModelBackend, *, is_talking: bool
) -> list[dict[str, Any]]:
    """Return what the model answers at each call of a job, in front of which all was done rightly."""
    rows: list[dict[str, Any]] = []
    depth, seed = map(int, job_id.split("/"))
    job = make_job(depth, seed)
    with workspace_of(job.files) as root:
        task = Task(text=job.text, root=root, model=model)
        track = Track(began=time.perf_counter())
        async with bootstrap.tools({"workspace": str(root)}, (), settings_for(task)) as kit:
            tools = {tool.spec.name: tool for tool in kit.tools if not tool.spec.handles}
            specs = tuple(msgspec.structs.replace(tool.spec, grounded=()) for tool in tools.values())
            messages = [Message("system", SYSTEM + ENDS_FREE), Message("user", job.text)]
            for number, right in enumerate(job.calls):
                if is_talking:
                    messages.append(Message("user", TALK))
                request = ModelRequest(
                    messages=tuple(messages), tools=specs, form=FreeForm(), max_tokens=ANSWER_TOKENS
                )
                answer = await backend.answer(request)
                row = {"model": Path(model).stem, "job": job_id, "depth": number + 1, "text": answer.text}
                row |= {
                    "is_talking": is_talking,
                    "finish": answer.finish.value,
                    "right": {right.tool: right.arguments},
                }
                rows.append({**row, "tools": msgspec.to_builtins(specs)})
                arguments = {
                    name: kit.workspace.canonical(value)
                    if name in tools[right.tool].spec.paths and kit.workspace
                    else value
                    for name, value in right.arguments.items()
                }
                output = await tools[right.tool].run(arguments, f"c{number}")
                said = output.sentence() if isinstance(output, Failure) else output.text
                call = RawCall(right.tool, json.dumps(right.arguments, ensure_ascii=False), f"c{number}")
                messages += [Message("assistant", "", (call,)), Message("tool", said, (), call.call_id)]
                track.succeeded(right.tool)
    return rows


def _append(path: Path, lines: Iterable[str]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(lines)


async def _sample(args: argparse.Namespace) -> None:
    began, seed = time.monotonic(), args.seed
    backend = open_model(args.model)
    try:
        while time.monotonic() - began < args.seconds:
            rows = await _sampled(args.model, f"{args.depth}/{seed}", backend, is_talking=args.talking)
            lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
            await asyncio.to_thread(_append, Path(args.out), lines)
            seed += 1
    finally:
        await backend.close()


def harm(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return, for each level, how many right calls in the answers are refused; whole and cut answers are told apart.

    An answer has its right call if the reader finds exactly that at the lowest level, whatever is around it.
    """
    rows = [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    table: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        if row["finish"] == "length":
            continue
        tools = msgspec.convert(row["tools"], tuple[ToolSpec, ...])
        is_right = _has_right(row, tools, CallEvidence.UNMARKED)
        for level, needed in LEVELS.items():
            counts = table.setdefault((row["model"], level), Counter())
            counts["answers"] += 1
            counts["right"] += is_right
            counts["refused"] += is_right and not _has_right(row, tools, needed)
    return [{"model": model, "level": level, **counts} for (model, level), counts in sorted(table.items())]


def _has_right(row: dict[str, Any], tools: Sequence[ToolSpec], needed: Needed) -> bool:
    reading = read(ModelAnswer(text=row["text"]), tools, needed=needed)
    return bool(reading.calls) and {reading.calls[0].tool: reading.calls[0].arguments} == row["right"]


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rate of each level, with its 95 % interval."""
    print("| model | evidence needed | answers | with the right call | refused | 95 % interval |")
    print("|---|---|--:|--:|--:|---|")
    for row in rows:
        low, high = wilson(row.get("refused", 0), row["right"])
        cells = (row["model"], row["level"], row["answers"], row["right"], row.get("refused", 0))
        print("|", " | ".join(map(str, cells)), f"| {low:.1%}-{high:.1%} |")


def main() -> None:
    """Sample answers, and write them down."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--out", required=True)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--talking", action="store_true", help="ask for a sentence before each call")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=280)
    asyncio.run(_sample(parser.parse_args()))


if __name__ == "__main__":
    main()
