"""The parser suite of another project, smg's `tool_parser` (Rust, Apache-2.0), read from a checkout of it.

A test of its suite is taken if it parses one text in one piece and says how many calls are in it. Tools are
on offer by the names that the test expects, with arguments left open. *Pass*: the calls that it expects, by
name, and the values that it compares. *Refused*: a finding. *Differ*: anything else.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from nebulus.calls import Needed, by_effect, read
from nebulus.core.answers import ModelAnswer
from nebulus.core.findings import CallEvidence
from nebulus.core.tools import ToolSpec

_TEST = re.compile(r"async fn (\w+)\(\) \{\n(.*?)\n\}\n", re.DOTALL)
_INPUT = re.compile(r'let (?:\w+)(?:: &str)? = r(#+)"(.*?)"\1;|let input = "((?:[^"\\]|\\.)*)";', re.DOTALL)
_COUNT = re.compile(r"(\w+)\.len\(\),\s*(\d+)")
_NAME = re.compile(r'\[(\d)\]\.function\.name,\s*"([^"]+)"')
_VALUE = re.compile(r'assert_eq!\(args(\d?)\["(\w+)"\],\s*("(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false)\)')
_MENTIONED = re.compile(
    r"(?:\"(?:tool_)?name\"\s*:\s*\"|name=\"|<function=|<tool_call>\s*|[\[,]\s*(?=\w+\())([A-Za-z_][\w.-]*)"
)


class Case(Struct, frozen=True):
    """One test: its text, the names of the calls in it, and values of their arguments by place and key."""

    name: str
    text: str
    count: int
    names: dict[int, str]
    values: dict[tuple[int, str], Any]


def cases(folder: Path) -> Iterator[Case]:
    """Yield the tests of every file under `folder` that can be taken."""
    for path in sorted(folder.rglob("tool_parser_*.rs")):
        for name, body in _TEST.findall(path.read_text(encoding="utf-8")):
            inputs, counts = _INPUT.findall(body), _COUNT.findall(body)
            if len(inputs) != 1 or body.count("parse_complete(") != 1 or "parse_incremental" in body:
                continue
            raw = inputs[0][1] or json.loads(f'"{inputs[0][2]}"'.replace("\n", "\\n").replace("\\'", "'"))
            count = int(counts[0][1]) if counts else 0 if "is_empty()" in body else -1
            if count >= 0:
                names = {int(place): named for place, named in _NAME.findall(body)}
                values = {(int(at or 0), key): json.loads(value) for at, key, value in _VALUE.findall(body)}
                yield Case(f"{path.stem.removeprefix('tool_parser_')}/{name}", raw, count, names, values)


def measure(folder: Path) -> dict[str, Any]:
    """Return counts at both levels, and the tests that are not passed as a parser, with the reason."""
    found: dict[str, Any] = {}
    for label, needed in (("as a parser", CallEvidence.MARKED), ("by effect", by_effect)):
        counts: Counter[str] = Counter()
        missed = []
        for case in cases(folder):
            ended, why = _ended(case, needed)
            counts[ended] += 1
            if ended != "pass":
                missed.append(f"{ended}: {case.name}: {why}")
        found[label] = {**counts, "missed": missed}
    return found


def _ended(case: Case, needed: Needed) -> tuple[str, str]:
    names = sorted({*case.names.values(), *_MENTIONED.findall(case.text)} - {""})
    tools = tuple(ToolSpec(name=name, parameters={"type": "object"}) for name in names)
    reading = read(ModelAnswer(text=case.text), tools, needed=needed)
    if reading.finding is not None:
        return ("pass" if case.count == 0 else "refused"), reading.finding.rule
    right = len(reading.calls) == case.count and all(
        place < len(reading.calls) and reading.calls[place].tool == name for place, name in case.names.items()
    )
    wrong = [
        key
        for (place, key), value in case.values.items()
        if right and place < len(reading.calls) and str(reading.calls[place].arguments.get(key)) != str(value)
    ]
    if right and not wrong:
        return "pass", ""
    return "differ", f"value of {wrong[0]}" if wrong else f"{len(reading.calls)} calls for {case.count}"
