"""What can't be undone waits for a person. The run is blocked until then, and resumed where it was."""

import asyncio
import os

from nebulus import Agent, Blocked, tool

MODEL = os.environ.get("NEBULUS_MODEL", "ollama:qwen3:8b")


@tool(effect="irreversible")
def pay(invoice: str, amount: float) -> str:
    """Pay an invoice."""
    return f"paid {amount} for {invoice}"


async def main() -> None:
    """Begin, be asked, say yes, go on."""
    async with Agent(tools=[pay], model=MODEL) as agent:
        handle = await agent.start('Pay the rent.\n\n1. Use pay with invoice = "rent", amount = 740')
        outcome = await handle.result()
        if isinstance(outcome, Blocked):
            question = outcome.question
            print(f"{question.text} {question.arguments} ({question.reason})")
            await agent.approve(question, by="the reader of this example")
            outcome = await (await agent.resume(handle.run_id)).result()
        print(outcome)


asyncio.run(main())
