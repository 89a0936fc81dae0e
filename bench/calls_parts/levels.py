"""What each level of evidence costs and saves: right calls on recorded answers, and calls made though not meant.

The words around calls that the reader knows were written down while looking at the answers to questions that
want a call. Answers to the relevance questions, and what other models say before their calls (AgentDojo's runs),
were not looked at: `understood` tells how far the lists carry there.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.calls_parts.not_meant import composed
from bench.calls_parts.recorded import Record, line_of
from nebulus.calls import by_effect, read, tool_specs
from nebulus.calls.lines import answer_of
from nebulus.core.answers import ModelAnswer
from nebulus.core.findings import CallEvidence, Reading
from nebulus.core.tools import Effect, ToolSpec

LEVELS = (
    CallEvidence.UNMARKED,
    CallEvidence.MARKED,
    CallEvidence.OPENS,
    CallEvidence.ANNOUNCED,
    CallEvidence.WHOLE,
)
_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
_THOUGHT = re.compile(r"<thinking>.*?(?:</thinking>|\Z)", re.DOTALL)


def measure(rules: ModuleType, records: dict[str, list[Record]], folder: Path) -> dict[str, Any]:
    """Return the figures of each level, and how far the known words carry on material not looked at."""
    rows = [_level(level, rules, records) for level in LEVELS]
    return {"levels": rows, "understood": _understood(records), "lead-ins": _lead_ins(folder)}


def _level(level: CallEvidence, rules: ModuleType, records: dict[str, list[Record]]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for split, data in records.items():
        for record in data:
            made = _read(record, level).calls
            right = rules.item_ok(record, [{"name": call.tool, "arguments": call.arguments} for call in made])
            kind = "relevance" if record["category"] == "relevance" else "calls"
            counts[f"{split} {kind}"] += 1
            counts[f"{split} {kind} right"] += right
            counts[f"{split} {kind} broken"] += record["official_ok"] and not right
    return {"level": level.name.lower(), **counts, **made_though_not_meant(level)}


def made_though_not_meant(level: CallEvidence) -> dict[str, int]:
    """Return how many of the composed answers that mean no call are acted on at a level."""
    tools = (ToolSpec(name="get_weather", parameters=_SCHEMA),)
    answers = list(composed())
    made = sum(bool(read(ModelAnswer(text=each.text), tools, needed=level).calls) for each in answers)
    return {"not meant": len(answers), "acted on": made}


def _read(record: Record, level: CallEvidence) -> Reading:
    return read(answer_of(line_of(record)), tool_specs(record["tools"]), needed=level)


def _understood(records: dict[str, list[Record]]) -> list[dict[str, Any]]:
    """Of answers with a valid call and words around it: how many are accepted for a tool that reads."""
    table: dict[tuple[str, str], Counter[str]] = {}
    for record in (each for data in records.values() for each in data):
        if record["channel"] == "fc":
            continue
        most = _read(record, CallEvidence.UNMARKED)
        if not most.calls or max(most.evidence) >= CallEvidence.ANNOUNCED:
            continue
        seen = "not looked at" if record["category"] == "relevance" else "looked at"
        row = table.setdefault((record["model"], seen), Counter())
        row["with words"] += 1
        row["accepted"] += bool(_read(record, CallEvidence.OPENS).calls)
    return [{"model": model, "seen": seen, **row} for (model, seen), row in sorted(table.items())]


def _lead_ins(folder: Path) -> list[dict[str, Any]]:
    """Words of other models before their own calls: how many announce the call as the reader sees it."""
    table: dict[str, Counter[str]] = {}
    for pipeline, words, tool, arguments in _said_before_calls(folder):
        call = json.dumps({"name": tool, "arguments": arguments})
        spec = ToolSpec(name=tool, parameters={"type": "object"}, effect=Effect.WRITE)
        answer = ModelAnswer(text=f"{words}\n<tool_call>\n{call}\n</tool_call>")
        row = table.setdefault(pipeline, Counter())
        row["lead-ins"] += 1
        row["accepted"] += bool(read(answer, (spec,), needed=by_effect).calls)
    return [{"model": model, **row} for model, row in sorted(table.items())]


def _said_before_calls(folder: Path) -> Iterator[tuple[str, str, str, Any]]:
    known = set()
    path = folder / "agentdojo_runs" / "dev.jsonl.gz"
    if not path.is_file():
        return
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for run in map(json.loads, lines):
            for message in run["messages"]:
                calls, content = message.get("tool_calls"), message.get("content") or ""
                words = _THOUGHT.sub("", content if isinstance(content, str) else "").strip()
                if message["role"] != "assistant" or not calls or not words:
                    continue
                if (run["pipeline"], words) not in known:
                    known.add((run["pipeline"], words))
                    yield run["pipeline"], words, calls[0]["function"], calls[0]["args"]


def show(figures: dict[str, Any], line: Callable[[str], None] = print) -> None:
    """Print the levels as a table, and the rest a line each."""
    splits = [name.removesuffix(" calls") for name in figures["levels"][0] if name.endswith(" calls")]
    line(
        "| evidence needed | "
        + " | ".join(f"{s} right | {s} broken | {s} relevance" for s in splits)
        + " | acted on |"
    )
    line("|---|" + "--:|" * (3 * len(splits) + 1))
    for row in figures["levels"]:
        cells = []
        for split in splits:
            share = row[f"{split} calls right"] / row[f"{split} calls"]
            none = row[f"{split} relevance right"] / row[f"{split} relevance"]
            cells += [f"{share:.1%}", str(row[f"{split} calls broken"]), f"{none:.1%}"]
        line(f"| {row['level']} | " + " | ".join(cells) + f" | {row['acted on']} of {row['not meant']:,} |")
    for row in figures["understood"]:
        line(
            f"{row['model']}, {row['seen']}: {row['accepted']} of {row['with words']} calls with words are accepted"
        )
    for row in figures["lead-ins"]:
        line(f"{row['model']}: {row['accepted']} of {row['lead-ins']} lead-ins announce their call")
