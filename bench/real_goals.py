"""Forty goals in prose on real files: what does a real model get done, with Nebulus and in a plain loop?

    python bench/real_goals.py MODEL … --json goals.jsonl [--resume]
    python bench/real_goals.py MODEL --only delete-log,count-errors --mode next --journals journals
    python bench/real_goals.py MODEL … --arms nebulus,loop,loop-constrained --json goals.jsonl --resume
    python bench/real_goals.py --table goals.jsonl          # the tables again, without measuring
    python bench/real_goals.py MODEL --votes 3 --json votes.jsonl
    python bench/real_goals.py MODEL --sample 1 --json try1.jsonl; … --vote-table try0.jsonl try1.jsonl try2.jsonl

Each goal is typed as a newcomer would type it, and is worked on in a fresh folder with realistic files. Arms: `nebulus`
is what `nebulus run GOAL --workspace FOLDER --yes -m MODEL` does (`--mode` chooses how it plans); `loop` is a plain
loop with the same tools, in the model's own template or written into the prompt; `loop-constrained` is the same with
each answer constrained to one call. All arms meet the same server, files and limits, and every approval is given.

Code judges the files and the answer at the end. *right*: they are as they should be, nothing else has changed, and
the run says that it is done. For a goal that can't be reached, right is a loud stop, or an honest answer. *stopped*:
the run ended without claiming success. *done and wrong*: anything else. `damaged` counts runs that changed a file that
the goal doesn't ask to change. `evaluated` are the prompt tokens that the server did not have cached; the server is kept
for a whole measurement, so the front of the prompt is cached from the second goal on (`--cold` starts it again for each).

With --sample the goals are worked on as the try of that number of a vote; --vote-table says what a vote among such tries
would have decided, and what it would have cost, for each number of tries. It is what --votes does, computed from tries
that were made once.

MODEL is any model that `nebulus run -m` takes; a GGUF file that is not there is skipped.
"""

import argparse
import asyncio
import time
from pathlib import Path
from typing import get_args

from bench.real_parts.goal import ProseGoal, judge
from bench.real_parts.goals import BY_ID, GOALS
from bench.real_parts.measuring import ARMS, Plan, Work, measure, progress
from bench.real_parts.records import Records, Row, by_kind, rows_of, stopped_list, summary, wrong_list
from bench.real_parts.serving import open_model
from bench.real_parts.voting import vote_table
from nebulus.adapters.backends.settings import ToolForm
from nebulus.app.settings import tier_name
from nebulus.ports.backend import ModelBackend


def work_of(goal: ProseGoal) -> Work:
    """Return a goal as what is measured."""
    return Work(
        item=goal.id,
        kind=goal.kind,
        text=goal.text,
        files=goal.files,
        judge=lambda after, ended: judge(goal, after, ended),
        result=goal.result,
    )


async def measure_goals(
    goals: list[ProseGoal],
    plans: list[Plan],
    inner: ModelBackend,
    *,
    records: Records,
    until: float = float("inf"),
    is_cold: bool = False,
) -> None:
    """Measure every goal under every plan on one server, until the time `until` of the monotonic clock."""
    for plan in plans:
        for number, goal in enumerate(goals, start=1):
            if records.has(tier_name(plan.model), plan.arm_name, goal.id):
                continue
            if time.monotonic() > until:
                print("the time of the measurement is used up; --resume goes on", flush=True)
                return
            row = await measure(work_of(goal), plan, inner)
            records.add(row)
            print(progress(row, number=number, of=len(goals)), flush=True)
            if is_cold:
                await inner.close()


async def measure_model(
    model: str, goals: list[ProseGoal], given: argparse.Namespace, *, records: Records, until: float
) -> None:
    """Measure all goals on one model, with one server."""
    plans = [
        Plan(
            model=model,
            arm=arm,
            mode=given.mode,
            seconds=given.seconds,
            tokens=given.tokens,
            journals=given.journals,
            tool_form=given.tool_form,
            sample=given.sample,
            votes=given.votes,
        )
        for arm in given.arms
    ]
    inner = open_model(model, given.tool_form)
    try:
        await inner.describe()
        await measure_goals(goals, plans, inner, records=records, until=until, is_cold=given.cold)
    finally:
        await inner.close()


def tables(rows: list[Row]) -> str:
    """Return everything that is said about a measurement."""
    return "\n\n".join([summary(rows), by_kind(rows), wrong_list(rows), stopped_list(rows)])


def is_there(model: str) -> bool:
    """Whether a model can be measured; a file that is missing is named."""
    if not model.endswith(".gguf") or "://" in model or Path(model).exists():
        return True
    print(f"{model} is not there: skipped", flush=True)
    return False


def arguments() -> argparse.Namespace:
    """Return what was given on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--arms", "--arm", type=lambda text: text.split(","), default=["nebulus"])
    parser.add_argument("--mode", choices=("default", "outline", "next"), default="default")
    parser.add_argument("--tool-form", choices=get_args(ToolForm), default="auto")
    parser.add_argument("--only", type=lambda text: text.split(","), help="only the goals of these ids")
    parser.add_argument("--limit", type=int, help="only the first so many goals")
    parser.add_argument("--seconds", type=float, default=300.0, help="the most wall time of one goal")
    parser.add_argument("--tokens", type=int, default=100_000, help="the most tokens of one goal")
    parser.add_argument("--budget-s", type=float, default=float("inf"), help="begin no goal after so long")
    parser.add_argument("--json", type=Path, help="append a line for each goal to this file")
    parser.add_argument("--resume", action="store_true", help="leave out what the file has already")
    parser.add_argument("--journals", type=Path, help="write the journal of each run into this folder")
    parser.add_argument("--votes", type=int, default=1, help="try each goal in copies, as `--votes` does")
    parser.add_argument("--sample", type=int, default=0, help="be the try of this number, from 0, of a vote")
    parser.add_argument(
        "--vote-table", type=Path, nargs="+", help="what votes make of tries in these files, in order"
    )
    parser.add_argument("--cold", action="store_true", help="start the server again for each goal")
    parser.add_argument("--table", type=Path, help="print the tables of this file, and measure nothing")
    parser.add_argument("--list", action="store_true", help="print the goals, and measure nothing")
    given = parser.parse_args()
    for name, known in (("arms", ARMS), ("only", BY_ID)):
        for one in getattr(given, name) or ():
            if one not in known:
                parser.error(f"--{name}: there is no {one!r}; there are {', '.join(known)}")
    if not (given.models or given.table or given.vote_table or given.list):
        parser.error("name a model, or give --table, --vote-table or --list")
    return given


def main() -> None:
    """Measure, and print a line for each goal and the tables at the end."""
    given = arguments()
    if given.table:
        print(tables(rows_of(given.table)))
        return
    if given.vote_table:
        print(vote_table([rows_of(path) for path in given.vote_table]))
        return
    goals = [goal for goal in GOALS if not given.only or goal.id in given.only][: given.limit]
    if given.list:
        print("\n".join(f"{goal.id} ({goal.kind}): {goal.text}" for goal in goals))
        return
    records, until = Records(given.json, resumes=given.resume), time.monotonic() + given.budget_s
    for model in filter(is_there, given.models):
        asyncio.run(measure_model(model, goals, given, records=records, until=until))
    print(f"\n{tables(records.rows)}")


if __name__ == "__main__":
    main()
