"""Follow a run: every event, as it is recorded."""

import asyncio
import os

from nebulus import Agent, tool

MODEL = os.environ.get("NEBULUS_MODEL", "ollama:qwen3:8b")


@tool(effect="read")
def stock(article: str) -> int:
    """Tell how many of an article are in stock."""
    return {"tea": 12, "coffee": 0}.get(article, 0)


async def main() -> None:
    """Print the kind of each event, and the outcome."""
    async with Agent(tools=[stock], model=MODEL) as agent:
        handle = await agent.start("Look.\n\n1. Use stock with article = tea")
        async for record in handle.events():
            print(record.position, type(record.event).__name__)
        print(await handle.result())


asyncio.run(main())
