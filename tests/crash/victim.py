"""Runs one job over and over, and kills its own process at another write each time.

    python -m tests.crash.victim ENGINE FOLDER PLAN [FIRST LAST]

ENGINE is a SQLite path or a PostgreSQL URL; PLAN is `in-order`, `at-once` for steps that don't depend on each
other, four of them under way, or `overlapping` for three chains of steps, with several reads in one answer, and
tools that take their time, so that a death meets calls before, at and after their effect. For every write from FIRST to LAST one child process runs the job and dies by SIGKILL
when what it would write has happened and is not yet recorded; a second one resumes it and dies when that write has
just been recorded; a third one resumes it to the end. Each position prints a JSON line: how many died, outcome,
summary, effects done, outcomes reported as unknown. A line with position 0 comes first: the run without a death.
"""

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from nebulus.adapters.engines.dbos import DbosEngine
from nebulus.core.answers import ModelAnswer, ModelRequest, Shape, Usage
from nebulus.core.config import RunConfig
from nebulus.core.events import OutcomeUnknown
from nebulus.core.outcome import Question
from nebulus.core.plan import Check, Goal, Plan, Step, ToolSucceeded
from nebulus.core.tiers import Tier
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.defaults import DefaultPolicy
from nebulus.ports.backend import BackendInfo, OnText, TokenCount
from nebulus.ports.engine import Body, Engine, OpenRun
from nebulus.ports.guard import PersonReply
from nebulus.ports.tool import ToolOutput
from nebulus.runtime.supervise import Opened, RunRequest, Supervisor
from nebulus.runtime.world import World

VALUE = {
    "type": "object",
    "properties": {"value": {"type": "string"}},
    "required": ["value"],
    "additionalProperties": False,
}
SPECS = (
    ToolSpec(name="look", parameters=VALUE, effect=Effect.READ, reads={"what": "what is there"}),
    ToolSpec(name="put", parameters=VALUE, effect=Effect.WRITE),
    ToolSpec(name="sync", parameters=VALUE, effect=Effect.WRITE, is_idempotent=True),
    ToolSpec(name="pay", parameters=VALUE, effect=Effect.IRREVERSIBLE, has_check=True),
    ToolSpec(name="send", parameters=VALUE, effect=Effect.IRREVERSIBLE),
)
STEPS = tuple(
    Step(
        number=number,
        text=f"{SPECS[number % 5].name} v{number}",
        checks=(ToolSucceeded(SPECS[number % 5].name),),
    )
    for number in range(1, 21)
)
CHAINS = 3


def _chained(step: Step) -> Step:
    """Return a step that waits only for the one before it in its chain; a read looks at three values at once."""
    values = (f"{step.text}{which}" for which in "abc")
    text = f"look {' '.join(value.removeprefix('look ') for value in values)}"
    before = (step.number - CHAINS,) if step.number > CHAINS else ()
    return replace(step, after=before, text=text if step.text.startswith("look") else step.text)


PLANS = {
    "in-order": Plan(STEPS),
    "at-once": Plan(tuple(replace(step, after=()) for step in STEPS)),
    "overlapping": Plan(tuple(map(_chained, STEPS[:14]))),
}
CONFIG = RunConfig(tools=SPECS, tiers=(Tier(name="small", window_tokens=4096),))


def expected(plan: str) -> list[str]:
    """Return every effect of a plan, each once."""
    return sorted(step.text for step in PLANS[plan].steps if not step.text.startswith("look"))


class Ledger:
    """What the outside world saw: one line an effect, on disk before the tool returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self) -> list[str]:
        """Return every effect so far, in order."""
        return self._path.read_text().splitlines() if self._path.exists() else []

    def add(self, line: str) -> None:
        """Let the effect happen."""
        with self._path.open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())


class LedgerTool:
    """A tool whose effect is a line in the ledger; where it takes its time, calls end in another order."""

    under_way = 0
    """How many calls of all tools run now."""
    most_under_way = 0
    """How many ran at the same time at most."""

    def __init__(self, spec: ToolSpec, ledger: Ledger, *, pause_s: float = 0.0) -> None:
        self.spec, self._ledger, self._pause_s = spec, ledger, pause_s

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput:
        """Do it; an idempotent tool does it once per key, and here value and key are one."""
        LedgerTool.under_way += 1
        LedgerTool.most_under_way = max(LedgerTool.most_under_way, LedgerTool.under_way)
        await self._pause(arguments)
        line = f"{self.spec.name} {arguments['value']}"
        is_repeat = self.spec.is_idempotent and line in self._ledger.lines()
        if self.spec.effect is not Effect.READ and not is_repeat:
            self._ledger.add(line)
        await self._pause(arguments)
        LedgerTool.under_way -= 1
        return ToolOutput(text=f"ok {arguments['value']}")

    async def _pause(self, arguments: dict[str, Any]) -> None:
        if self._pause_s:
            await asyncio.sleep(self._pause_s * (1 + sum(map(ord, arguments["value"])) % 4))

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """Look, if the tool can."""
        return (
            f"{self.spec.name} {arguments['value']}" in self._ledger.lines() if self.spec.has_check else None
        )


class OneWhoLooks:
    """Approves everything, and looks before saying whether something happened."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def ask(self, question: Question) -> PersonReply:
        """Answer truthfully."""
        if question.kind == "approval":
            return PersonReply(is_yes=True)
        value = json.loads(question.arguments)["value"]
        return PersonReply(is_yes=f"{question.tool} {value}" in self._ledger.lines())


class Literal:
    """Calls the tool that the step names with the value that it gives; reads the last word of a text."""

    async def describe(self) -> BackendInfo:
        """Say what it is."""
        return BackendInfo(name="literal", model="literal", window_tokens=4096)

    async def count(self, request: ModelRequest) -> TokenCount:
        """Guess."""
        return TokenCount(100, is_exact=False)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """Answer with the call, or with what must be read."""
        if isinstance(request.form, Shape):
            word = request.messages[-1].content.split()[-1]
            return ModelAnswer(text=json.dumps({"what": word}), usage=Usage(100, 5))
        _, tool, *values = request.messages[-1].content.rsplit("Now: step ", 1)[1].split()
        calls = [json.dumps({"name": tool, "arguments": {"value": value}}) for value in values]
        text = "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in calls)
        return ModelAnswer(text=text, usage=Usage(100, 20))

    async def close(self) -> None:
        """Do nothing."""


class Nothing:
    """Checks pass, and nothing is large enough to be stored."""

    async def failure_of(self, check: Check) -> str:
        """Say yes."""
        return ""

    def put(self, content: str) -> str:
        """Refuse."""
        raise AssertionError(content)

    def get(self, address: str) -> str:
        """Refuse."""
        raise AssertionError(address)


class DyingRun:
    """An open run whose process is killed at one write."""

    def __init__(self, run: OpenRun, position: int, moment: str) -> None:
        self._run, self._position, self._moment, self._writes = run, position, moment, 0

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self._run.run_id

    @property
    def past(self) -> tuple[bytes, ...]:
        """What was recorded before."""
        return self._run.past

    async def record(self, batch: bytes) -> None:
        """Record a batch, or die before or after it."""
        self._writes += 1
        is_here = self._writes == self._position
        if is_here and self._moment == "performed":
            os.kill(os.getpid(), signal.SIGKILL)
        await self._run.record(batch)
        if is_here:
            os.kill(os.getpid(), signal.SIGKILL)

    async def stop_asked(self) -> bool:
        """Whether the run shall stop."""
        return await self._run.stop_asked()


class DyingEngine(DbosEngine):
    """The durable engine, in a process that is about to be killed."""

    def __init__(self, address: str, position: int, moment: str) -> None:
        super().__init__(address)
        self._kill_at = (position, moment)

    async def open(self, body: Body) -> None:
        """Open, with every run made mortal."""

        async def dying(run: OpenRun, request: bytes) -> bytes:
            return await body(DyingRun(run, *self._kill_at), request)

        await super().open(dying)


async def carry_out(engine: Engine, folder: Path, run_id: str, plan: str) -> dict[str, Any]:
    """Start the run, or resume it if it exists; return what became of it."""
    ledger = Ledger(folder / f"{run_id}.ledger")
    pause_s = 0.002 if plan == "overlapping" else 0.0
    tools = {spec.name: LedgerTool(spec, ledger, pause_s=pause_s) for spec in SPECS}
    world = World(
        backends={"small": Literal()},
        tools=tools,
        policy=DefaultPolicy(),
        person=OneWhoLooks(ledger),
        checker=Nothing(),
        artifacts=Nothing(),
    )

    @asynccontextmanager
    async def open_world(_: str, __: RunRequest) -> AsyncIterator[Opened]:
        yield Opened(CONFIG, world)

    async with Supervisor(engine, open_world) as supervisor:
        if run_id in {info.run_id for info in await supervisor.runs()}:
            handle = await supervisor.resume(run_id)
        else:
            request = RunRequest(goal=Goal(text="Do it."), plan=PLANS[plan], config=CONFIG)
            handle = await supervisor.start(run_id, request)
        outcome = await handle.result()
        journal = await supervisor.journal(run_id)
        assert (await supervisor.verify(run_id)).is_whole
        return {
            "outcome": type(outcome).__name__,
            "summary": getattr(outcome, "summary", str(outcome)),
            "effects": sorted(ledger.lines()),
            "at_once": LedgerTool.most_under_way,
            "unknown": sum(isinstance(record.event, OutcomeUnknown) for record in journal),
            "writes": len(await supervisor.raw_journal(run_id)),
        }


class Job(NamedTuple):
    """What is run over and over: where, and in which order of steps."""

    address: str
    folder: Path
    plan: str


def in_child(job: Job, run_id: str, *, at: tuple[int, str] | None) -> tuple[int, str]:
    """Carry the run out in a child process; return its wait status and what it printed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            engine = DyingEngine(job.address, *at) if at else DbosEngine(job.address)
            text = json.dumps(asyncio.run(carry_out(engine, job.folder, run_id, job.plan)))
        except BaseException:  # the child's last word goes to its parent  # noqa: BLE001
            text = json.dumps({"error": traceback.format_exc()[-2000:]})
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    return os.waitpid(child, 0)[1], text


def main() -> None:
    """Print one line a death."""
    job = Job(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
    mark = f"{os.getpid():x}"
    _, text = in_child(job, f"{mark}-whole", at=None)
    print(json.dumps({"position": 0, "deaths": 0} | json.loads(text)), flush=True)
    writes = json.loads(text)["writes"]
    first, last = (int(sys.argv[4]), int(sys.argv[5])) if len(sys.argv) > 5 else (1, writes)
    for position in range(first, min(last, writes) + 1):
        run_id, deaths = f"{mark}-{position}", 0
        for moment in ("performed", "recorded"):
            status, _ = in_child(job, run_id, at=(position, moment))
            deaths += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        _, text = in_child(job, run_id, at=None)
        print(json.dumps({"position": position, "deaths": deaths} | json.loads(text)), flush=True)


if __name__ == "__main__":
    main()
