"""Real answers of real small models: the share read right, beside the verdict of the official scorer.

The data is `bfcl_calls/dev.jsonl.gz` and `score_calls.py` beside it, in the folder that NEBULUS_DATA
names. What was broken because the accepted answer itself is invalid for its tool's schema is told apart:
a reader that validates can't return it.
"""

import gzip
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from nebulus.calls import read_line, tool_specs
from nebulus.calls.validate import check

Record: TypeAlias = dict[str, Any]
Row: TypeAlias = dict[str, Any]


def scorer(folder: Path) -> ModuleType:
    """Return the official scoring rules, from the data's own folder."""
    spec = importlib.util.spec_from_file_location("score_calls", folder / "score_calls.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


def records(folder: Path) -> list[Record]:
    """Return the recorded answers."""
    with gzip.open(folder / "bfcl_calls" / "dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


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


def measure(folder: Path) -> list[Row]:
    """Return one row a model and category: items, official, ours, fixed, broken, and broken by the data."""
    rules, data = scorer(folder), records(folder)
    readings = [read_line(line_of(record)) for record in data]
    predictions = [
        {key: record[key] for key in ("model", "category", "id")} | {"calls": reading["calls"]}
        for record, reading in zip(data, readings, strict=True)
    ]
    table = rules.tally(data, predictions)
    contradicted = _contradicted(rules, data, readings)
    order = {name: number for number, name in enumerate(rules.ORDER)}
    cells = sorted(table, key=lambda cell: (cell[0] == "ALL", cell[0], order[cell[1]]))
    return [
        {"model": model, "category": category, **table[model, category]}
        | {"contradicted": contradicted.get((model, category), 0)}
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


def _contradicted(
    rules: ModuleType, data: list[Record], readings: list[Record]
) -> dict[tuple[str, str], int]:
    """Count what is broken only because an accepted value is invalid for its schema."""
    counts: dict[tuple[str, str], int] = {}
    for record, reading in zip(data, readings, strict=True):
        is_broken = record["official_ok"] and not rules.item_ok(record, reading["calls"])
        if not is_broken or not record["ground_truth"] or not _is_contradicted(record):
            continue
        for model in (record["model"], "ALL"):
            for category in (record["category"], "calls"):
                counts[model, category] = counts.get((model, category), 0) + 1
    return counts


def _is_contradicted(record: Record) -> bool:
    """Whether no accepted value of some parameter is valid for the tool's schema."""
    tools = {tool.name: tool for tool in tool_specs(record["tools"])}
    for expected in record["ground_truth"]:
        ((name, accepted),) = expected.items()
        arguments = {key: values[0] for key, values in accepted.items() if values[0] != ""}
        finding = check(tools[name], arguments).finding
        if finding is not None and finding.where:
            return True
    return False
