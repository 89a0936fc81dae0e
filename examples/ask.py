"""Ask one question and get an answer of your type: one call of the model, no tools."""

import os
from dataclasses import dataclass

from nebulus import Agent, Done

MODEL = os.environ.get("NEBULUS_MODEL", "ollama:qwen3:8b")


@dataclass
class Town:
    """What is asked for."""

    name: str
    country: str


outcome = Agent(model=MODEL).ask("Which town lies at the mouth of the Thames?", result=Town)
print(outcome.answer if isinstance(outcome, Done) else f"no answer: {outcome}")
