"""The depth curve on real models: how many steps can a model carry, alone and inside Nebulus?

    python bench/real_depth.py MODEL … --depths 1,2,4,8,16 --jobs 30 --json depth.jsonl [--resume]
    python bench/real_depth.py MODEL --show 8                  # print a job, and measure nothing
    python bench/real_depth.py --table depth.jsonl --write docs/measured     # table and plot, without measuring

A job is a runbook of `depth` lines in ordinary English over the papers of a small office (letters, invoices, notes,
settings): create, rename, move, delete, change, append, look up and write down. Lines and wordings are drawn by a seed, so
every model and arm meets the same jobs. Code judges the files at the end: *right* if each is as it should be and the run
says that it is done.

Arms: `loop` is a plain loop with the same tools, a growing transcript and errors fed back; `loop-constrained` is the same
with each answer constrained to one call; `nebulus` is `nebulus run -f JOB --workspace FOLDER --yes -m MODEL`. A plain
loop is ended as done as soon as its files are right, which favours it. The time allowed grows with the depth.
Jobs are taken in rounds (one of each depth by every arm), so an interrupted measurement compares the same jobs.
"""

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec

from bench.ceiling_parts.report import plot, wilson
from bench.real_goals import is_there
from bench.real_parts.jobs import Job, make_job
from bench.real_parts.measuring import ARMS, Arm, Plan, Work, measure, progress
from bench.real_parts.records import Records, Row, groups, rows_of, stopped_list, wrong_list
from bench.real_parts.serving import open_model
from nebulus.app.settings import tier_name
from nebulus.ports.backend import ModelBackend

DEPTHS = (1, 2, 4, 8, 16)
CURVE: tuple[Arm, ...] = ("loop", "loop-constrained", "nebulus")
HEADER = (
    "| model | arm | depth | jobs right | 95 % interval | stopped | done and wrong | damaged | answers | prompt tokens "
    "| evaluated | answer tokens | wall s |\n|---|---|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def work_of(job: Job, number: int) -> Work:
    """Return a job as what is measured."""
    return Work(
        item=f"{job.depth}/{number}",
        kind=str(job.depth),
        text=job.text,
        files=job.files,
        judge=job.judge,
        is_complete=job.is_complete,
    )


def plan_of(model: str, arm: Arm, depth: int, *, given: argparse.Namespace) -> Plan:
    """Return how a job of this depth is run."""
    return Plan(
        model=model,
        arm=arm,
        seconds=given.seconds * (depth + 1),
        tokens=given.tokens * (depth + 1),
        turns=4 * depth + 6,
        journals=given.journals,
    )


async def measure_jobs(
    model: str,
    inner: ModelBackend,
    given: argparse.Namespace,
    *,
    records: Records,
    until: float = float("inf"),
) -> None:
    """Measure the jobs in rounds on one server, until the time `until` of the monotonic clock."""
    for number in range(given.jobs):
        for depth in given.depths:
            job = make_job(depth, number)
            for arm in given.arms:
                plan, work = plan_of(model, arm, depth, given=given), work_of(job, number)
                if records.has(tier_name(model), plan.arm_name, work.item):
                    continue
                if time.monotonic() > until:
                    print("the time of the measurement is used up; --resume goes on", flush=True)
                    return
                row = await measure(work, plan, inner)
                records.add(row)
                print(progress(row, number=number + 1, of=given.jobs), flush=True)


async def measure_model(model: str, given: argparse.Namespace, *, records: Records, until: float) -> None:
    """Measure all jobs on one model, with one server."""
    inner = open_model(model)
    try:
        await inner.describe()
        await measure_jobs(model, inner, given, records=records, until=until)
    finally:
        await inner.close()


def cells(rows: list[Row]) -> list[dict[str, Any]]:
    """Return the figures of each model, arm and depth: means over its jobs."""
    found = []
    for some in groups(rows, lambda row: (row.model, row.arm, row.kind)).values():
        good, count = sum(row.verdict == "right" for row in some), len(some)
        low, high = wilson(good, count)
        means = {
            name: sum(getattr(row, name) for row in some) / count
            for name in ("answers", "prompt_tokens", "evaluated_tokens", "answer_tokens", "seconds")
        }
        found.append(
            {
                "model": some[0].model,
                "arm": some[0].arm,
                "depth": int(some[0].kind),
                "episodes": count,
                "ok": good,
                "low": low,
                "high": high,
                "stopped": sum(row.verdict == "stopped" for row in some),
                "wrong": sum(row.verdict == "wrong" for row in some),
                "damaged": sum(bool(row.damage) for row in some),
                **means,
            }
        )
    arms = list(dict.fromkeys(cell["arm"] for cell in found))
    models = list(dict.fromkeys(cell["model"] for cell in found))
    return sorted(
        found, key=lambda cell: (models.index(cell["model"]), arms.index(cell["arm"]), cell["depth"])
    )


def line(cell: dict[str, Any]) -> str:
    """Return one row of the table."""
    return (
        f"| {cell['model']} | {cell['arm']} | {cell['depth']} | {cell['ok']}/{cell['episodes']} "
        f"| {cell['low']:.2f}-{cell['high']:.2f} | {cell['stopped']} | {cell['wrong']} | {cell['damaged']} "
        f"| {cell['answers']:.1f} | {cell['prompt_tokens']:.0f} | {cell['evaluated_tokens']:.0f} "
        f"| {cell['answer_tokens']:.0f} | {cell['seconds']:.1f} |"
    )


def write(rows: list[Row], folder: Path) -> None:
    """Write table, figures and plot into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    found = cells(rows)
    (folder / "real_depth.md").write_text("\n".join([HEADER, *map(line, found)]) + "\n")
    (folder / "real_depth.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    models = dict.fromkeys(cell["model"] for cell in found)
    panels = {model: [cell for cell in found if cell["model"] == model] for model in models}
    plot(panels, folder / "real_depth.svg")


def report(rows: list[Row], folder: Path | None) -> None:
    """Print the table and what went wrong, and write the documents if a folder is given."""
    print("\n".join(["", HEADER, *map(line, cells(rows))]))
    print(f"\n{wrong_list(rows)}\n\n{stopped_list(rows)}")
    if folder is not None:
        write(rows, folder)


def arguments() -> argparse.Namespace:
    """Return what was given on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--depths", type=lambda text: [int(part) for part in text.split(",")], default=DEPTHS)
    parser.add_argument("--jobs", type=int, default=30, help="jobs of each depth")
    parser.add_argument("--arms", type=lambda text: text.split(","), default=list(CURVE))
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="wall time allowed for each step, and one more"
    )
    parser.add_argument(
        "--tokens", type=int, default=20_000, help="tokens allowed for each step, and one more"
    )
    parser.add_argument("--budget-s", type=float, default=float("inf"), help="begin no job after so long")
    parser.add_argument("--json", type=Path, help="append a line for each job to this file")
    parser.add_argument("--resume", action="store_true", help="leave out what the file has already")
    parser.add_argument("--journals", type=Path, help="write the journal of each run into this folder")
    parser.add_argument("--write", type=Path, help="write real_depth.md, .json and .svg into this folder")
    parser.add_argument("--table", type=Path, help="report on this file, and measure nothing")
    parser.add_argument(
        "--show", type=int, metavar="DEPTH", help="print the first job of a depth, and measure nothing"
    )
    given = parser.parse_args()
    for arm in given.arms:
        if arm not in ARMS:
            parser.error(f"--arms: there is no {arm!r}; there are {', '.join(ARMS)}")
    if not (given.models or given.table or given.show):
        parser.error("name a model, or give --table or --show")
    return given


def main() -> None:
    """Measure, and print a line for each job and the table at the end."""
    given = arguments()
    if given.show:
        print(make_job(given.show, 0).text)
        return
    if given.table:
        report(rows_of(given.table), given.write)
        return
    records, until = Records(given.json, resumes=given.resume), time.monotonic() + given.budget_s
    for model in filter(is_there, given.models):
        asyncio.run(measure_model(model, given, records=records, until=until))
    report(records.rows, given.write)


if __name__ == "__main__":
    main()
