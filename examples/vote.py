"""A goal that is done only where most of three tries, each in a copy of the folder, end the same."""

import os
import tempfile
from pathlib import Path

from nebulus import Agent

MODEL = os.environ.get("NEBULUS_MODEL", "ollama:qwen3:8b")

folder = Path(tempfile.mkdtemp(prefix="nebulus-example-"))
(folder / "may.csv").write_text("what,amount\nrent,740\ntrain,49\n")
agent = Agent(model=MODEL, workspace=folder, votes=3)
outcome = agent.run("Add up the amounts in may.csv, and write the total alone to total.txt.")
print(outcome)
print(sorted(path.name for path in folder.iterdir()))
for evidence in getattr(outcome, "evidence", ()):
    print("-", evidence.what)
