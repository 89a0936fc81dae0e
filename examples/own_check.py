"""A check of your own: `named NAME` in a goal calls your function; the goal is proven only if it finds nothing wrong."""

import os
from collections.abc import Mapping

from nebulus import Agent, tool

MODEL = os.environ.get("NEBULUS_MODEL", "ollama:qwen3:8b")
orders: list[str] = []


@tool(effect="write")
def order(article: str) -> str:
    """Put an article on the list of orders."""
    orders.append(article)
    return f"ordered {article}"


def tea_is_ordered(arguments: Mapping[str, str]) -> str:
    """Return "" if tea is on the list once, else why not. `arguments` are those that the check is written with."""
    return "" if orders.count("tea") == 1 else f"tea is on the list {orders.count('tea')} times"


GOAL = """\
Order tea.

1. Use order with article = tea

Checks:
- named tea_is_ordered
"""

agent = Agent(tools=[order], model=MODEL, checks={"tea_is_ordered": tea_is_ordered})
print(agent.run(GOAL))
