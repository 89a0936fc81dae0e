"""A run outlives its process: it is kept in SQLite, and another process takes it up where it was."""

import asyncio
import os
import tempfile
from pathlib import Path

from nebulus import Agent, tool
from nebulus.core.errors import RunCancelledError

MODEL = os.environ.get("NEBULUS_MODEL", "ollama:qwen3:8b")
GOAL = "Count.\n\n1. Use count with number = 1\n2. Use count with number = 2"
counted: list[int] = []


def was_counted(number: int) -> bool:
    """Tell whether a call took effect: asked after a crash, so that nothing is done twice or forgotten."""
    return number in counted


@tool(effect="write", check=was_counted)
def count(number: int) -> int:
    """Count one number."""
    counted.append(number)
    return number


async def main() -> None:
    """Begin a run, leave it in the middle as a crash would, and take it up with another agent."""
    runs = str(Path(tempfile.mkdtemp(prefix="nebulus-example-")) / "runs.sqlite")
    async with Agent(tools=[count], model=MODEL, engine=runs) as first:
        handle = await first.start(GOAL, run_id="counting")
        async for record in handle.events():
            if type(record.event).__name__ == "ToolReturned":
                handle.stop()
        try:
            await handle.result()
        except RunCancelledError:
            print("left after", counted)
    async with Agent(tools=[count], model=MODEL, engine=runs) as second:
        print(await (await second.resume("counting")).result())
    print("each number was counted once:", counted)


asyncio.run(main())
