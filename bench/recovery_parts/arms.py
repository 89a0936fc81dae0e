"""A job carried out by Nebulus: the arms differ in tiers, strategies and in what the tools promise."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from bench import ceiling
from bench.one_run import run_once
from bench.recovery_parts.models import Counting, Faultless
from bench.recovery_parts.world import FaultyWorld, most_calls, score
from nano.language import Job, make_job
from nebulus.adapters.people.absent import AbsentPerson
from nebulus.app.bootstrap import checker
from nebulus.core.budget import Budget
from nebulus.core.config import RunConfig
from nebulus.core.limits import Limits
from nebulus.core.outcome import Blocked, Done, Exhausted, Failed, Outcome, Refused
from nebulus.core.plan import Named
from nebulus.core.tiers import Tier
from nebulus.core.tools import ToolSpec
from nebulus.guard.defaults import DefaultPolicy
from nebulus.loop.runbook import read_runbook
from nebulus.ports.backend import ModelBackend
from nebulus.ports.tool import ToolOutput
from nebulus.recovery.strategy import MODEL, TOOL
from nebulus.runtime.world import World
from nebulus.testing.faults import Fault, FaultPlan, FaultyBackend, fields_of

RESERVE_TOKENS = 96
RETURNS = {
    "type": "object",
    "anyOf": [{"required": [name]} for name in ("result", "path", "id", "name", "key")],
}
"""All that a job's tools promise of their results: one of the fields that a later step may ask for."""
ABLATIONS = (
    "one-strategy",
    "no-wait",
    "no-ask",
    "no-other_tool",
    "start-over",
    "no-check",
    "no-key",
    "no-shape",
    "no-verify",
)
"""`no-MOVE` removes a move from every row; `start-over` starts a failed job again, twice, instead of stopping."""
ESCALATIONS: Mapping[str, tuple[str, ...]] = {
    "small alone": ("nano",),
    "small, then itself": ("nano", "again"),
    "small, then large": ("nano", "large"),
    "small, then large, without escalate": ("nano", "large"),
    "large alone": ("large",),
}
"""The tiers of each arm; `large` makes no mistake."""
TIMES_STARTED = 3


class SkippingClock:
    """A clock on which waiting is done at once, and counted."""

    def __init__(self) -> None:
        self.waited_s = 0.0

    def now_s(self) -> float:
        """Seconds, those that were skipped included."""
        return time.monotonic() + self.waited_s

    def time_s(self) -> float:
        """The time of day, in seconds, those that were skipped included."""
        return time.time() + self.waited_s

    async def sleep(self, seconds: float) -> None:
        """Skip."""
        self.waited_s += seconds


class JobTool:
    """A tool of a job: it answers, or fails, as its world does."""

    def __init__(self, spec: ToolSpec, world: FaultyWorld) -> None:
        self.spec, self._world = spec, world

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput:
        """Do it. Raises: what a client of a failing server raises."""
        text = self._world.call(self.spec.name, arguments, key, is_idempotent=self.spec.is_idempotent)
        return ToolOutput(text=text, fields=fields_of(text))

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """Ask the world, where the tool has a check."""
        return self._world.has_happened(key) if self.spec.has_check else None


class Shelf:
    """Artifacts that nobody reads again."""

    def put(self, content: str) -> str:
        """Name it."""
        return f"{len(content):064d}"

    def get(self, address: str) -> str:
        """Refuse: nothing in a job looks inside."""
        raise AssertionError(address)


class Task(Struct, frozen=True):
    """One episode: a job by its seed and depth, and how its world, or its model server, fails."""

    seed: int
    depth: int
    faults: list[str]
    rate: float
    wordings: str
    server_rate: float = 0.0

    def job(self) -> Job:
        """Return the job."""
        return make_job(random.Random(self.seed), self.depth, "held_out", wordings=self.wordings)  # type: ignore[arg-type]

    def world(self) -> FaultyWorld:
        """Return its world."""
        return FaultyWorld(self.job(), self.seed, self.plan(self.rate))

    def plan(self, rate: float) -> FaultPlan:
        """Return how it fails."""
        return FaultPlan([Fault(name) for name in self.faults], rate=rate, seed=self.seed)


def specs(job: Job, *, arm: str) -> tuple[ToolSpec, ...]:
    """Return the job's tools: every other one takes a key, the others can tell whether a call happened."""
    result = []
    for number, spec in enumerate(ceiling.specs(job, is_grounded=True)):
        takes_key = number % 2 == 0 and arm != "no-key"
        result.append(
            replace(
                spec,
                is_idempotent=takes_key,
                has_check=arm not in ("no-check", "no-verify") or (arm == "no-verify" and not takes_key),
                returns={} if arm == "no-shape" else RETURNS,
            )
        )
    return tuple(result)


def limits_of(arm: str) -> Limits:
    """Return the limits of an arm: its rows without a move, or one row for every class."""
    move = "escalate" if arm.endswith("without escalate") else arm.removeprefix("no-")
    if arm == "one-strategy":
        return Limits(strategies=dict.fromkeys(rows(), "ask 2, stop"), breaker_rest_s=20.0)
    return Limits(strategies=without(move), breaker_rest_s=20.0)


def rows() -> dict[str, str]:
    """Return the whole table as overrides."""
    tables = (("model", MODEL), ("tool", TOOL))
    return {f"{side}.{kind.value}": row for side, table in tables for kind, row in table.items()}


def without(move: str) -> dict[str, str]:
    """Return the rows that have `move`, each without it."""
    kept = {
        name: ", ".join(part for part in row.split(", ") if part.split()[0] != move)
        for name, row in rows().items()
    }
    return {name: row for name, row in kept.items() if row != rows()[name]}


async def nebulus_episode(
    task: Task, backend: ModelBackend | None, *, arm: str = "nebulus", seconds: float = 0.0
) -> dict[str, Any]:
    """Carry a job out by the runtime and return the score; without a backend, a faultless model's.

    `seconds` limits it; 0 means no limit.
    """
    world, clock, began = task.world(), SkippingClock(), time.perf_counter()
    large = Counting(Faultless(world))
    small = Counting(backend) if backend is not None else large
    backends = {"nano": small, "again": Counting(backend) if backend is not None else large, "large": large}
    outcome: Outcome | None = None
    for number in range(TIMES_STARTED if arm == "start-over" else 1):
        try:
            async with asyncio.timeout(seconds or None):
                outcome = await _run(Started(task, world, arm, f"run-{number}"), clock, backends)
        except TimeoutError:
            outcome = None
        if not isinstance(outcome, Failed):
            break
    is_bound = outcome is None or isinstance(outcome, Exhausted)
    by_tier = {name: backends[name].calls for name in ESCALATIONS.get(arm, ("nano",))}
    row = score(
        world,
        ended=_said(outcome) if outcome is not None else "out of time",
        says_done=isinstance(outcome, Done),
        is_bound=is_bound,
        model_calls=sum(by_tier.values()),
        seconds=time.perf_counter() - began,
    )
    proof = outcome.proof.value if isinstance(outcome, Done) else ""
    in_doubt = isinstance(outcome, Done) and "in doubt" in outcome.summary
    return row | {"waited_s": clock.waited_s, "by_tier": by_tier, "proof": proof, "in_doubt": in_doubt}


class Started(Struct, frozen=True):
    """One run of a job."""

    task: Task
    world: FaultyWorld
    arm: str
    run_id: str


async def _run(run: Started, clock: SkippingClock, backends: Mapping[str, Counting]) -> Outcome:
    task, world, arm = run.task, run.world, run.arm
    tools = {spec.name: JobTool(spec, world) for spec in specs(world.job, arm=arm)}
    names = ESCALATIONS.get(arm, ("nano",))
    config = RunConfig(
        tools=tuple(tool.spec for tool in tools.values()),
        tiers=tuple(Tier(name=name, window_tokens=4096, reserve_tokens=RESERVE_TOKENS) for name in names),
        budget=Budget(model_calls=most_calls(task.depth)),
        limits=limits_of(arm),
        checks_arguments=arm != "no-argument-check",
    )
    is_right = checker(
        None, {"whole": lambda _: "" if world.is_right else "not all of it was done, or something else was"}
    )
    touched = World(
        backends={name: _failing(backends[name], task) for name in names},
        tools=tools,
        policy=DefaultPolicy(),
        person=AbsentPerson(),
        checker=is_right,
        artifacts=Shelf(),
        clock=clock,
    )

    goal, plan = read_runbook(world.job.goal)
    if arm == "nebulus-checked":
        goal = replace(goal, checks=(Named("whole"),))
    return await run_once(config, touched, goal, plan=plan, run_id=run.run_id)


def _failing(backend: Counting, task: Task) -> ModelBackend:
    """Return a backend that fails by the task's plan, unless a server behind it does."""
    is_scripted = task.server_rate and isinstance(backend.inner, Faultless)
    return FaultyBackend(backend, task.plan(task.server_rate)) if is_scripted else backend


def _said(outcome: Outcome) -> str:
    match outcome:
        case Failed(failure=failure):
            return f"failed: {failure.kind.value}"
        case Blocked(question=question):
            return f"blocked: {question.kind}"
        case Refused(rule=rule):
            return f"refused: {rule}"
        case _:
            return type(outcome).__name__.lower()
