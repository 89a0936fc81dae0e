"""Recorded outcomes of many models on the same items, with the demand of each item, and folds that keep tool sets together."""

import csv
import importlib.util
import json
import random
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from nebulus.calls import tool_specs
from nebulus.core.demand import Demand, Trial
from nebulus.routing.demand import demand_of


@dataclass(frozen=True)
class Outcomes:
    """Items, their demands, and who was right about which: "1", "0", or "" where nothing was recorded."""

    items: Mapping[str, Any]
    rows: Mapping[str, Mapping[str, str]]
    demands: Mapping[str, Demand]
    base_models: Mapping[str, str]

    def trials(self, model: str, ids: Iterable[str]) -> list[Trial]:
        """Return what `model` did with the items `ids`, as trials."""
        return [
            Trial(demand=self.demands[one], is_right=float(self.rows[one][model]) > 0.5)
            for one in ids
            if self.rows[one][model] != ""
        ]

    def is_call(self, one: str) -> bool:
        """Whether the item wants a call. A label: only figures are split by it."""
        return bool(self.items[one]["category"] != "relevance")


def module_of(path: Path) -> ModuleType:
    """Load a script of the data, such as its scorer."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


def load(scorer: ModuleType, folder: Path, outcomes: str) -> Outcomes:
    """Return the recorded outcomes of a folder, read by its own scorer."""
    items, rows = scorer.load(folder, outcomes)
    items = {one: items[one] for one in rows}
    demands = {one: demand_of(text_of(item), tool_specs(item["tools"])) for one, item in items.items()}
    with (folder / "models.csv").open(encoding="utf-8", newline="") as file:
        bases = {row["model"]: row["base_model"] for row in csv.DictReader(file)}
    known = {model: bases.get(model, model) for model in next(iter(rows.values()))}
    return Outcomes(items, rows, demands, known)


def text_of(item: Mapping[str, Any]) -> str:
    """Return the question of an item."""
    return str(item["messages"][-1]["content"])


def tool_set(item: Mapping[str, Any]) -> str:
    """Return the names of the tools of an item: items that share them are near-copies of each other."""
    return json.dumps(sorted(tool.get("function", tool)["name"] for tool in item["tools"]))


def folds(items: Mapping[str, Any], count: int, *, seed: int = 0) -> dict[str, int]:
    """Assign each item to a fold; items with the same tools are in the same one."""
    sets = sorted({tool_set(item) for item in items.values()})
    random.Random(seed).shuffle(sets)
    place = {name: number % count for number, name in enumerate(sets)}
    return {one: place[tool_set(item)] for one, item in items.items()}
