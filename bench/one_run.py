"""One run in memory, from its parts: what most benchmarks drive."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nebulus.adapters.engines.memory import MemoryEngine
from nebulus.core.config import RunConfig
from nebulus.core.outcome import Outcome
from nebulus.core.plan import Goal, Plan
from nebulus.loop.runbook import with_implied_checks
from nebulus.runtime.supervise import Opened, RunRequest, Supervisor
from nebulus.runtime.world import World


async def run_once(
    config: RunConfig, world: World, goal: Goal, *, plan: Plan, run_id: str = "run"
) -> Outcome:
    """Carry `goal` out by `plan` in `world`, with nothing durable, and return the outcome."""

    @asynccontextmanager
    async def open_world(_: str, __: RunRequest) -> AsyncIterator[Opened]:
        yield Opened(config, world)

    request = RunRequest(goal=goal, plan=with_implied_checks(plan, config.tools, goal=goal), config=config)
    async with Supervisor(MemoryEngine(), open_world) as supervisor:
        return await (await supervisor.start(run_id, request)).result()
