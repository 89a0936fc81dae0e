"""Runs of the nano model for the measurement of forecasts: jobs of its held-out language, and families of them.

A family is one runbook with other values in each run, as a person would use it every week.
"""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench.ceiling import PATIENT, RESERVE_TOKENS, JobTool, NoTime, specs
from nano import values
from nano.environment import Environment
from nano.language import Job, JobStep, Reference, make_job, spoken
from nano.lexicon import Split
from nano.values import Value
from nebulus.adapters.engines.memory import MemoryEngine
from nebulus.adapters.people.absent import AbsentPerson
from nebulus.adapters.stores.memory import MemoryStore
from nebulus.app.bootstrap import checker
from nebulus.core.budget import Budget
from nebulus.core.config import RunConfig
from nebulus.core.events import Event
from nebulus.core.failure import Failure
from nebulus.core.tiers import StepKind, Tier
from nebulus.guard.defaults import DefaultPolicy
from nebulus.loop.route import NO_SKILLS, Skills
from nebulus.loop.runbook import read_runbook, with_implied_checks
from nebulus.ports.backend import ModelBackend
from nebulus.ports.tool import ToolOutput
from nebulus.report.step_outcomes import RunOutcomes, step_outcomes
from nebulus.runtime.supervise import Opened, RunRequest, Supervisor
from nebulus.runtime.world import World

BUSY_RATE = 0.0
TIER = "nano"


class KeptRun(Struct, frozen=True, kw_only=True):
    """A run that happened: which family and variant, how deep, whether all of it was right, and its events."""

    family: int
    variant: int
    depth: int
    wordings: Split
    is_right: bool
    right_steps: int
    """How many steps were done right before the first mistake."""
    ended: str
    events: list[Event]


class CountedTool(JobTool):
    """Remembers how many steps were done when the first wrong call was made."""

    first_wrong: dict[int, int]

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Execute in the world."""
        result = await super().run(arguments, key)
        if self._world.wrong:
            self.first_wrong.setdefault(0, self._world.done)
        return result


def job_of(family: int, variant: int, *, depth: int, wordings: Split) -> Job:
    """Return the runbook of a family, with the values of a variant; variant 0 is as it was drawn."""
    base = make_job(random.Random(family), depth, "held_out", wordings=wordings)
    if not variant:
        return base
    rng = random.Random(family * 1000 + variant)
    return replaced(base, steps=tuple(_varied(rng, step, base) for step in base.steps))


def _varied(rng: random.Random, step: JobStep, job: Job) -> JobStep:
    shape = next(
        tool["function"]["parameters"] for tool in job.tools if tool["function"]["name"] == step.tool
    )
    text, arguments = step.text, []
    for name, value in step.arguments:
        new = value if isinstance(value, Reference) else _other(rng, value, shape["properties"][name])
        if not isinstance(value, Reference) and not isinstance(new, Reference):
            if text.count(spoken(value)) == 1:
                text = text.replace(spoken(value), spoken(new))
            else:
                new = value
        arguments.append((name, new))
    return replaced(step, text=text, arguments=tuple(arguments))


def _other(rng: random.Random, value: Value, rule: dict[str, Any]) -> Value:
    """Return another value of the same form."""
    if "enum" in rule:
        return rng.choice(rule["enum"])
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return rng.randrange(max(10, 2 * value))
    if " " in value:
        return " ".join(values.word(rng, "held_out") for _ in value.split())
    if "/" in value or "." in value:
        return values.path(rng, "held_out")
    return values.code(rng, "held_out") if any(map(str.isdigit, value)) else values.word(rng, "held_out")


def config_of(job: Job) -> RunConfig:
    """Return the configuration of a run."""
    return RunConfig(
        tools=specs(job, is_grounded=True),
        tiers=(Tier(name=TIER, window_tokens=4096, reserve_tokens=RESERVE_TOKENS),),
        budget=Budget(model_calls=6 * len(job.steps) + 6),
        limits=PATIENT,
    )


async def carry_out(
    family: int, variant: int, *, depth: int, wordings: Split, backend: ModelBackend
) -> KeptRun:
    """Carry a job out by the runtime, on one tier."""
    job = job_of(family, variant, depth=depth, wordings=wordings)
    return await carry_out_on(
        config_of(job), {TIER: backend}, family=family, variant=variant, depth=depth, wordings=wordings
    )


async def carry_out_on(
    config: RunConfig,
    backends: Mapping[str, ModelBackend],
    *,
    family: int,
    depth: int,
    variant: int = 0,
    wordings: Split = "held_out",
    skills: Skills = NO_SKILLS,
) -> KeptRun:
    """Carry a job out by the runtime, on the tiers of `config`, which `backends` serve."""
    job = job_of(family, variant, depth=depth, wordings=wordings)
    world = Environment(job, random.Random(family * 1000 + variant), BUSY_RATE, "held_out")
    first_wrong = dict[int, int]()
    tools = {spec.name: CountedTool(spec, world) for spec in config.tools}
    for tool in tools.values():
        tool.first_wrong = first_wrong
    touched = World(
        backends=backends,
        tools=tools,
        policy=DefaultPolicy(),
        person=AbsentPerson(),
        checker=checker(None, {}),
        artifacts=MemoryStore(),
        clock=NoTime(),
        skills=skills,
    )

    @asynccontextmanager
    async def open_world(_: str, __: RunRequest) -> AsyncIterator[Opened]:
        yield Opened(config, touched)

    goal, plan = read_runbook(job.goal)
    request = RunRequest(goal=goal, plan=with_implied_checks(plan, config.tools, goal=goal), config=config)
    async with Supervisor(MemoryEngine(), open_world) as supervisor:
        handle = await supervisor.start("run", request)
        events = [record.event async for record in handle.events()]
        outcome = await handle.result()
    return KeptRun(
        family=family,
        variant=variant,
        depth=depth,
        wordings=wordings,
        is_right=world.is_complete and world.is_clean,
        right_steps=first_wrong.get(0, world.done),
        ended=type(outcome).__name__.lower(),
        events=events,
    )


def steps_of(run: KeptRun) -> list[tuple[Any, bool]]:
    """Return each step that was begun, up to the first mistake, with whether it was right."""
    found: RunOutcomes = step_outcomes(run.events)
    acts = [work for work in found.steps if work.kind is StepKind.EXECUTE]
    return [(work, work.step <= run.right_steps) for work in acts if work.step <= run.right_steps + 1]


def read_runs(path: Path) -> list[KeptRun]:
    """Return the runs that were kept in a file, a line each."""
    if not path.exists():
        return []
    return [msgspec.json.decode(line, type=KeptRun) for line in path.read_bytes().splitlines()]
