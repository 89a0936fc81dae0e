"""Harm, measured: what the runtime does to a model that is always right.

    python bench/harm.py own  [--style sentence|named|unquoted|typed|open] [--json OUT] [--jobs N]
    python bench/harm.py bfcl [--bfcl FOLDER] …    # FOLDER has bfcl_eval and mpmath; or NEBULUS_BFCL

An oracle answers every request with the next right call, in the form that a constrained server gives; the whole
runtime is around it, the policy allows everything. So each right proposal that is refused, delayed (asked for again)
or changed is the runtime's own doing. The plans have one step for each call, in four styles: the user's *sentence*
repeated; the same with the tool *named* before it; `Use TOOL with key = value` *unquoted*; and *typed* arguments (data,
not prose). In the fifth, *open*, there is no plan: all of the user's sentences are a goal that is worked on call by call.

`refused`: jobs that ended before every right call was made. `delayed`: right calls that were asked for more than once.
`extra`: model calls beyond one for each right call, and one that ends an open goal. `changed`: calls that ran with other arguments. `warned`: calls with
a doubt in the record, which were made at once.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import msgspec

from bench.ceiling_parts.report import wilson
from bench.harm_parts import bfcl, own
from bench.harm_parts.driving import Row, measure
from bench.harm_parts.jobs import STYLES, Job
from nebulus.memory.mentions import Mention, mentions_of, unused_after


def table(rows: list[Row]) -> str:
    """Return the counts for each style, with 95 % intervals of those that are shares."""
    lines = [
        "| style | jobs | right calls | jobs refused | calls delayed | extra model calls | changed | warned |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for style in dict.fromkeys(row.style for row in rows):
        of_style = [row for row in rows if row.style == style]
        right = sum(row.right_calls for row in of_style)
        refused = sum(not row.is_done for row in of_style)
        delayed = sum(
            len({(one.step, one.tool, str(one.arguments)) for one in row.objections}) for row in of_style
        )
        extra = sum(row.extra_calls for row in of_style)
        changed, warned = sum(row.changed for row in of_style), sum(row.warned for row in of_style)
        lines.append(
            f"| {style} | {len(of_style)} | {right} | {_share(refused, len(of_style))} | {_share(delayed, right)} "
            f"| {extra} ({100 * extra / max(1, right):.1f} %) | {changed} | {_share(warned, right)} |"
        )
    return "\n".join(lines)


def _share(count: int, of: int) -> str:
    low, high = wilson(count, of)
    return f"{count} ({100 * low:.1f}–{100 * high:.1f} %)"


def mentioned(jobs: Iterable[Job]) -> str:
    """Say how many paths the goals name, and how many of those no right call contains: each would be a false reminder."""
    named: list[Mention] = []
    unused: list[Mention] = []
    for job in jobs:
        paths = tuple(mention for mention in mentions_of(job.goal().text) if mention.is_path)
        named += paths
        for call in job.calls:
            paths = unused_after(paths, call.arguments)
        unused += paths
    return f"{len(named)} paths are named in the goals; no right call contains {len(unused)} of them"


def cases(rows: Iterable[Row], *, most: int) -> str:
    """Return the rules that objected, how often, and up to `most` cases of each."""
    found: dict[tuple[str, str], list[str]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        for one in row.objections:
            key = (row.style, f"{one.kind}: {_general(one.rule)}")
            counts[key] += 1
            ended = ", and the job ended" if one.is_final else ""
            said = json.dumps(one.arguments, ensure_ascii=False)[:160]
            found.setdefault(key, []).append(
                f"{row.job}: {one.rule} · {one.tool} {said} · {one.step[:160]!r}{ended}"
            )
        if not row.is_done and not row.objections:
            key = (row.style, f"ended: {row.ended}")
            counts[key] += 1
            found.setdefault(key, []).append(f"{row.job}: {row.made} of {row.right_calls} made")
    lines = []
    for key, count in counts.most_common():
        lines.append(f"\n{count} × {key[0]}, {key[1]}")
        lines += [f"  - {case}" for case in found[key][:most]]
    return "\n".join(lines)


def _general(rule: str) -> str:
    """Return a rule without the names and values of the case."""
    for beginning in ("the step says", "the step names", "nothing asks for", "the step gives that value"):
        if rule.startswith(beginning):
            return f"{beginning} …"
    return rule[:100]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", default="own", choices=("own", "bfcl"))
    parser.add_argument("--style", choices=STYLES, action="append", help="only this style; may be repeated")
    parser.add_argument("--jobs", type=int, default=0, help="only the first so many")
    parser.add_argument("--json", type=Path, help="write every job's row here, one a line")
    parser.add_argument("--cases", type=int, default=3, help="how many cases of each rule are listed")
    parser.add_argument("--bfcl", type=Path, default=os.environ.get("NEBULUS_BFCL") or None)
    return parser.parse_args()


def main() -> None:
    """Measure what is named."""
    given = _arguments()
    skipped: dict[str, str] = {}
    source: Iterable[Job] = own.load_jobs()
    if given.what == "bfcl":
        source = bfcl.load_jobs(bfcl.find_package(given.bfcl), skipped)
    jobs = list(islice(source, given.jobs or None))
    rows = []
    for style in given.style or STYLES:
        rows += [measure(job, style) for job in jobs]
        print(f"{style}: {len(jobs)} jobs", file=sys.stderr, flush=True)
    print(table(rows))
    print(f"\n{mentioned(jobs)}")
    print(cases(rows, most=given.cases))
    if skipped:
        print(f"\n{len(skipped)} jobs are left out, because their own right calls fail:")
        reasons = Counter(reason.split(":")[0][:60] for reason in skipped.values())
        print("\n".join(f"  {count} × {reason}" for reason, count in reasons.most_common(8)))
    if given.json:
        given.json.write_bytes(b"\n".join(msgspec.json.encode(row) for row in rows) + b"\n")


if __name__ == "__main__":
    main()
