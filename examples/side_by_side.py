"""Several runs at once: each has a handle, and they share the models."""

import asyncio
import os

from nebulus import Agent, tool

MODEL = os.environ.get("NEBULUS_MODEL", "ollama:qwen3:8b")
PRICES = {"tea": 4, "coffee": 6, "milk": 1}


@tool(effect="read")
def price(article: str) -> int:
    """Tell the price of an article."""
    return PRICES[article]


async def main() -> None:
    """Begin three runs, then wait for all of them."""
    async with Agent(tools=[price], model=MODEL) as agent:
        handles = [await agent.start(f"Look.\n\n1. Use price with article = {name}") for name in PRICES]
        for name, outcome in zip(
            PRICES, await asyncio.gather(*(one.result() for one in handles)), strict=True
        ):
            print(name, "->", outcome)


asyncio.run(main())
