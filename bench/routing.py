"""What routing by measured capability is worth, on recorded outcomes: no model is asked.

    python bench/routing.py [before|cascade|calibration|speed|weights …] [--data FOLDER] [--litellm PYTHON] [--json]
    python bench/routing.py predict --small MODEL --large MODEL --out FILE [--data FOLDER] [--outcomes FILE]

The data is the folder that --data or NEBULUS_DATA names, with `routing` and `bfcl_calls` in it; without it, everything
but `speed` is skipped. --litellm names an interpreter that has LiteLLM, whose complexity router is then measured too.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.calls_parts import recorded
from bench.routing_parts import before, calibration, cascade
from bench.routing_parts.outcomes import Outcomes, load, module_of
from nebulus.ceiling.estimate import fit
from nebulus.core.demand import Trial
from nebulus.core.routes import RouteMode, RoutePolicy
from nebulus.core.tools import ToolSpec
from nebulus.routing.choose import TierOption, choose
from nebulus.routing.demand import demand_of


class Material:
    """The recorded data, each part read when it is first needed."""

    def __init__(self, folder: Path, outcomes: str) -> None:
        """Read nothing yet."""
        self.folder, self.outcomes = folder, outcomes

    @cached_property
    def scorer(self) -> Any:
        """The scorer of the routing data."""
        return module_of(self.folder / "routing" / "score_router.py")

    @cached_property
    def data(self) -> Outcomes:
        """Who was right about which item."""
        return load(self.scorer, self.folder / "routing", self.outcomes)

    @cached_property
    def answers(self) -> list[cascade.Answer]:
        """The raw answers of small models, read by our reader."""
        return cascade.answers(recorded.scorer(self.folder), recorded.records(self.folder))


def run_before(material: Material, args: argparse.Namespace) -> Any:
    """Route before any model is asked."""
    return before.measure(material.scorer, material.data, litellm=args.litellm)


def run_cascade(material: Material, args: argparse.Namespace) -> Any:
    """Route after the small model's answer was parsed."""
    rules = recorded.scorer(material.folder)
    return cascade.measure(rules, material.scorer, data=material.data, found=material.answers)


def run_calibration(material: Material, args: argparse.Namespace) -> Any:
    """Compare predicted with recorded success, of models that were left out."""
    models = sorted({model for pair in material.scorer.PAIRS for model in pair})
    return calibration.measure(
        material.scorer, material.data, models if not args.all_models else list(material.data.base_models)
    ) + calibration.after_parsing(material.scorer, material.answers)


def run_weights(material: Material, args: argparse.Namespace) -> Any:
    """Fit the weights of nebulus.routing.keep on everything."""
    return cascade.shipped_weights(material.answers)


def run_speed(material: Material, args: argparse.Namespace) -> Any:
    """Time what one step costs: its demand, the estimates of two tiers, and the choice."""
    properties = {name: {"type": "string", "description": f"the {name}"} for name in ("city", "day", "unit")}
    tools = [
        ToolSpec(name=f"get_weather_{number}", description="Return the weather of a city.", parameters={"type": "object", "properties": properties, "required": ["city"]})
        for number in range(5)
    ]  # fmt: skip
    text = 'Get the weather in Oslo for 3 days, and write it to "weather.txt".'
    trials = [Trial(demand=demand_of(text, tools[:count]), is_right=count < 4) for count in range(1, 6)] * 20
    models, policy = (fit(trials[:40]), fit(trials)), RoutePolicy(mode=RouteMode.MEASURED)
    demand = demand_of(text, tools)
    options = [
        TierOption(name=str(place), estimate=model.estimate(demand)) for place, model in enumerate(models)
    ]
    number = 0

    def fresh() -> object:
        nonlocal number
        number += 1
        return demand_of(f"{text} ({number})", tools)

    parts: dict[str, Callable[[], object]] = {
        "demand of a step with five tools, a new text": fresh,
        "the same text again": lambda: demand_of(text, tools),
        "estimate of one tier": lambda: models[0].estimate(demand),
        "choice between two tiers": lambda: choose(demand, options, policy),
        "fit of 100 trials": lambda: fit(trials),
    }
    return {name: _best_us(part) for name, part in parts.items()}


def _best_us(part: Callable[[], object], rounds: int = 7) -> float:
    """Return the best time of one call in microseconds, of several rounds."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        count = 0
        while time.process_time() - began < 0.1:
            part()
            count += 1
        found.append((time.process_time() - began) / count * 1e6)
    return min(found)


def show(name: str, figures: Any) -> None:
    """Print figures as a table: one line a row."""
    print(f"\n## {name}\n")
    rows = (
        figures
        if isinstance(figures, list)
        else [{"what": key, "value": value} for key, value in figures.items()]
    )
    heads: list[str] = []
    for row in rows:
        if list(row) != heads:
            heads = list(row)
            print("\n|", " | ".join(heads), "|\n|" + "---|" * len(heads))
        print("|", " | ".join(map(_shown, row.values())), "|")


def _shown(value: Any) -> str:
    match value:
        case float():
            return f"{value:.3f}"
        case tuple() | list():
            return " ".join(map(_shown, value))
        case _:
            return str(value)


PARTS: dict[str, Callable[[Material, argparse.Namespace], Any]] = {
    "before": run_before,
    "cascade": run_cascade,
    "calibration": run_calibration,
    "speed": run_speed,
    "weights": run_weights,
}


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "predict", []], help="which parts to run (all)")
    parser.add_argument("--data", default=os.environ.get("NEBULUS_DATA", ""), help="folder of recorded data")
    parser.add_argument("--outcomes", default="outcomes.csv.gz", help="file in its folder `routing`")
    parser.add_argument("--litellm", default="", help="an interpreter that has LiteLLM")
    parser.add_argument(
        "--all-models", action="store_true", help="calibrate on every model, not the pairs' alone"
    )
    parser.add_argument("--small")
    parser.add_argument("--large")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    args = parser.parse_args()
    material = Material(Path(args.data), args.outcomes)
    has_data = bool(args.data) and (material.folder / "routing" / "score_router.py").is_file()
    if args.parts == ["predict"]:
        if not (has_data and args.small and args.large and args.out):
            parser.error("predict needs --data, --small, --large and --out")
        before.write_predictions(material.data, (args.small, args.large), args.out)
        return
    results: dict[str, Any] = {}
    for name in args.parts or PARTS:
        if name != "speed" and not has_data:
            results[name] = {"skipped": "NEBULUS_DATA names no folder with routing and bfcl_calls"}
            print(f"{name}: skipped: {results[name]['skipped']}", file=sys.stderr)
            continue
        results[name] = PARTS[name](material, args)
        if not args.json:
            show(name, results[name])
    if args.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
