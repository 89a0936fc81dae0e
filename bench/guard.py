"""How well the guard stops what it should, what it asks, and what it costs.

    python bench/guard.py [PART …] [--suite NAME …] [--data FOLDER] [--proposals N] [--seed N] [--off] [--json]

Parts: `adversary` puts hostile proposals to the guard's functions; `runs` has a hostile script make them in
whole runs; `models` has the model of the package and a random one make them; `agentdojo` (by the guard's
functions), `agentdojo-runs` (in whole runs) and `replay` are what others made; `cost` and `questions` are the
price. Without names all parts run. Those of AgentDojo need the package of that name, `replay` the
folder that --data or NEBULUS_DATA names, `models` and `questions` the extras `local` and `nano`; a part whose
needs are not met is skipped, with the reason. --off puts a policy that allows everything in the guard's place,
in `runs` and `models`: what the same proposals do then.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.guard_parts import adversary, attacks, cost, replay, stepping
from nebulus.testing.policies import ScriptedPolicy


class Unmet(Exception):  # noqa: N818 - not an error
    """A part can't run here."""


def run_agentdojo(args: argparse.Namespace) -> Any:
    """All pairs of AgentDojo, with the worst model that there can be."""
    try:
        from bench.guard_parts import dojo
    except ImportError as error:
        raise Unmet(f"{error.name} is not installed") from error
    return _of_dojo(dojo, dojo.measure(args.suite))


def run_agentdojo_runs(args: argparse.Namespace) -> Any:
    """The same, driven by the runtime."""
    try:
        from bench.guard_parts import dojo, dojo_runs
    except ImportError as error:
        raise Unmet(f"{error.name} is not installed") from error
    return _of_dojo(dojo, dojo.measure(args.suite, kind=dojo_runs.RunBench))


def _of_dojo(dojo: Any, endings: Any) -> Any:
    by_guarding = {
        guarding: dojo.table([ending for ending in endings if ending.guarding == guarding])
        for guarding in dojo.GUARDINGS
    }
    return {"fails its own check with its own ground truth, guard off": dojo.undoable(endings)} | by_guarding


def run_replay(args: argparse.Namespace) -> Any:
    """Recorded runs of real models, call by call."""
    folder = Path(args.data or "")
    if not args.data or not (folder / "agentdojo_runs").is_dir():
        raise Unmet("NEBULUS_DATA names no folder with agentdojo_runs")
    return replay.measure(folder)


def run_adversary(args: argparse.Namespace) -> Any:
    """Hostile proposals at random depths."""
    return msgspec.to_builtins(adversary.measure(proposals=args.proposals, seed=args.seed))


def run_runs(args: argparse.Namespace) -> Any:
    """Hostile proposals of a script, in whole runs."""
    guard = ScriptedPolicy() if args.off else None
    return attacks.measure(proposals=args.proposals, seed=args.seed, guard=guard).report()


def run_models(args: argparse.Namespace) -> Any:
    """Proposals of misled models, in whole runs: 6 in 10 of the model in the package, the rest of a random one."""
    try:
        from bench.guard_parts import tempted
    except ImportError as error:
        raise Unmet(f"{error.name} is not installed") from error
    guard = ScriptedPolicy() if args.off else None
    with tempfile.TemporaryDirectory() as folder:
        arms = tempted.arms(Path(folder), args.proposals)
        return {
            name: tempted.measure(
                model, proposals=proposals, forms=forms, seed=args.seed, guard=guard
            ).report()
            for name, (model, proposals, forms) in arms.items()
        }


def run_questions(args: argparse.Namespace) -> Any:
    """How often a person is asked, by the hundred steps."""
    try:
        from bench.guard_parts import questions
    except ImportError as error:
        raise Unmet(f"{error.name} is not installed") from error
    return questions.measure()


def run_cost(args: argparse.Namespace) -> Any:
    """Median microseconds of a verdict, and of a whole step."""
    return cost.measure(rounds=args.rounds) | stepping.measure()


PARTS: Mapping[str, Callable[[argparse.Namespace], Any]] = {
    "agentdojo": run_agentdojo,
    "agentdojo-runs": run_agentdojo_runs,
    "replay": run_replay,
    "adversary": run_adversary,
    "runs": run_runs,
    "models": run_models,
    "cost": run_cost,
    "questions": run_questions,
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
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--off", action="store_true", help="nothing stops the proposals of runs and models")
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
