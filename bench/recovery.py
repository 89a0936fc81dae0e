"""Recovery, measured: faults in every tool call, classes of real errors, loops, and what each strategy is worth.

    python bench/recovery.py faults     [--episodes 3] [--depths 8,16] [--rates 0.1,0.3] [--arms ...]
    python bench/recovery.py servers    # the model server fails instead of the tools
    python bench/recovery.py ablation   # Nebulus with one strategy off
    python bench/recovery.py escalation # a small tier, a larger one, and both
    python bench/recovery.py moves      # each move of the table in a scene that needs it, with and without it
    python bench/recovery.py arguments  # is a right call ever reported as a mismatch with its step?
    python bench/recovery.py classes    # is the class of a real error recognised?
    python bench/recovery.py loops      # are loops stopped, and useful work not?

`faults` carries out the same seeded jobs of the nano model's language in worlds whose tools fail by a plan
(`nebulus.testing.faults`), by every arm against one llama.cpp server, in one run. `right`: every step was
carried out once, in order, and nothing else, and the arm says so. `loud`: it ended otherwise and said that
it is not done. `silent`: it says that it is done, and it is not. `bound`: it was still going when it had
asked the model twice a step and ten times more, or had taken `--seconds`. `servers` puts a proxy that fails
by a plan in front of the model's server, in the same way for every arm. The agents of other frameworks run in virtual
environments of their own: `--langgraph PYTHON`, `--pydantic PYTHON`; without, they are skipped.

With `--rows FILE` each episode is written down at once; `--minutes M` cuts the run, and the same command
goes on with it.
"""

import argparse
import time
from contextlib import ExitStack
from pathlib import Path

from bench.recovery_parts import classes, loops, mismatches, moves
from bench.recovery_parts.arms import ABLATIONS, ESCALATIONS, Task
from bench.recovery_parts.running import Bench, carried_out, proxied
from bench.recovery_parts.tables import report
from nano.serve import served
from nebulus.app.bootstrap import nano_path
from nebulus.testing.faults import OF_SERVERS, Fault

SEED = 20_261_122
PEERS = ("langgraph", "pydantic-ai")
ARMS = {
    "faults": ("nebulus", "nebulus-checked", "no-argument-check", "plain", *PEERS),
    "servers": ("nebulus", "plain", *PEERS),
    "ablation": ("nebulus", *ABLATIONS),
    "escalation": tuple(ESCALATIONS),
}


def tasks(given: argparse.Namespace) -> list[Task]:
    """Return the episodes: every class at every rate and depth, each with its own job."""
    faults = OF_SERVERS if given.what == "servers" else list(Fault)
    made = []
    for index, fault in enumerate(faults):
        for rate in given.rates:
            for depth in given.depths:
                for number in range(given.episodes):
                    seed = SEED + 100_000 * index + 1000 * depth + number
                    of_tools, of_server = (0.0, rate) if given.what == "servers" else (rate, 0.0)
                    made.append(Task(seed, depth, [fault.value], of_tools, given.wordings, of_server))
    return made


def measure(given: argparse.Namespace) -> None:
    """Carry the episodes out against one server, and print what came of them."""
    until_s = time.monotonic() + 60 * given.minutes if given.minutes else 0.0
    with ExitStack() as stack:
        is_scripted = given.faultless
        url = "" if is_scripted else stack.enter_context(proxied(stack.enter_context(served(given.model))))
        bench = Bench(
            url=url,
            seconds=given.seconds,
            request_s=given.request_seconds,
            pythons=dict(zip(PEERS, (given.langgraph, given.pydantic), strict=True)),
            rows=given.rows,
            until_s=until_s,
        )
        rows = carried_out(bench, given.arms or ARMS[given.what], tasks(given))
    report(rows, has_tiers=given.what == "escalation")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what", nargs="?", default="faults", choices=(*ARMS, "moves", "arguments", "classes", "loops")
    )
    parser.add_argument(
        "--model", type=Path, default=nano_path(), help="a GGUF file; the model in the package"
    )
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument(
        "--depths", type=lambda text: [int(part) for part in text.split(",")], default=[8, 16]
    )
    parser.add_argument(
        "--rates", type=lambda text: [float(part) for part in text.split(",")], default=[0.1, 0.3]
    )
    parser.add_argument("--arms", type=lambda text: text.split(","))
    parser.add_argument("--wordings", choices=("held_out", "train"), default="train")
    parser.add_argument("--langgraph", default="", help="the interpreter of an environment with langchain")
    parser.add_argument("--pydantic", default="", help="the interpreter of an environment with pydantic-ai")
    parser.add_argument("--faultless", action="store_true", help="a scripted model that makes no mistake")
    parser.add_argument("--seconds", type=float, default=60.0, help="the most that one episode may take")
    parser.add_argument("--request-seconds", type=float, default=5.0, help="how long an answer is waited for")
    parser.add_argument("--rows", type=Path, help="keep every episode here, and skip those that are kept")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop for now after so long")
    parser.add_argument("--data", type=Path, help="a folder with recorded runs and calls (loops, arguments)")
    return parser.parse_args()


def main() -> None:
    """Measure what is named."""
    given = _arguments()
    match given.what:
        case "classes":
            classes.main()
        case "loops":
            loops.main(given.data)
        case "arguments":
            mismatches.main(given.data)
        case "moves":
            moves.main(given.episodes)
        case _:
            measure(given)


if __name__ == "__main__":
    main()
