"""What the guard costs a whole step: the machine, its journal in memory, a model and a tool that take no time."""

import asyncio
import time

from bench.guard_parts.cost import policy_of, tools
from nebulus.adapters.stores.memory import MemoryStore
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.budget import Budget
from nebulus.core.config import RunConfig
from nebulus.core.events import RunStarted
from nebulus.core.outcome import Done
from nebulus.core.plan import Check, Goal, Plan, Step, ToolSucceeded
from nebulus.core.tiers import Tier
from nebulus.guard.defaults import DefaultPolicy
from nebulus.ports.guard import Policy
from nebulus.runtime.driver import RunDriver
from nebulus.runtime.world import World
from nebulus.testing.backends import ScriptedBackend, calls
from nebulus.testing.people import ScriptedPerson
from nebulus.testing.policies import ScriptedPolicy
from nebulus.testing.runs import FakeRun
from nebulus.testing.tools import FakeTool


class Holds:
    """Every check holds."""

    async def failure_of(self, check: Check) -> str:
        """Return that it does."""
        return ""


def measure(*, steps: int = 200, rounds: int = 5) -> dict[str, float]:
    """Return microseconds of CPU for a step: with a policy that looks at nothing, the default, 50 in Cedar.

    The best round of each counts, since anything else that runs on the machine only adds.
    """
    policies: dict[str, Policy] = {
        "a step, guard off": ScriptedPolicy(),
        "a step, default policy": DefaultPolicy(),
        "a step, 50 policies": policy_of(40),
    }
    found: dict[str, list[float]] = {name: [] for name in policies}
    for _ in range(rounds):
        for name, policy in policies.items():
            found[name].append(asyncio.run(_run(policy, steps)))
    return {name: round(min(times), 1) for name, times in found.items()}


async def _run(policy: Policy, steps: int) -> float:
    write = tools()[0]
    config = RunConfig(
        tools=tools(),
        tiers=(Tier(name="small", window_tokens=8192),),
        budget=Budget(model_calls=0, tool_calls=0),
    )

    def answer(request: ModelRequest) -> ModelAnswer:
        number = request.messages[-1].content.rsplit("Now: step ", 1)[1].split(".", 1)[0]
        return calls("write_file", path=f"notes/{number}.txt", content=number)

    world = World(
        backends={"small": ScriptedBackend(answer)},
        tools={spec.name: FakeTool(spec) for spec in tools()},
        policy=policy,
        person=ScriptedPerson(),
        checker=Holds(),
        artifacts=MemoryStore(),
    )
    plan = Plan(
        tuple(
            Step(
                number=number,
                text=f"write_file notes/{number}.txt with content {number}",
                tools=(write.name,),
                checks=(ToolSucceeded(write.name),),
            )
            for number in range(1, steps + 1)
        )
    )
    driver = RunDriver(FakeRun(), world)
    began = time.process_time()
    started = RunStarted(goal=Goal(text="Write notes."), plan=plan, config=config, run_id="r")
    outcome = await driver.drive(started)
    took = time.process_time() - began
    if not isinstance(outcome, Done):
        raise TypeError(f"the run ended in {outcome}, so that its time says nothing")
    return took / steps * 1e6
