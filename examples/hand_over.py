"""Work handed over to a worker: it may read one folder only, and returns a number, or a failure that says why."""

import os
import tempfile
from pathlib import Path

from nebulus import Agent, Budget, worker

MODEL = os.environ.get("NEBULUS_MODEL", "ollama:qwen3:8b")

lookup = worker(
    "lookup",
    "Find the price of the product in the price list.",
    inputs={"product": str},
    tools=["read_file", "search_files"],
    paths=["prices"],
    result=float,
    budget=Budget(tokens=20_000),
)
folder = Path(tempfile.mkdtemp(prefix="nebulus-example-"))
(folder / "prices").mkdir()
(folder / "prices" / "list.txt").write_text("chair: 40.50\ntable: 120.00\n")
agent = Agent(model=MODEL, workspace=folder, workers=[lookup])
print(agent.run("What does the chair cost? Ask lookup.", result=float))
