"""How well the guard stops what it should, what it asks, and what it costs.

    python bench/guard.py [agentdojo|replay|adversary|cost …] [--suite NAME …] [--data FOLDER] [--json]

Without names all parts run. `agentdojo` needs the package of that name, `replay` the folder that --data or
NEBULUS_DATA names; a part whose needs are not met is skipped, with the reason.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.guard_parts import adversary, cost, replay, stepping


class Unmet(Exception):  # noqa: N818 - it is no error
    """A part can't run here."""


def run_agentdojo(args: argparse.Namespace) -> Any:
    """All pairs of AgentDojo, with the worst model that there can be."""
    try:
        from bench.guard_parts import dojo
    except ImportError as error:
        raise Unmet(f"{error.name} is not installed") from error
    endings = dojo.measure(args.suite)
    return {
        guarding: dojo.table([ending for ending in endings if ending.guarding == guarding])
        for guarding in dojo.GUARDINGS
    }


def run_replay(args: argparse.Namespace) -> Any:
    """Recorded runs of real models, call by call."""
    folder = Path(args.data or "")
    if not args.data or not (folder / "agentdojo_runs").is_dir():
        raise Unmet("NEBULUS_DATA names no folder with agentdojo_runs")
    return replay.measure(folder)


def run_adversary(args: argparse.Namespace) -> Any:
    """Hostile proposals at random depths."""
    return msgspec.to_builtins(adversary.measure(proposals=args.proposals))


def run_cost(args: argparse.Namespace) -> Any:
    """Median microseconds of a verdict, and of a whole step."""
    return cost.measure(rounds=args.rounds) | stepping.measure()


PARTS: Mapping[str, Callable[[argparse.Namespace], Any]] = {
    "agentdojo": run_agentdojo,
    "replay": run_replay,
    "adversary": run_adversary,
    "cost": run_cost,
}


def main() -> int:
    """Run the parts that are named, and show what they found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of {', '.join(PARTS)}")
    parser.add_argument("--suite", action="append", default=[], help="only this suite of AgentDojo")
    parser.add_argument("--data", default=os.environ.get("NEBULUS_DATA"))
    parser.add_argument("--proposals", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {sorted(unknown)[0]!r}; there are {', '.join(PARTS)}")
    found = {}
    for name in args.parts or PARTS:
        try:
            found[name] = PARTS[name](args)
        except Unmet as reason:
            print(f"{name}: skipped, {reason}", file=sys.stderr)
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    return 0


def show(found: Any, indent: str = "") -> None:
    """Print nested tables, one row a line where a row holds no table."""
    for name, value in found.items():
        if isinstance(value, dict) and any(isinstance(inner, dict) for inner in value.values()):
            print(f"{indent}{name}")
            show(value, f"{indent}  ")
        elif isinstance(value, dict):
            print(f"{indent}{name}: " + ", ".join(f"{key} {inner}" for key, inner in value.items()))
        else:
            print(f"{indent}{name}: {value}")


if __name__ == "__main__":
    sys.exit(main())
