"""Rules in a file decide about each call, whatever the model writes. TOML here; a `.cedar` file works as well."""

import os
import tempfile
from pathlib import Path

from nebulus import Agent, Refused, tool

MODEL = os.environ.get("NEBULUS_MODEL", "ollama:qwen3:8b")
RULES = """\
[[policy]]
effect = ["read", "write"]
then = "allow"

[[policy]]
name = "small-amounts"
tool = "transfer"
argument = "amount"
above = 100
then = "deny"
reason = "more than 100 is for a person"
"""


@tool(effect="write")
def transfer(to: str, amount: int) -> str:
    """Move money between our own accounts; it can be moved back."""
    return f"moved {amount} to {to}"


rules = Path(tempfile.mkdtemp(prefix="nebulus-example-")) / "rules.toml"
rules.write_text(RULES)
agent = Agent(tools=[transfer], model=MODEL, policy=rules)
print(agent.run('Save.\n\n1. Use transfer with to = "savings", amount = 50'))
outcome = agent.run('Save more.\n\n1. Use transfer with to = "savings", amount = 5000')
print(outcome.reason if isinstance(outcome, Refused) else outcome)
