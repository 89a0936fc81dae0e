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
from collections.abc import Iterable
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
    """Return, for each model and level, how many valid calls in the answers are refused, and of these how many are right.

    An answer has a call that a person would accept if the reader finds one at the lowest level, valid for its tool,
    whatever is around it; it is right if it is the one that the job needs next. Answers that were cut are left out.
    """
    rows = [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    table: dict[tuple[str, str, str], Counter[str]] = {}
    for row in rows:
        part = "held out" if is_held_out(row["job"]) else "looked at"
        lowest = _called(row, CallEvidence.UNMARKED)
        for level, needed in LEVELS.items():
            counts = table.setdefault((row["model"], part, level), Counter(cut=0, refused=0, right_refused=0))
            if row["finish"] == "length":
                counts["cut"] += 1
                continue
            is_right, is_refused = lowest == row["right"], bool(lowest) and not _called(row, needed)
            counts["answers"] += 1
            counts["calls"] += bool(lowest)
            counts["right"] += is_right
            counts["refused"] += is_refused
            counts["right_refused"] += is_right and is_refused
    return [
        {"model": model, "part": part, "level": level, **counts}
        for (model, part, level), counts in sorted(table.items())
    ]


def _called(row: dict[str, Any], needed: Needed) -> dict[str, Any]:
    """Return the first call that is accepted, by its tool; an empty object for none."""
    tools = msgspec.convert(row["tools"], tuple[ToolSpec, ...])
    return {
        call.tool: call.arguments
        for call in read(ModelAnswer(text=row["text"]), tools, needed=needed).calls[:1]
    }


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rate of each level, with its 95 % interval."""
    print(
        "| model | part | evidence needed | answers, cut | with a valid call | refused | 95 % interval | right | refused |"
    )
    print("|---|---|---|--:|--:|--:|---|--:|--:|")
    for row in [*rows, *_together(rows)]:
        low, high = wilson(row["refused"], row["calls"])
        cells = (row["model"], row["part"], row["level"], f"{row['answers']}, {row['cut']}", row["calls"])
        print(
            "|",
            " | ".join(map(str, cells)),
            f"| {row['refused']} | {low:.1%}-{high:.1%} | {row['right']} | {row['right_refused']} |",
        )


def _together(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sum over models, for each part and level."""
    table: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        counts = {name: value for name, value in row.items() if isinstance(value, int)}
        table.setdefault((row["part"], row["level"]), Counter()).update(counts)
    return [
        {"model": "all", "part": part, "level": level, **counts} for (part, level), counts in table.items()
    ]


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
