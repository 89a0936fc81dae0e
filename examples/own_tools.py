"""Your functions as tools. `effect` says what each does to the world: a tool that declares none counts as irreversible."""

import os

from nebulus import Agent, Done, tool

MODEL = os.environ.get("NEBULUS_MODEL", "ollama:qwen3:8b")


@tool(effect="read")
def weather(city: str) -> dict[str, float]:
    """Tell the weather of a city.

    Args:
        city: The name of the city, in English.
    """
    return {"celsius": {"Oslo": 7.0, "Rome": 21.0}.get(city, 15.0)}


agent = Agent(tools=[weather], model=MODEL)
outcome = agent.run("How warm is it in Oslo?", result=float)
print(outcome)
if isinstance(outcome, Done) and outcome.result:
    for source in outcome.result.sources:
        print("seen in:", source)
