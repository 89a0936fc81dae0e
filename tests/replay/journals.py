"""Golden journals: runs that were recorded once, and what each of their records must replay to.

    python -m tests.replay.journals     # record them again; only together with a new JOURNAL_VERSION

A journal is one file: a line for each batch. Next to it is what it replayed to: for each record the digest of the
machine, and what the machine wanted then.
"""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

from nebulus import Agent, tool
from nebulus.core.answers import FinishReason, ModelAnswer, RawCall
from nebulus.core.digest import short_digest
from nebulus.core.events import JOURNAL_VERSION
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.journal import decode_batch
from nebulus.core.plan import Goal, Plan, Step, ToolSucceeded
from nebulus.core.result import ResultSpec
from nebulus.loop.machine import new_machine
from nebulus.loop.pending import commands
from nebulus.loop.transitions import NO_CONFIG, feed
from nebulus.testing.backends import ScriptedBackend, calls, says
from nebulus.testing.people import NO, YES, ScriptedPerson

FOLDER = Path(__file__).parent / f"v{JOURNAL_VERSION}"


@tool(effect="read", facts=("celsius",))
def weather(city: str) -> dict[str, int]:
    """Tell the weather of a city."""
    return {"celsius": len(city)}


@tool(effect="write")
def note(text: str) -> str:
    """Write a note."""
    return f"noted: {text}"


@tool(effect="irreversible")
def send(text: str) -> str:
    """Send a text."""
    return "sent"


@tool(effect="read", reads={"weight": "what the parcel weighs"})
def letter(name: str) -> str:
    """Read a letter."""
    return "Dear Anna, the parcel weighs 12.50 kg. Greetings"


@tool(effect="read", untrusted=True)
def page(name: str) -> str:
    """Read a page."""
    return "\n".join(f"{name}, line {number}" for number in range(100))


@tool(effect="irreversible", references=("text",))
def publish(text: str) -> str:
    """Publish a text."""
    return f"published {len(text)} characters"


TOOLS = (weather, note, send, letter)
BROKEN = Failure(kind=FailureKind.TRANSIENT, fault=Fault.BACKEND, what="it broke", retry_after_s=0.01)
WARM = ResultSpec(
    schema={
        "type": "object",
        "properties": {"celsius": {"type": "integer"}},
        "required": ["celsius"],
        "additionalProperties": False,
    }
)


def both(*cities: str) -> ModelAnswer:
    """Return one answer with several calls."""
    made = tuple(RawCall("weather", json.dumps({"city": city})) for city in cities)
    return ModelAnswer(calls=made, finish=FinishReason.CALLS)


async def recorded(
    name: str, agent: Agent, goal: str | Goal, *, plan: Plan | None = None
) -> tuple[bytes, ...]:
    """Return the journal of one run, taken up once more where it did not end well."""
    async with agent:
        outcome = await (await agent.start(goal, plan=plan, run_id=name)).result()
        if type(outcome).__name__ != "Done":
            await (await agent.resume(name)).result()
        return await agent.journal(name)


async def all_journals() -> dict[str, tuple[bytes, ...]]:
    """Record every run."""
    found = {}
    runbook = "Tell them.\n\n1. Use weather with city = Oslo\n2. Use note with text = cold\n3. Use send with text = cold"
    script = [
        BROKEN,
        calls("weather", city="Oslo"),
        says("I have noted it."),
        calls("note", text="cold"),
        calls("send", text="cold"),
    ]
    agent = Agent(tools=TOOLS, model=ScriptedBackend(script), person=ScriptedPerson([None, YES]))
    found["runbook"] = await recorded("runbook", agent, runbook)

    plan = says('{"steps": [{"text": "How warm is it in Oslo", "tool": "weather"}]}')
    script = [
        says("no plan"),
        plan,
        calls("weather", town=1),
        calls("weather", city="Oslo"),
        says('{"celsius": 4}'),
    ]
    agent = Agent(tools=TOOLS, model=ScriptedBackend(script), planning="outline")
    found["answer"] = await recorded("answer", agent, Goal(text="How warm is it in Oslo?", result=WARM))

    steps = (
        Step(number=1, text="Look at Oslo and Bergen"),
        Step(number=2, text="Use letter with name = a", checks=(ToolSucceeded("letter"),), after=()),
        Step(number=3, text="Use note with text = done", checks=(ToolSucceeded("note"),), after=(1, 2)),
    )

    def by_step(request: object) -> ModelAnswer:
        shown = request.messages[-1].content  # type: ignore[attr-defined]
        if "Values:" in shown:
            return says('{"weight": "12.50 kg"}')
        if "Now: step 1" in shown:
            return says("I looked at both.") if "step 1 celsius" in shown else both("Oslo", "Bergen")
        return calls("letter", name="a") if "Now: step 2" in shown else calls("note", text="done")

    agent = Agent(tools=TOOLS, model=ScriptedBackend(by_step))
    found["overlapping"] = await recorded("overlapping", agent, Goal(text="Look."), plan=Plan(steps))

    script = [calls("send", text="cold"), calls("send", text="cold")]
    agent = Agent(tools=TOOLS, model=ScriptedBackend(script), person=ScriptedPerson([NO, YES]))
    found["refused"] = await recorded("refused", agent, "Tell them.\n\n1. Use send with text = cold")

    script = [
        calls("weather", city="Oslo"),
        calls("weather", city="Oslo"),
        calls("finish", summary="It is cold."),
        calls("note", text="cold"),
        calls("finish", summary="It is cold, and noted."),
        says('{"celsius": 4}'),
    ]
    agent = Agent(tools=TOOLS, model=ScriptedBackend(script), planning="next")
    goal = Goal(text="How warm is it in Oslo? Note that it is 'cold'.", result=WARM)
    found["goal"] = await recorded("goal", agent, goal)

    script = [
        calls("page", name="may"),
        calls("publish", text={"from": "call 9"}),
        calls("publish", text={"from": "last"}),
        calls("finish", summary="It is published."),
    ]
    tools = (page, publish)
    agent = Agent(tools=tools, model=ScriptedBackend(script), person=ScriptedPerson([YES]), planning="next")
    found["references"] = await recorded("references", agent, "Publish the page of may.")
    return found


def replayed(batches: Iterable[bytes]) -> list[dict[str, object]]:
    """Return what each record of a journal replays to."""
    machine, found = new_machine(NO_CONFIG), []
    for batch in batches:
        for record in decode_batch(batch):
            machine = feed(machine, record.event)
            found.append(
                {
                    "position": record.position,
                    "event": type(record.event).__name__,
                    "machine": short_digest(machine),
                    "wanted": [type(command).__name__ for command in commands(machine)],
                }
            )
    return found


def main() -> None:
    """Record the journals, and what they replay to."""
    FOLDER.mkdir(exist_ok=True)
    for name, batches in asyncio.run(all_journals()).items():
        if (FOLDER / f"{name}.jsonl").exists():
            continue  # what was recorded once is not recorded again
        (FOLDER / f"{name}.jsonl").write_bytes(b"\n".join(batches) + b"\n")
        lines = [json.dumps(row) for row in replayed(batches)]
        (FOLDER / f"{name}.replayed.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
