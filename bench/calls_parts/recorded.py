"""Real answers of real small models: the share parsed right, next to the verdict of the official scorer.

The data is `bfcl_calls/dev.jsonl.gz` and `dev2.jsonl.gz`, and `score_calls.py` next to that folder, in the
folder that NEBULUS_DATA names. What was broken because every accepted answer is invalid for its tool's own schema is told apart: no
reader that validates can return it.
"""

import gzip
import importlib.util
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import jsonschema_rs

from nebulus.calls import read_line

Record: TypeAlias = dict[str, Any]
Row: TypeAlias = dict[str, Any]

LEFT_OUT = object()
MOST_TRIED = 10_000
"""Combinations of accepted values that are tried for one call."""


def scorer(folder: Path) -> ModuleType:
    """Return the official scoring rules, from the data's own folder."""
    spec = importlib.util.spec_from_file_location("score_calls", folder / "score_calls.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


SPLITS = ("dev", "dev2")


def records(folder: Path) -> dict[str, list[Record]]:
    """Return the recorded answers of each split that is there."""
    found: dict[str, list[Record]] = {}
    for split in SPLITS:
        path = folder / "bfcl_calls" / f"{split}.jsonl.gz"
        if path.is_file():
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                found[split] = [json.loads(line) for line in lines]
    return found


def line_of(record: Record) -> Record:
    """Return a record as the reader takes it: text, or a message with the server's calls."""
    line = {"id": record["id"], "tools": record["tools"]}
    if record["channel"] != "fc":
        return {**line, "text": record["raw"]}
    calls = [
        {"function": {"name": name, "arguments": arguments}}
        for call in json.loads(record["raw"])
        for name, arguments in call.items()
    ]
    return {**line, "message": {"content": None, "tool_calls": calls}}


def measure(rules: ModuleType, data: list[Record]) -> list[Row]:
    """Return one row a model and category of one split: items, official, ours, fixed, broken.

    `validated` are the items that the official scorer has right and that stay so when its accepted values are
    validated; `out_of_reach` are the broken ones that no reader which validates can have right.
    """
    readings = [read_line(line_of(record)) for record in data]
    predictions = [
        {key: record[key] for key in ("model", "category", "id")} | {"calls": reading["calls"]}
        for record, reading in zip(data, readings, strict=True)
    ]
    table = rules.tally(data, predictions)
    reach = [is_in_reach(rules, record) for record in data]
    right = [rules.item_ok(record, reading["calls"]) for record, reading in zip(data, readings, strict=True)]
    known = {id(record): flags for record, *flags in zip(data, reach, right, strict=True)}
    kept = _counts(data, lambda record: record["official_ok"] and known[id(record)][0])
    lost = _counts(data, lambda record: record["official_ok"] and not any(known[id(record)]))
    order = {name: number for number, name in enumerate(rules.ORDER)}
    cells = sorted(table, key=lambda cell: (cell[0] == "ALL", cell[0], order[cell[1]]))
    return [
        {"model": model, "category": category, **table[model, category]}
        | {"validated": kept.get((model, category), 0), "out_of_reach": lost.get((model, category), 0)}
        for model, category in cells
    ]


def measure_traces(folder: Path) -> list[Row]:
    """Return one row a run of gpt-oss-20b: its calls as the server gave them, and how many are read."""
    rows: dict[str, Row] = {}
    with gzip.open(folder / "gpt_oss_traces" / "dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for trace in map(json.loads, lines):
            empty = {"run": trace["run"], "calls": 0, "read": 0, "malformed names": 0, "of these read": 0}
            row = rows.setdefault(trace["run"], empty)
            for name, arguments in _server_calls(trace):
                message = {"tool_calls": [{"function": {"name": name, "arguments": arguments}}]}
                is_read = bool(read_line({"message": message, "tools": trace["tools"]})["calls"])
                is_malformed = not re.fullmatch(r"[\w.\-]+", name)
                row["calls"] += 1
                row["read"] += is_read
                row["malformed names"] += is_malformed
                row["of these read"] += is_malformed and is_read
    return list(rows.values())


def _server_calls(trace: Record) -> Iterator[tuple[str, str]]:
    for turn in trace["turns"]:
        for step in turn["steps"]:
            for call in step["assistant"]:
                yield from call.items()


def _counts(data: list[Record], is_counted: Callable[[Record], bool]) -> dict[tuple[str, str], int]:
    """Count records by model and category, as the official tally sums them."""
    counts: dict[tuple[str, str], int] = {}
    for record in filter(is_counted, data):
        total = {"relevance"} if record["category"] == "relevance" else {record["category"], "calls"}
        for model in (record["model"], "ALL"):
            for category in total:
                counts[model, category] = counts.get((model, category), 0) + 1
    return counts


def is_in_reach(rules: ModuleType, record: Record) -> bool:
    """Whether some calls are accepted by the official scorer and valid for their tools' own schemas.

    They are looked for among the accepted values themselves, by plain JSON Schema validation: no reader of
    ours has a part in it. Where none are, no reader that validates can be right.
    """
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in record["tools"]}
    calls = []
    for expected in record["ground_truth"]:
        ((name, accepted),) = expected.items()
        validator = jsonschema_rs.validator_for(schemas[name])
        choices = [_choices(parameter, values) for parameter, values in accepted.items()]
        tried = map(_given, itertools.islice(itertools.product(*choices), MOST_TRIED))
        candidates = ({"name": name, "arguments": arguments} for arguments in tried)
        good = (
            call
            for call in candidates
            if validator.is_valid(call["arguments"]) and rules.call_matches(call, expected, schemas)
        )
        call = next(good, None)
        if call is None:
            return False
        calls.append(call)
    return bool(rules.item_ok(record, calls))


def _choices(name: str, accepted: list[Any]) -> list[tuple[str, Any]]:
    """Return what a parameter may be; `LEFT_OUT` means none, which an empty text among the values allows."""
    real = [value for value in accepted if value != ""]
    expanded = [each for value in real for each in _spelled(value)]
    return [(name, value) for value in expanded] + [(name, LEFT_OUT)] * (len(real) < len(accepted))


def _spelled(value: Any) -> Iterator[Any]:
    """An accepted object holds a list of accepted values for each of its keys."""
    if isinstance(value, dict):
        options = [each if isinstance(each, list) else [each] for each in value.values()]
        for chosen in itertools.product(*options):
            yield {key: part for key, part in zip(value, chosen, strict=True) if part != ""}
    elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
        yield from map(list, itertools.product(*(tuple(_spelled(part)) for part in value)))
    else:
        yield value


def _given(pairs: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    return {name: value for name, value in pairs if value is not LEFT_OUT}
