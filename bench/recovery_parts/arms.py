"""The two arms that run in this process: Nebulus, and the plain loop that feeds errors back."""

import json
import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from bench.recovery_parts.world import MOST_CALLS_PER_STEP, FaultyWorld, score
from nano.language import Job, Reference, make_job
from nano.render import TRANSCRIPT_INSTRUCTIONS
from nebulus.adapters.engines.memory import MemoryEngine
from nebulus.adapters.people.absent import AbsentPerson
from nebulus.app.bootstrap import checker
from nebulus.calls import read
from nebulus.core.answers import FinishReason, FreeForm, Message, ModelAnswer, ModelRequest, RawCall, Usage
from nebulus.core.budget import Budget
from nebulus.core.errors import BackendError
from nebulus.core.failure import FailureKind
from nebulus.core.outcome import Blocked, Done, Failed, Outcome, Refused
from nebulus.core.plan import Named
from nebulus.core.tiers import Tier
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.defaults import DefaultPolicy
from nebulus.loop.progress import Setup
from nebulus.loop.runbook import read_runbook, with_implied_checks
from nebulus.ports.backend import BackendInfo, ModelBackend, OnText, TokenCount
from nebulus.ports.tool import ToolOutput
from nebulus.recovery.strategy import MODEL, TOOL, Limits
from nebulus.runtime.supervise import RunRequest, Supervisor
from nebulus.runtime.world import World
from nebulus.testing.faults import Fault, FaultPlan, FaultyBackend, fields_of

RESERVE_TOKENS = 96
RETURNS = {
    "type": "object",
    "anyOf": [{"required": [name]} for name in ("result", "path", "id", "name", "key")],
}
"""All that a job's tools promise of their results: one of the fields that a later step may ask for."""
ABLATIONS = ("one-strategy", "no-wait", "no-check", "no-key", "no-shape", "no-verify")


class Counting:
    """A backend that counts its answers."""

    def __init__(self, inner: ModelBackend) -> None:
        self._inner, self.calls = inner, 0

    async def describe(self) -> BackendInfo:
        """As the inner one."""
        return await self._inner.describe()

    async def count(self, request: ModelRequest) -> TokenCount:
        """As the inner one."""
        return await self._inner.count(request)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """As the inner one, counted."""
        self.calls += 1
        return await self._inner.answer(request, on_text)

    async def close(self) -> None:
        """Leave the inner one open: it is shared."""


class Faultless:
    """A model that makes no mistake: it reads the step and calls what it says, from what it is shown alone.

    What stays wrong with it is the runtime's.
    """

    def __init__(self, world: FaultyWorld) -> None:
        self._world = world

    async def describe(self) -> BackendInfo:
        """Say what it pretends to be."""
        return BackendInfo(name="faultless", model="faultless", window_tokens=4096)

    async def count(self, request: ModelRequest) -> TokenCount:
        """Guess."""
        return TokenCount(500, is_exact=False)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """Call what the step under Now says; a value that does not stand in the prompt can't be known."""
        shown = request.messages[-1].content
        number = int(re.findall(r"^Now: step (\d+)\.", shown, re.MULTILINE)[-1])
        step = self._world.job.steps[number - 1]
        values = {name: self._value(value, shown) for name, value in step.arguments}
        call = RawCall(step.tool, json.dumps(values, ensure_ascii=False))
        return ModelAnswer(calls=(call,), finish=FinishReason.CALLS, usage=Usage(500, 40))

    def _value(self, value: Any, shown: str) -> Any:
        if not isinstance(value, Reference):
            return value
        known = self._world.world.results.get(value.step, {}).get(value.field)
        return known if known is not None and str(known) in shown else "unknown"

    async def close(self) -> None:
        """Nothing is open."""


class SkippingClock:
    """A clock on which waiting is done at once, and counted."""

    def __init__(self) -> None:
        self.waited_s = 0.0

    def now_s(self) -> float:
        """Seconds, those that were skipped included."""
        return time.monotonic() + self.waited_s

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
    """One episode: a job by its seed and depth, and how its world fails."""

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
        plan = FaultPlan([Fault(name) for name in self.faults], rate=self.rate, seed=self.seed)
        return FaultyWorld(self.job(), self.seed, plan)


def specs(job: Job, *, arm: str) -> tuple[ToolSpec, ...]:
    """Return the job's tools: every other one takes a key, the others can tell whether a call happened."""
    result = []
    for number, tool in enumerate(job.tools):
        shape = tool["function"]["parameters"]
        texts = tuple(
            name
            for name, rule in shape["properties"].items()
            if rule["type"] == "string" and "enum" not in rule
        )
        takes_key = number % 2 == 0 and arm != "no-key"
        result.append(
            ToolSpec(
                name=tool["function"]["name"],
                description=tool["function"].get("description", ""),
                parameters=shape | {"additionalProperties": False},
                effect=Effect.WRITE,
                is_idempotent=takes_key,
                has_check=arm not in ("no-check", "no-verify") or (arm == "no-verify" and not takes_key),
                grounded=texts,
                returns={} if arm == "no-shape" else RETURNS,
            )
        )
    return tuple(result)


def limits_of(arm: str) -> Limits:
    """Return the limits of an arm: rows without waits, or one row for every class."""
    rows = {f"model.{kind}": row for kind, row in MODEL.items()} | {
        f"tool.{kind}": row for kind, row in TOOL.items()
    }
    match arm:
        case "no-wait":
            kept = {
                name: ", ".join(part for part in row.split(", ") if not part.startswith("wait"))
                for name, row in rows.items()
            }
            return Limits(strategies=kept, breaker_rest_s=20.0)
        case "one-strategy":
            return Limits(strategies=dict.fromkeys(rows, "ask 2, stop"), breaker_rest_s=20.0)
        case _:
            return Limits(breaker_rest_s=20.0)


async def nebulus_episode(
    task: Task, backend: ModelBackend | None, *, arm: str = "nebulus"
) -> dict[str, Any]:
    """Carry a job out by the runtime and return the score; without a backend, a faultless model's."""
    world, clock = task.world(), SkippingClock()
    counting = Counting(backend or Faultless(world))
    shown: ModelBackend = counting
    if task.server_rate:
        plan = FaultPlan([Fault(name) for name in task.faults], rate=task.server_rate, seed=task.seed)
        shown = FaultyBackend(counting, plan)
    tools = {spec.name: JobTool(spec, world) for spec in specs(world.job, arm=arm)}
    setup = Setup(
        tools=tuple(tool.spec for tool in tools.values()),
        tiers=(Tier(name="nano", window_tokens=4096, reserve_tokens=RESERVE_TOKENS),),
        budget=Budget(model_calls=MOST_CALLS_PER_STEP * task.depth + 10),
        limits=limits_of(arm),
    )
    touched = World(
        backends={"nano": shown},
        tools=tools,
        policy=DefaultPolicy(),
        person=AbsentPerson(),
        checker=checker(
            None,
            {"whole": lambda _: "" if world.is_right else "not all of it was done, or something else was"},
        ),
        artifacts=Shelf(),
        clock=clock,
    )

    @asynccontextmanager
    async def open_world(_: RunRequest) -> AsyncIterator[tuple[Setup, World]]:
        yield setup, touched

    goal, plan_ = read_runbook(world.job.goal)
    if arm == "nebulus-checked":
        goal = replace(goal, checks=(Named("whole"),))
    request = RunRequest(goal=goal, plan=with_implied_checks(plan_, setup.tools), setup=setup)
    began = time.perf_counter()
    async with Supervisor(MemoryEngine(), open_world) as supervisor:
        outcome = await supervisor.start("episode", request)
    seconds = time.perf_counter() - began
    row = score(
        world,
        ended=_said(outcome),
        says_done=isinstance(outcome, Done),
        model_calls=counting.calls,
        seconds=seconds,
    )
    return row | {"waited_s": clock.waited_s}


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


async def plain_episode(task: Task, backend: ModelBackend) -> dict[str, Any]:
    """Carry a job out in one growing conversation, errors fed back as text, and return the score."""
    world, counting = task.world(), Counting(backend)
    began = time.perf_counter()
    ended, says_done = await _converse(task, world, counting)
    seconds = time.perf_counter() - began
    return score(world, ended=ended, says_done=says_done, model_calls=counting.calls, seconds=seconds)


async def _converse(task: Task, world: FaultyWorld, backend: Counting) -> tuple[str, bool]:
    tools = tuple(replace(spec, grounded=()) for spec in specs(world.job, arm="no-shape"))
    messages = [Message("system", TRANSCRIPT_INSTRUCTIONS), Message("user", world.job.goal)]
    for turn in range(MOST_CALLS_PER_STEP * task.depth + 10):
        if world.world.is_complete:
            return "all of it was done", True
        request = ModelRequest(
            messages=tuple(messages), tools=tools, form=FreeForm(), max_tokens=RESERVE_TOKENS, seed=turn
        )
        try:
            answer = await backend.answer(request)
        except BackendError as error:
            if error.failure.kind is FailureKind.PROMPT_TOO_LARGE:
                return "the window is full", False
            messages.append(Message("user", f"error: {error.failure.what}"))
            continue
        reading = read(answer, tools)
        if reading.finding is not None:
            messages += [
                Message("assistant", answer.text),
                Message("user", f"error: {reading.finding.sentence()}"),
            ]
        elif not reading.calls:
            return "it said that it is done", True
        for call in reading.calls[:1]:
            try:
                result = world.call(call.tool, call.arguments)
            except Exception as error:  # noqa: BLE001 - whatever a tool raises is told to the model here
                result = f"error: {type(error).__name__}: {error}"
            arguments = json.dumps(call.arguments, ensure_ascii=False)
            messages.append(Message("assistant", "", (RawCall(call.tool, arguments, f"c{turn}"),)))
            messages.append(Message("tool", result, (), f"c{turn}"))
    return "out of calls", world.world.is_complete
