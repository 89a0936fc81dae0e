"""What stored results are worth: jobs whose tools return some 3 KB, the value that later steps need somewhere inside.

Each result is the job's own, as a field of a JSON object between two lists of filler records. Three ways: stored
(head, fields and handle, as always), whole in the next prompt as a plain loop would show it, and cut at what a
prompt shows, so that code knows no more than the model.
"""

import argparse
import json
import random
from typing import Any

from msgspec.structs import replace

from bench import ceiling
from bench.ceiling import JobTool
from bench.memory_ablations import CELL_HEADER, CutBackend, cell_line
from bench.memory_course import Serve
from nebulus.core.answers import ModelRequest
from nebulus.core.failure import Failure
from nebulus.memory.prompt import OBSERVATION_CHARS
from nebulus.ports.tool import ToolOutput

RECORDS = 48
"""Filler records of some 60 bytes around the value."""
NOTES = ("counted", "moved to the back", "seal is whole", "label is torn", "to be counted again")


def padded(text: str) -> str:
    """Return a result's JSON with filler before and after its fields; the same for the same text."""
    rng = random.Random(text)
    filler = [
        {"shelf": rng.randint(1, 400), "count": rng.randint(0, 90), "note": rng.choice(NOTES)}
        for _ in range(RECORDS)
    ]
    place = rng.randint(0, RECORDS)
    return json.dumps({"before": filler[:place], **json.loads(text), "after": filler[place:]})


class LongTool(JobTool):
    """A tool of a job that returns its fields inside a long text, as a function that returns a dict would."""

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Execute in the world; only what succeeds is padded."""
        output = await super().run(arguments, key)
        return replace(output, text=padded(output.text)) if isinstance(output, ToolOutput) else output


class CutTool(LongTool):
    """The same, cut at what a prompt shows: a field after the cut is lost."""

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Execute in the world; keep the beginning."""
        output = await super().run(arguments, key)
        if isinstance(output, Failure):
            return output
        shown = output.text[:OBSERVATION_CHARS]
        kept = {
            name: value for name, value in output.fields.items() if f'"{name}": {json.dumps(value)}' in shown
        }
        return ToolOutput(text=shown, fields=kept)


class WholeTool(LongTool):
    """The same, with its last text available for the prompt."""

    last = ""

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Execute in the world, and keep the text."""
        output = await super().run(arguments, key)
        if isinstance(output, ToolOutput):
            WholeTool.last = output.text
        return output


def shown_whole(request: ModelRequest) -> ModelRequest:
    """Put the last result into the prompt whole, and leave the handles out."""
    system, user = request.messages
    lines, is_stored = [], False
    for line in user.content.split("\n"):
        is_stored = line == "Stored:" or (is_stored and line.startswith("- "))
        if is_stored:
            continue
        if line.startswith("Last: ") and "[the whole is stored: " in line:
            line = f"{line.partition(' -> ')[0]} -> {WholeTool.last}"
        lines.append(line)
    return replace(request, messages=(system, replace(user, content="\n".join(lines))))


WAYS: dict[str, tuple[type[JobTool], Any]] = {
    "short results": (JobTool, lambda request: request),
    "long results, stored": (LongTool, lambda request: request),
    "long results, whole in the prompt": (WholeTool, shown_whole),
    "long results, cut": (CutTool, lambda request: request),
}


async def long_results(serve: Serve, *, episodes: int, depths: tuple[int, ...]) -> list[dict[str, Any]]:
    """Print what each way costs and brings, code resolving the references."""
    print(f"\n{CELL_HEADER}")
    rows = []
    for depth in depths:
        for name, (tool, cut) in WAYS.items():
            given = argparse.Namespace(episodes=episodes, json=True)
            async with serve() as backend:
                through = CutBackend(backend, cut)
                cell = await ceiling.cell(
                    "nebulus", depth, wordings="train", inner=through, given=given, tool=tool
                )
            rows.append({"prompt": name, "resolves": "code", **cell, "evaluated": through.evaluated_per_call})
            print(cell_line(rows[-1]), flush=True)
    return rows
