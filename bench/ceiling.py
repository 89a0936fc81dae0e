"""The depth curve: how many steps can a small model carry, alone and inside Nebulus?

Jobs of the nano model's held-out language (tool names, schemas, values, wordings and depths that its
training never saw) are carried out in a world that keeps score. An episode succeeds when every expected
call was executed in order and no wrong one ever was. What is shown to the model is made from the goal's
text and the tools' results alone.

    python bench/ceiling.py [--episodes 100] [--depths 1,2,4,8,16,32] [--arms raw,nebulus] [--wordings train]
    python bench/ceiling.py --write docs/measured      # the table and the plot that the README shows
    python bench/ceiling.py --arms nebulus,no-argument-check,no-constraint --depths 1,4,8      # what each rule is worth

Arms: `raw` is the loop that most agents are: the whole transcript, errors fed back, until the work is
done, four answers in a row were no valid call, a call had a wrong effect, or three times the needed calls
were made. `raw-constrained` is the same with each call constrained to the tools' schemas. `nebulus` is the
runtime. The others are the runtime with one law switched off. An answer is valid if it holds a call that
fits its tool's schema.
"""

import argparse
import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from bench.ceiling_parts.report import HEADER, SAID, count, line, plot, wilson
from bench.one_run import run_once
from nano.environment import Environment
from nano.language import Job, make_job
from nano.lexicon import Split
from nano.render import TRANSCRIPT_INSTRUCTIONS
from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.adapters.people.absent import AbsentPerson
from nebulus.adapters.stores.memory import MemoryStore
from nebulus.app.bootstrap import checker, nano_path
from nebulus.calls import read
from nebulus.core.answers import FreeForm, Message, ModelAnswer, ModelRequest, OneCall, RawCall
from nebulus.core.budget import Budget
from nebulus.core.config import RunConfig
from nebulus.core.errors import BackendError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.limits import Limits
from nebulus.core.tiers import Tier
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.defaults import DefaultPolicy
from nebulus.loop.runbook import read_runbook
from nebulus.ports.backend import BackendInfo, ModelBackend, OnText, TokenCount
from nebulus.ports.tool import ToolOutput
from nebulus.runtime.world import World

DEPTHS = (1, 2, 4, 8, 16, 32)
MAIN = ("raw", "raw-constrained", "nebulus")
WORDINGS = ("held_out", "train")
STUCK_AFTER = 4
ARMS = (
    "raw",
    "raw-constrained",
    "nebulus",
    "no-constraint",
    "no-grounding",
    "no-argument-check",
    "no-retry",
    "no-resolving",
)
BUSY_RATE = 0.08
RESERVE_TOKENS = 192
SEED = 20_261_122
PATIENT = Limits(
    attempts=6,
    strategies={
        f"model.{kind}": "ask 5, stop"
        for kind in ("invalid_arguments", "malformed_answer", "truncated", "check_failed")
    },
)
"""As in the demo: an answer of this model costs some 20 ms, so it may try a little longer."""


class Episode(Struct, frozen=True):
    """How one job ended: steps done, answers asked for and valid ones, wrong effects, tokens, seconds."""

    is_ok: bool
    done: int
    answers: int
    valid: int
    wrong: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    ended: str


class CountingBackend:
    """A backend that counts its answers and can switch constraining off."""

    def __init__(self, inner: ModelBackend, *, is_constrained: bool = True) -> None:
        self._inner, self._is_constrained = inner, is_constrained
        self.answers, self.valid, self.prompt_tokens, self.completion_tokens = 0, 0, 0, 0

    async def describe(self) -> BackendInfo:
        """As the inner one."""
        return await self._inner.describe()

    async def count(self, request: ModelRequest) -> TokenCount:
        """As the inner one."""
        return await self._inner.count(request)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """As the inner one, counted."""
        self.answers += 1
        asked = request if self._is_constrained else replace(request, form=FreeForm())
        answer = await self._inner.answer(asked, on_text)
        self.valid += bool(read(answer, request.tools).calls)
        self.prompt_tokens += answer.usage.prompt_tokens
        self.completion_tokens += answer.usage.completion_tokens
        return answer

    async def close(self) -> None:
        """Leave the inner one open: it is shared."""


class JobTool:
    """A tool of a job as the runtime sees it: its world answers."""

    def __init__(self, spec: ToolSpec, world: Environment) -> None:
        self.spec, self._world = spec, world

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Execute in the world; its errors are failures, and had no effect."""
        text = self._world.execute(self.spec.name, arguments)
        fields = json.loads(text)
        if "error" not in fields:
            return ToolOutput(text=text, fields=fields)
        error = fields["error"]
        kind = FailureKind.TRANSIENT if "busy" in error else FailureKind.INVALID_ARGUMENTS
        return Failure(kind=kind, fault=Fault.TOOL, what=error)

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """It can't tell."""
        return None


class NoTime:
    """Waits cost nothing here: the world is not really busy."""

    def now_s(self) -> float:
        """Return the time."""
        return time.monotonic()

    def time_s(self) -> float:
        """Return the time of day."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait for nothing."""


def specs(job: Job, *, is_grounded: bool) -> tuple[ToolSpec, ...]:
    """Return the job's tools; text arguments without a closed set of values must be copied from the prompt."""
    result = []
    for tool in job.tools:
        shape = tool["function"]["parameters"]
        texts = tuple(
            name
            for name, rule in shape["properties"].items()
            if rule["type"] == "string" and "enum" not in rule
        )
        result.append(
            ToolSpec(
                name=tool["function"]["name"],
                description=tool["function"].get("description", ""),
                parameters=shape | {"additionalProperties": False},
                effect=Effect.WRITE,
                grounded=texts if is_grounded else (),
            )
        )
    return tuple(result)


async def raw_episode(job: Job, world: Environment, backend: CountingBackend, *, is_constrained: bool) -> str:
    """Carry the job out in one growing conversation; return how it ended."""
    tools = specs(job, is_grounded=False)
    messages = [Message("system", TRANSCRIPT_INSTRUCTIONS), Message("user", job.goal)]
    form = OneCall() if is_constrained else FreeForm()
    stuck = 0
    for turn in range(3 * len(job.steps) + 3):
        if world.is_complete:
            return "done"
        if stuck >= STUCK_AFTER:
            return "stuck"
        request = ModelRequest(
            messages=tuple(messages), tools=tools, form=form, max_tokens=RESERVE_TOKENS, seed=turn
        )
        try:
            answer = await backend.answer(request)
        except BackendError as error:
            if error.failure.kind is FailureKind.PROMPT_TOO_LARGE:
                return "window"
            messages.append(Message("user", f'{{"error": "{error.failure.what}"}}'))
            stuck += 1
            continue
        reading = read(answer, tools)
        stuck = 0 if reading.calls else stuck + 1
        if reading.finding is not None:
            messages += [
                Message("assistant", answer.text),
                Message("user", f"error: {reading.finding.sentence()}"),
            ]
        elif not reading.calls:
            return "stopped"
        for call in reading.calls[:1]:
            result = world.execute(call.tool, call.arguments)
            arguments = json.dumps(call.arguments, ensure_ascii=False)
            messages.append(Message("assistant", "", (RawCall(call.tool, arguments, f"c{turn}"),)))
            messages.append(Message("tool", result, (), f"c{turn}"))
        if not world.is_clean:
            return "wrong call"
    return "done" if world.is_complete else "out of calls"


async def nebulus_episode(
    job: Job, world: Environment, backend: CountingBackend, *, arm: str, tool: type[JobTool] = JobTool
) -> str:
    """Carry the job out by the runtime; return how it ended."""
    tools = {spec.name: tool(spec, world) for spec in specs(job, is_grounded=arm != "no-grounding")}
    limits = Limits(attempts=1) if arm == "no-retry" else PATIENT
    config = RunConfig(
        tools=tuple(each.spec for each in tools.values()),
        tiers=(Tier(name="nano", window_tokens=4096, reserve_tokens=RESERVE_TOKENS),),
        budget=Budget(model_calls=6 * len(job.steps) + 6),
        limits=limits,
        checks_arguments=arm != "no-argument-check",
        resolves_references=arm != "no-resolving",
    )
    touched = World(
        backends={"nano": backend},
        tools=tools,
        policy=DefaultPolicy(),
        person=AbsentPerson(),
        checker=checker(None, {}),
        artifacts=MemoryStore(),
        clock=NoTime(),
    )

    goal, plan = read_runbook(job.goal)
    outcome = await run_once(config, touched, goal, plan=plan)
    return type(outcome).__name__.lower()


async def episode(
    arm: str, job: Job, *, seed: int, inner: ModelBackend, tool: type[JobTool] = JobTool
) -> Episode:
    """Carry one job out and keep the score."""
    world = Environment(job, random.Random(seed), BUSY_RATE, "held_out")
    backend = CountingBackend(inner, is_constrained=arm != "no-constraint")
    began = time.perf_counter()
    if arm.startswith("raw"):
        ended = await raw_episode(job, world, backend, is_constrained=arm == "raw-constrained")
    else:
        ended = await nebulus_episode(job, world, backend, arm=arm, tool=tool)
    return Episode(
        is_ok=world.is_complete and world.is_clean,
        done=world.done,
        answers=backend.answers,
        valid=backend.valid,
        wrong=world.wrong,
        prompt_tokens=backend.prompt_tokens,
        completion_tokens=backend.completion_tokens,
        seconds=time.perf_counter() - began,
        ended=ended,
    )


async def cell(
    arm: str,
    depth: int,
    *,
    wordings: Split,
    inner: ModelBackend,
    given: argparse.Namespace,
    tool: type[JobTool] = JobTool,
) -> dict[str, Any]:
    """Run the episodes of one arm at one depth, with tools of the kind `tool`: every arm meets the same world."""
    episodes = []
    for number in range(given.episodes):
        seed = SEED + 1000 * depth + number
        job = make_job(random.Random(seed), depth, "held_out", wordings=wordings)
        episodes.append(await episode(arm, job, seed=seed, inner=inner, tool=tool))
    good = sum(item.is_ok for item in episodes)
    answers = max(1, sum(item.answers for item in episodes))
    low, high = wilson(good, len(episodes))
    row = {
        "wordings": wordings,
        "arm": arm,
        "depth": depth,
        "episodes": len(episodes),
        "ok": good,
        "low": low,
        "high": high,
        "silent_wrong": sum(item.ended == "done" and not item.is_ok for item in episodes),
        "wrong_effects": sum(item.wrong for item in episodes),
        "answers": answers,
        "valid": sum(item.valid for item in episodes) / answers,
        "prompt_tokens": sum(item.prompt_tokens for item in episodes) / answers,
        "completion_tokens": sum(item.completion_tokens for item in episodes) / answers,
        "ms": 1e3 * sum(item.seconds for item in episodes) / answers,
        "ended": count(item.ended for item in episodes),
    }
    if not given.json:
        print(line(row), flush=True)
    return row


async def measure(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Run every cell on one server."""
    backend = open_backend(BackendSettings(kind="embedded", path=given.model, threads=1))
    try:
        await backend.describe()
        return [
            await cell(arm, depth, wordings=wordings, inner=backend, given=given)
            for wordings in given.wordings
            for arm in given.arms
            for depth in given.depths
        ]
    finally:
        await backend.close()


def by_wordings(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each kind of wordings, by the title of their panel."""
    return {
        f"{SAID[wordings]} wordings, unseen tools and values": [
            row for row in rows if row["wordings"] == wordings
        ]
        for wordings in dict.fromkeys(row["wordings"] for row in rows)
    }


def main() -> None:
    """Measure, print the table or JSON, and write the documents if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=str(nano_path()), help="a GGUF file; the model in the package")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--depths", type=lambda text: [int(part) for part in text.split(",")], default=DEPTHS)
    parser.add_argument("--arms", type=lambda text: text.split(","), default=MAIN)
    parser.add_argument(
        "--wordings",
        nargs="+",
        choices=WORDINGS,
        default=WORDINGS,
        help="unseen in training, or seen, or both",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--write", type=Path, help="write ceiling.md, ceiling.json and ceiling.svg into this folder"
    )
    given = parser.parse_args()
    unknown = [arm for arm in given.arms if arm not in ARMS]
    if unknown:
        parser.error(f"no arm is called {unknown[0]!r}; there are {', '.join(ARMS)}")
    if not given.json:
        print(HEADER, flush=True)
    rows = asyncio.run(measure(given))
    if given.json:
        print(json.dumps(rows, indent=1))
    if given.write:
        given.write.mkdir(parents=True, exist_ok=True)
        (given.write / "ceiling.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1))
        (given.write / "ceiling.md").write_text("\n".join([HEADER, *map(line, rows)]) + "\n")
        plot(by_wordings(rows), given.write / "ceiling.svg")


if __name__ == "__main__":
    main()
