"""Can a small model hand calculation and table work to the tools? Prompt tokens, and right results of single calls.

    python bench/offload.py                                  # the due calls alone: are the tasks and the tools right?
    python bench/offload.py --tokens MODEL.gguf ...          # what each tool costs in a prompt
    python bench/offload.py MODEL.gguf ... [--show]          # ask the models

Each task is a question in one sentence about the tables below, whose columns are in the prompt, as `describe_table`
shows them, or a calculation. All tools that read are offered, or only the due one (`--due`); decoding is greedy and constrained to one call. The call
is *made*, and it is right if its result is the expected one, however the model asked for it. What a task was refused
with is counted too, since a run would show it to the model and ask again.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.ceiling_parts.report import wilson
from nebulus.adapters.backends.embedded import EmbeddedLlamaCpp
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.adapters.tools.builtin import builtin_tools
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.core.answers import Message, ModelRequest, OneCall
from nebulus.core.errors import BackendError
from nebulus.core.failure import Failure
from nebulus.core.tools import Effect
from nebulus.ports.tool import Tool, ToolOutput

SYSTEM = "You work on files with tools. Answer the user by one call of a tool."
ANSWER_TOKENS = 128
ORDERS = """order,date,customer,city,amount,status
101,2024-03-01,C1,Oslo,"1,200.50",paid
102,2024-03-02,C2,Bergen,80.10,open
103,2024-03-05,C1,Oslo,19.90,paid
104,2024-04-01,C3,Oslo,310.00,open
105,2024-04-03,C2,Bergen,45.25,paid
106,2024-04-03,C4,Tromsø,,cancelled
107,2024-05-20,C3,Bergen,99.99,paid
"""
CUSTOMERS = "id,name,country\nC1,Berg,NO\nC2,Lind,SE\nC3,Dahl,NO\nC4,Moen,NO\n"
STAFF = """{"team": {"members": [
  {"name": "Anna", "age": 41, "role": "engineer"}, {"name": "Bo", "age": 29, "role": "designer"},
  {"name": "Cleo", "age": 35, "role": "engineer"}]}}"""


class Task(Struct, frozen=True):
    """A question, a call that answers it, and the result: a value, or the first cells of all rows."""

    ask: str
    tool: str
    arguments: dict[str, Any]
    expected: str | int | float | tuple[str, ...]


def _query(
    ask: str, expected: str | float | tuple[str, ...], path: str = "orders.csv", **arguments: Any
) -> Task:
    return Task(f"{ask} ({path})", "query_table", {"path": path, **arguments}, expected)


def _calculation(ask: str, expression: str, expected: float) -> Task:
    return Task(ask, "calculate", {"expression": expression}, expected)


TASKS = (
    _calculation("What is 17.5 * 23 - 4?", "17.5 * 23 - 4", 398.5),
    _calculation("Add 12.10, 7.35, 99.99, 0.56 and 18.", "12.10 + 7.35 + 99.99 + 0.56 + 18", 138),
    _calculation("What is 15% of 84.20?", "15% of 84.20", 12.63),
    _calculation("What is the average of 3, 8, 14 and 15?", "avg(3, 8, 14, 15)", 10),
    _calculation("A price of 249 is reduced by 30 percent. What is the new price?", "249 * (1 - 30/100)", 174.3),
    _calculation("How many days are between 2024-03-01 and 2024-05-09?", "2024-05-09 - 2024-03-01", 69),
    _calculation("Round 1234.5678 to two decimals.", "round(1234.5678, 2)", 1234.57),
    _query("How many orders are there?", 7, aggregate="count"),
    _query("How many orders are paid?", 4, where="status = paid", aggregate="count"),
    _query("What is the total amount of all orders?", 1755.74, aggregate="sum(amount)"),
    _query("What is the total amount of the paid orders?", 1365.64, where="status = paid", aggregate="sum(amount)"),
    _query("What is the largest amount?", 1200.5, aggregate="max(amount)"),
    _query("Which orders are from Bergen?", ("102", "105", "107"), where="city = Bergen"),
    _query("Which orders have an amount above 100?", ("101", "104"), where="amount > 100"),
    _query("Which orders are open and from Oslo?", ("104",), where="status = open and city = Oslo"),
    _query("Which orders were made in April 2024?", ("104", "105", "106"), where="date >= 2024-04-01 and date < 2024-05-01"),
    _query("Which order has no amount?", ("106",), where="amount is empty"),
    _query(
        "What is the total amount for each city?",
        ("Bergen", "Oslo", "Tromsø"),
        group_by="city",
        aggregate="sum(amount)",
    ),
    _query("Sort the orders by amount, largest first, and show two.", ("101", "104"), sort="amount", descending=True, limit=2),
    _query("What is the mean age?", 35, "staff.json", aggregate="mean(age)"),
    _query("Who is an engineer?", ("Anna", "Cleo"), "staff.json", where="role = engineer"),
    _query("How many people are there for each role?", ("designer", "engineer"), "staff.json", group_by="role", aggregate="count"),
    Task(
        "What is the total amount for each country? (orders.csv has customer, customers.csv has id and country)",
        "join_tables",
        {"path": "orders.csv", "other_path": "customers.csv", "on": "customer = id", "group_by": "country", "aggregate": "sum(amount)"},
        ("NO", "SE"),
    ),
    Task("What are the columns of customers.csv?", "describe_table", {"path": "customers.csv"}, "id, name, country"),
)  # fmt: skip


def is_right(output: ToolOutput | Failure, expected: str | float | tuple[str, ...]) -> bool:
    """Tell whether a result is the expected one."""
    if isinstance(output, Failure):
        return False
    if isinstance(expected, tuple):
        lines = output.text.rpartition("\n(")[0].split("\n")[1:]
        return tuple(line.split(",")[0] for line in lines) == expected
    return expected in output.fields.values()


async def ask(model: Path, tools: Mapping[str, Tool], given: argparse.Namespace) -> str:
    """Return a line of the table for one model."""
    backend = EmbeddedLlamaCpp(
        BackendSettings(kind="embedded", path=str(model), window_tokens=4096, threads=given.threads)
    )
    offered = tuple(tool.spec for tool in tools.values() if tool.spec.effect is Effect.READ)
    columns = [await tools["describe_table"].run({"path": path}, "") for path in ("orders.csv", "customers.csv", "staff.json")]  # fmt: skip
    known = "\n\n".join(item.text for item in columns if isinstance(item, ToolOutput))
    named = right = refused = 0
    try:
        for task in TASKS:
            shown = f"{known}\n\n{task.ask}" if "path" in task.arguments else task.ask
            request = ModelRequest(
                messages=(Message("system", SYSTEM), Message("user", shown)),
                tools=(tools[task.tool].spec,) if given.due else offered,
                form=OneCall(),
                max_tokens=ANSWER_TOKENS,
            )
            try:
                call = (await backend.answer(request)).calls[0]
            except (BackendError, IndexError) as error:
                print(f"  {task.ask} -> {error}", flush=True)
                continue
            output = await tools[call.name].run(json.loads(call.arguments), "")
            is_good = is_right(output, task.expected)
            named += call.name == task.tool
            right += is_good
            refused += isinstance(output, Failure)
            if given.show and not is_good:
                why = output.sentence() if isinstance(output, Failure) else output.text[:200]
                print(f"  {task.ask} -> {call.name} {call.arguments}\n    {why}", flush=True)
    finally:
        await backend.close()
    count = len(TASKS)
    low, high = wilson(right, count)
    return f"| {model.stem} | {named}/{count} | {right}/{count} | {low:.2f}-{high:.2f} | {refused} |"


async def tokens(model: Path, tools: Mapping[str, Tool]) -> None:
    """Print what each tool adds to a prompt of a model that is given tools as signatures."""
    backend = EmbeddedLlamaCpp(
        BackendSettings(kind="embedded", path=str(model), window_tokens=4096, tool_form="signatures")
    )
    specs = tuple(tool.spec for tool in tools.values())

    async def counted(*left_out: str) -> int:
        offered = tuple(spec for spec in specs if spec.name not in left_out)
        request = ModelRequest(
            messages=(Message("system", SYSTEM),), tools=offered, form=OneCall(), max_tokens=1
        )
        return (await backend.count(request)).tokens

    try:
        whole = await counted()
        for spec in specs:
            print(f"| {model.stem} | {spec.name} | {whole - await counted(spec.name)} |", flush=True)
    finally:
        await backend.close()


async def measure(given: argparse.Namespace) -> int:
    """Measure what was asked for; return how many due calls are wrong."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("orders.csv", ORDERS), ("customers.csv", CUSTOMERS), ("staff.json", STAFF)):
            (Path(folder) / name).write_text(text, "utf-8")
        tools = {tool.spec.name: tool for tool in builtin_tools(FolderWorkspace(folder), None)}
        wrong = 0
        for task in TASKS:
            output = await tools[task.tool].run(task.arguments, "")
            if not is_right(output, task.expected):
                wrong += 1
                print(f"{task.ask} -> {output}")
        print(f"due calls: {len(TASKS) - wrong} of {len(TASKS)} right")
        for model in given.models:
            if not model.exists():
                print(f"{model} is absent: skipped")
            elif given.tokens:
                await tokens(model, tools)
            else:
                print(
                    "| model | right tool | right result | 95 % interval | refused |\n|---|--:|--:|---|--:|"
                )
                print(await ask(model, tools, given), flush=True)
    return wrong


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, nargs="*", help="GGUF files")
    parser.add_argument("--tokens", action="store_true", help="count tokens, ask nothing")
    parser.add_argument("--due", action="store_true", help="offer only the due tool, as a plan would name it")
    parser.add_argument("--threads", type=int, default=0, help="threads of the model; 0 lets it choose")
    parser.add_argument("--show", action="store_true", help="print each result that is not right")
    raise SystemExit(asyncio.run(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
