"""How well answers are read: on recorded answers, on fixtures, on damaged calls, and how fast.

    python bench/calls.py [recorded|levels|ablation|fixtures|suites|servers|languages|damage|abstention|odd|speed
                           |fuzz …] [--data FOLDER] [--json]

Without names all parts run. `recorded`, `levels` and `ablation` need the folder that --data or NEBULUS_DATA names, `fixtures` the
package canitoolcall, `suites` and `servers` checkouts of other projects; a part whose needs are not met is skipped,
with the reason. `damage` and `abstention`
show the peers that are installed: json-repair, toolrails, forge-guardrails (Python 3.12).
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.calls_parts import (
    ablation,
    abstention,
    damage,
    fixtures,
    languages,
    levels,
    odd_frames,
    peers,
    raw_answers,
    recorded,
    server_suites,
    speed,
    suites,
)
from nebulus.calls import by_effect


class Unmet(Exception):  # noqa: N818 - not an error
    """A part can't run here."""


def run_recorded(args: argparse.Namespace) -> Any:
    """Read recorded answers."""
    folder = Path(args.data or "")
    if not args.data or not (folder / "score_calls.py").is_file():
        raise Unmet("NEBULUS_DATA names no folder with score_calls.py and bfcl_calls")
    rules = recorded.scorer(folder)
    answers = {split: recorded.measure(rules, data) for split, data in recorded.records(folder).items()}
    return {"answers": answers, "traces": recorded.measure_traces(folder)}


def run_levels(args: argparse.Namespace) -> Any:
    """Read recorded answers, and answers that mean no call, at each level of evidence."""
    folder = Path(args.data or "")
    if not args.data or not (folder / "score_calls.py").is_file():
        raise Unmet("NEBULUS_DATA names no folder with score_calls.py and bfcl_calls")
    return levels.measure(recorded.scorer(folder), recorded.records(folder), folder)


def run_ablation(args: argparse.Namespace) -> Any:
    """Switch rules about words off, one by one, and rotate the models that they are kept for."""
    folder = Path(args.data or "")
    if not args.data or not (folder / "score_calls.py").is_file():
        raise Unmet("NEBULUS_DATA names no folder with score_calls.py and bfcl_calls")
    return ablation.measure(recorded.scorer(folder), recorded.records(folder))


def run_fixtures(args: argparse.Namespace) -> Any:
    """Read canitoolcall's fixtures."""
    try:
        return {"as a parser": fixtures.measure(), "by effect": fixtures.measure(by_effect)}
    except ImportError as error:
        raise Unmet(f"{error.name or error} is not installed; canitoolcall's checks need it") from error


def run_suites(args: argparse.Namespace) -> Any:
    """Read the texts of another project's parser suite."""
    folder = Path(args.smg or "")
    if not args.smg or not any(suites.cases(folder)):
        raise Unmet("--smg names no checkout of lightseekorg/smg with crates/tool_parser/tests")
    return suites.measure(folder)


def run_servers(args: argparse.Namespace) -> Any:
    """Run the parser suites of servers, with our reader in the place of their parsers."""
    checkouts = {"vLLM": args.vllm, "SGLang": args.sglang}
    found = {
        suite: Path(folder)
        for suite, folder in checkouts.items()
        if folder and (Path(folder) / server_suites.FOLDERS[suite]).is_dir()
    }
    for suite in checkouts.keys() - found.keys():
        print(
            f"servers: --{suite.lower()} names no checkout with {server_suites.FOLDERS[suite]}",
            file=sys.stderr,
        )
    if not found:
        raise Unmet("neither --vllm nor --sglang names a checkout of that server")
    return {suite: server_suites.measure(suite, folder.resolve()) for suite, folder in found.items()}


def run_languages(args: argparse.Namespace) -> Any:
    """Tell sentences in English and in other languages apart."""
    counts = languages.measure(Path(args.locale))
    if not any(of for _, of in counts.values()):
        raise Unmet(f"--locale {args.locale} has no message catalogues")
    return counts


def run_damage(args: argparse.Namespace) -> Any:
    """Read damaged calls."""
    return damage.measure(peers.readers(), each=args.each)


def run_abstention(args: argparse.Namespace) -> Any:
    """Read calls that are not meant, and some that are."""
    whole_answers = {name: take for name, take in peers.readers().items() if name in ("nebulus", "forge")}
    return abstention.measure(whole_answers)


def run_odd(args: argparse.Namespace) -> Any:
    """Read calls in odd frames, meant and not."""
    return odd_frames.measure()


def run_harm(args: argparse.Namespace) -> Any:
    """Count the right calls that are refused among free answers of real models at depth."""
    paths = [Path(path) for path in args.answers or ()]
    if not paths or not all(path.is_file() for path in paths):
        raise Unmet("--answers names no file that `python -m bench.calls_parts.raw_answers` has written")
    return raw_answers.harm(paths)


def run_speed(args: argparse.Namespace) -> Any:
    """Time clean, large and hostile answers."""
    return {"clean": speed.clean(), "big": speed.big(), "hostile": speed.hostile(seconds=args.seconds)}


def run_fuzz(args: argparse.Namespace) -> Any:
    """Read mutated input; nothing may be raised."""
    return speed.mutated(megabytes=args.megabytes)


def print_recorded(figures: dict[str, Any]) -> None:
    """Print one line a model and category, and one a run of traces."""
    print(
        "| model | category | items | official | official, validated | ours | fixed | broken | out of reach |"
    )
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for row in (row for rows in figures["answers"].values() for row in rows):
        shares = [f"{row[name] / row['items']:.1%}" for name in ("official", "validated", "ours")]
        counts = [str(row[name]) for name in ("fixed", "broken", "out_of_reach")]
        print("|", " | ".join([row["model"], row["category"], str(row["items"]), *shares, *counts]), "|")
    for row in figures["traces"]:
        print("gpt-oss-20b:", ", ".join(f"{name}: {value}" for name, value in row.items()))


def print_fixtures(figures: dict[str, Any]) -> None:
    """Print the counts next to the published ones, and what failed."""
    print("| reader | pass | soft | fail | of |")
    print("|---|--:|--:|--:|--:|")
    ours = {
        f"nebulus, {level}": tuple(found["total"][status] for status in ("pass", "soft_pass", "fail"))
        for level, found in figures.items()
    }
    for name, (passed, soft, failed) in {**ours, **fixtures.PUBLISHED}.items():
        print(f"| {name} | {passed} | {soft} | {failed} | {passed + soft + failed} |")
    for failure in figures["as a parser"]["failed"]:
        print(f"- {failure['id']}: {failure['why']}")


def print_suites(figures: dict[str, Any]) -> None:
    """Print how the tests of the suite ended at each level, and what did not pass as a parser."""
    for level, found in figures.items():
        print(
            f"smg's tool_parser, {level}:",
            ", ".join(f"{name} {found[name]}" for name in found if name != "missed"),
        )
    for missed in figures["as a parser"]["missed"]:
        print("-", missed)


def print_damage(table: dict[str, Any]) -> None:
    """Print right / silent / refused by damage and reader."""
    readers = list(next(iter(table.values())))
    print("| damage |", " | ".join(readers), "|")
    print("|---|" + "--:|" * len(readers))
    for name, row in table.items():
        cells = [
            f"{row[reader]['right']} / {row[reader]['silent']} / {row[reader]['refused']}"
            for reader in readers
        ]
        print(f"| {name} |", " | ".join(cells), "|")


def print_abstention(table: dict[str, Any]) -> None:
    """Print what each reader made of calls that are not meant, and of those that are."""
    print(
        f"| reader | made, of {len(abstention.NOT_MEANT)} not meant | read, of {len(abstention.MEANT)} meant |"
    )
    print("|---|--:|--:|")
    for name, counts in table.items():
        print(f"| {name} | {counts['made though not meant']} | {counts['read']} |")


def print_speed(figures: dict[str, Any]) -> None:
    """Print microseconds, and ratios to the floor."""
    floor = figures["clean"]["orjson + jsonschema-rs"]
    for name, cost in figures["clean"].items():
        print(f"clean call, {name}: {cost:.2f} µs, {cost / floor:.1f} × the floor")
    for name, cost in figures["big"].items():
        print(f"11 KB, {name}: {cost:.0f} µs")
    for piece, *costs in figures["hostile"]:
        print(
            "hostile:", " ".join(f"{cost:.0f}" for cost in costs), f"µs/KB at 50 KB, 200 KB, 1 MB: {piece!r}"
        )


def print_fuzz(counts: dict[str, int]) -> None:
    """Print how mutated answers ended."""
    print(", ".join(f"{name}: {count:,}" for name, count in counts.items()), "and nothing raised")


PARTS: dict[str, tuple[Callable[[argparse.Namespace], Any], Callable[[Any], None]]] = {
    "recorded": (run_recorded, print_recorded),
    "levels": (run_levels, levels.show),
    "ablation": (run_ablation, ablation.show),
    "fixtures": (run_fixtures, print_fixtures),
    "suites": (run_suites, print_suites),
    "servers": (run_servers, server_suites.show),
    "languages": (run_languages, languages.show),
    "damage": (run_damage, print_damage),
    "abstention": (run_abstention, print_abstention),
    "odd": (run_odd, odd_frames.show),
    "harm": (run_harm, raw_answers.show),
    "speed": (run_speed, print_speed),
    "fuzz": (run_fuzz, print_fuzz),
}


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which parts to run (all)")
    parser.add_argument("--data", default=os.environ.get("NEBULUS_DATA"), help="folder of recorded answers")
    parser.add_argument("--smg", help="a checkout of lightseekorg/smg, for `suites`")
    parser.add_argument("--vllm", help="a checkout of vllm-project/vllm, for `servers`")
    parser.add_argument("--sglang", help="a checkout of sgl-project/sglang, for `servers`")
    parser.add_argument("--locale", default="/usr/share/locale", help="message catalogues, for `languages`")
    parser.add_argument("--answers", nargs="*", help="files of answers at depth, for `harm`")
    parser.add_argument("--each", type=int, default=20, help="calls a tool in `damage`")
    parser.add_argument("--seconds", type=float, default=20, help="how long to look for the worst input")
    parser.add_argument("--megabytes", type=float, default=1, help="mutated input to read in `fuzz`")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    args = parser.parse_args()
    results: dict[str, Any] = {}
    for name in args.parts or PARTS:
        run, show = PARTS[name]
        try:
            results[name] = run(args)
        except Unmet as unmet:
            results[name] = {"skipped": str(unmet)}
            print(f"{name}: skipped: {unmet}", file=sys.stderr)
            continue
        if not args.json:
            print(f"\n## {name}\n")
            show(results[name])
    if args.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
