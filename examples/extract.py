"""Values out of a text, as your type. Each says where it was seen, or that it was seen nowhere."""

import os
import tempfile
from pathlib import Path
from typing import TypedDict

from nebulus import Agent, Done

MODEL = os.environ.get("NEBULUS_MODEL", "ollama:qwen3:8b")


class Appointment(TypedDict):
    """What is wanted from the note."""

    who: str
    time: str


folder = Path(tempfile.mkdtemp(prefix="nebulus-example-"))
(folder / "note.md").write_text("Buy milk. Call Anna at 14:00 on 3 May.\n")
agent = Agent(model=MODEL, workspace=folder)
outcome = agent.run("Whom to call, and when?\n\n1. Use read_file with path = note.md", result=Appointment)
print(outcome)
if isinstance(outcome, Done) and outcome.result:
    for source in outcome.result.sources:
        print(source)
