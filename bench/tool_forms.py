"""How should tools be written into a prompt? Tokens, and right calls, of signatures against full JSON Schema.

    python bench/tool_forms.py ~/.cache/nebulus-models/smollm2-135m.gguf qwen2.5-coder-0.5b.gguf ...

Each task is one sentence that asks for one call of the built-in file tools, of which the due one and others
drawn by a seed are offered (`--offered`, all seven unless given). Every form meets the same
tasks; decoding is greedy and constrained to one call of an offered tool. A call is *valid* when it is of an
offered tool and its arguments have that tool's schema, and *right* when tool and arguments are exactly the due
ones, an argument at its default counting as left out. Time depends on what the server has cached; the tasks of
one form follow each other, so that the tools are evaluated once.

`bare` is the form of signatures without the lines that describe single parameters; `template` is the model's
own chat template, where it takes tools.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import jsonschema_rs
from msgspec import Struct
from msgspec.structs import replace

from bench.ceiling_parts.report import wilson
from nebulus.adapters.backends.embedded import EmbeddedLlamaCpp
from nebulus.adapters.backends.prompted_tools import tools_text
from nebulus.adapters.backends.settings import BackendSettings, ToolForm
from nebulus.adapters.tools.builtin import builtin_tools
from nebulus.adapters.tools.groups import ToolGroups
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.core.answers import Message, ModelRequest, OneCall
from nebulus.core.errors import BackendError
from nebulus.core.tools import ToolSpec

SYSTEM = "You work on files with tools. Do what the user asks by one call of a tool."
ANSWER_TOKENS = 128
FILES = ToolGroups(tables=False, calculate=False)


class Task(Struct, frozen=True):
    """What is asked, and the one right call."""

    ask: str
    tool: str
    arguments: dict[str, Any]


TASKS = (
    Task("Show me what is in the folder reports.", "list_files", {"path": "reports"}),
    Task("Which files are in photos/2024?", "list_files", {"path": "photos/2024"}),
    Task("List everything in the workspace.", "list_files", {}),
    Task("Read the file notes.txt.", "read_file", {"path": "notes.txt"}),
    Task("What does inbox/may.md say?", "read_file", {"path": "inbox/may.md"}),
    Task("Open recipes/soup.txt and show me its text.", "read_file", {"path": "recipes/soup.txt"}),
    Task("Find every line with the word invoice.", "search_files", {"query": "invoice"}),
    Task(
        "Search the folder letters for the name Anna.", "search_files", {"query": "Anna", "path": "letters"}
    ),
    Task("Where in budget.csv is Hotel mentioned?", "search_files", {"query": "Hotel", "path": "budget.csv"}),
    Task("Look for TODO in src/app.py.", "search_files", {"query": "TODO", "path": "src/app.py"}),
    Task(
        "Write the text Hello world to greeting.txt.",
        "write_file",
        {"path": "greeting.txt", "content": "Hello world"},
    ),
    Task(
        "Create a file shopping.txt that contains: milk, bread, eggs",
        "write_file",
        {"path": "shopping.txt", "content": "milk, bread, eggs"},
    ),
    Task(
        "Save the sentence The meeting is on Friday. in plans/friday.md.",
        "write_file",
        {"path": "plans/friday.md", "content": "The meeting is on Friday."},
    ),
    Task(
        "In letter.txt, replace Monday with Tuesday.",
        "edit_file",
        {"path": "letter.txt", "old": "Monday", "new": "Tuesday"},
    ),
    Task(
        "Change the word draft to final in docs/report.md.",
        "edit_file",
        {"path": "docs/report.md", "old": "draft", "new": "final"},
    ),
    Task(
        "Replace port = 80 by port = 8080 in config.ini.",
        "edit_file",
        {"path": "config.ini", "old": "port = 80", "new": "port = 8080"},
    ),
    Task("Rename draft.txt to final.txt.", "move_file", {"source": "draft.txt", "target": "final.txt"}),
    Task(
        "Move photo.jpg to album/photo.jpg.",
        "move_file",
        {"source": "photo.jpg", "target": "album/photo.jpg"},
    ),
    Task(
        "Move the file tmp/data.csv to archive/data.csv.",
        "move_file",
        {"source": "tmp/data.csv", "target": "archive/data.csv"},
    ),
    Task("Delete old.log.", "delete_file", {"path": "old.log"}),
    Task("Please remove the file tmp/cache.bin.", "delete_file", {"path": "tmp/cache.bin"}),
    Task("Get rid of drafts/a.md for good.", "delete_file", {"path": "drafts/a.md"}),
)

ARMS: dict[str, ToolForm] = {
    "signatures": "signatures",
    "bare": "signatures",
    "schemas": "schemas",
    "template": "template",
}


class Row(Struct, frozen=True):
    """What one form did with all tasks of one model."""

    model: str
    offered: int
    arm: str
    prompt_tokens: float
    evaluated_tokens: float
    valid: int
    tool: int
    right: int
    seconds: float


def offered(arm: str) -> tuple[ToolSpec, ...]:
    """Return the built-in file tools, for the arm `bare` without descriptions of parameters."""
    with tempfile.TemporaryDirectory() as folder:
        specs = tuple(tool.spec for tool in builtin_tools(FolderWorkspace(Path(folder)), None, FILES))
    return tuple(map(_without_descriptions, specs)) if arm == "bare" else specs


def _without_descriptions(spec: ToolSpec) -> ToolSpec:
    properties = {
        name: {key: value for key, value in schema.items() if key != "description"}
        for name, schema in spec.parameters["properties"].items()
    }
    return replace(spec, parameters={**spec.parameters, "properties": properties})


def some_of(tools: tuple[ToolSpec, ...], task: Task, count: int) -> tuple[ToolSpec, ...]:
    """Return the due tool and others, in their order."""
    others = [tool.name for tool in tools if tool.name != task.tool]
    kept = {task.tool, *random.Random(task.ask).sample(others, count - 1)}
    return tuple(tool for tool in tools if tool.name in kept)


async def run_arm(model: Path, arm: str, count: int, *, shows: bool) -> Row | None:
    """Ask all tasks in one form; None where the model's template takes no tools and is the form."""
    settings = BackendSettings(kind="embedded", path=str(model), tool_form=ARMS[arm], window_tokens=4096)
    backend = EmbeddedLlamaCpp(settings)
    tools = offered(arm)
    by_name = {tool.name: tool for tool in tools}
    prompt = cached = valid = named = right = 0
    began = time.perf_counter()
    try:
        if arm == "template" and not (await backend.describe()).template_calls:
            return None
        for task in TASKS:
            request = ModelRequest(
                messages=(Message("system", SYSTEM), Message("user", task.ask)),
                tools=some_of(tools, task, count),
                form=OneCall(),
                max_tokens=ANSWER_TOKENS,
            )
            try:
                answer = await backend.answer(request)
            except BackendError as error:
                print(f"  {arm}: {task.ask} -> {error}", flush=True)
                continue
            prompt += answer.usage.prompt_tokens
            cached += answer.usage.cached_tokens
            call = answer.calls[0] if answer.calls else None
            if call is None:
                continue
            arguments = json.loads(call.arguments)
            valid += jsonschema_rs.is_valid(by_name[call.name].parameters, arguments)
            named += call.name == task.tool
            is_right = call.name == task.tool and _given(by_name[call.name], arguments) == task.arguments
            right += is_right
            if shows and not is_right:
                print(f"  {arm}: {task.ask} -> {call.name} {call.arguments}", flush=True)
    finally:
        await backend.close()
    return Row(
        model=model.stem,
        offered=count,
        arm=arm,
        prompt_tokens=prompt / len(TASKS),
        evaluated_tokens=(prompt - cached) / len(TASKS),
        valid=valid,
        tool=named,
        right=right,
        seconds=time.perf_counter() - began,
    )


def _given(tool: ToolSpec, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that are not at their default."""
    properties = tool.parameters["properties"]
    return {
        name: value
        for name, value in arguments.items()
        if "default" not in properties.get(name, {}) or value != properties[name]["default"]
    }


def line(row: Row) -> str:
    """Return a row of the table."""
    count = len(TASKS)
    low, high = wilson(row.right, count)
    return (
        f"| {row.model} | {row.offered} | {row.arm} | {row.prompt_tokens:.0f} | {row.evaluated_tokens:.0f} | {row.valid}/{count} "
        f"| {row.tool}/{count} | {row.right}/{count} | {low:.2f}-{high:.2f} | {row.seconds:.0f} |"
    )


HEADER = (
    "| model | tools | form | prompt tokens | evaluated | valid | right tool | right call | 95 % interval | seconds |\n"
    "|---|--:|---|--:|--:|--:|--:|--:|---|--:|"
)


async def measure(models: list[Path], given: argparse.Namespace) -> list[Row]:
    """Return a row for each model and form, and print it as it comes."""
    rows = []
    print(HEADER, flush=True)
    for model in models:
        for arm in given.forms:
            row = await run_arm(model, arm, given.offered, shows=given.show)
            if row is not None:
                rows.append(row)
                print(line(row), flush=True)
    return rows


def main() -> None:
    """Measure, and print the table and the length of each text."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, nargs="+", help="GGUF files")
    parser.add_argument("--offered", type=int, default=7, help="how many tools are offered")
    parser.add_argument("--forms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--show", action="store_true", help="print each call that is not right")
    given = parser.parse_args()
    for arm in ("signatures", "bare", "schemas"):
        print(f"{arm}: {len(tools_text(offered(arm), ARMS[arm]))} characters")
    print()
    present = [model for model in given.models if model.exists()]
    for model in set(given.models) - set(present):
        print(f"{model} is not there: skipped")
    asyncio.run(measure(present, given))


if __name__ == "__main__":
    main()
