"""Worlds of fakes for the runtime's tests."""

from collections.abc import Sequence
from typing import Any

from nebulus.core.answers import ModelAnswer, ModelRequest, Usage
from nebulus.core.config import RunConfig
from nebulus.core.errors import BackendError
from nebulus.core.events import JOURNAL_VERSION, Event, RunStarted
from nebulus.core.failure import Failure
from nebulus.core.journal import decode_batch
from nebulus.core.outcome import Outcome
from nebulus.core.plan import Goal, Plan, Step, ToolSucceeded
from nebulus.core.tiers import Tier
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.defaults import DefaultPolicy
from nebulus.ports.backend import BackendInfo, OnText, TokenCount
from nebulus.ports.guard import Person, PersonReply
from nebulus.ports.tool import Tool
from nebulus.runtime.driver import RunDriver
from nebulus.runtime.world import World
from nebulus.testing.people import ScriptedPerson
from nebulus.testing.runs import FakeRun
from nebulus.testing.tools import FakeTool
from nebulus.testing.world import FakeChecker, FakeClock

VALUE = {
    "type": "object",
    "properties": {"value": {"type": "string"}},
    "required": ["value"],
    "additionalProperties": False,
}
YES = PersonReply(is_yes=True, by="test")


def spec(name: str, effect: Effect, **more: bool) -> ToolSpec:
    """Return a tool of one text argument."""
    return ToolSpec(name=name, parameters=VALUE, effect=effect, **more)  # type: ignore[arg-type]


class LiteralModel:
    """Does what the step says: `TOOL VALUE` becomes a call. A failure in `failures` comes first."""

    def __init__(self, failures: Sequence[Failure] = ()) -> None:
        self._failures = list(failures)
        self.requests: list[ModelRequest] = []

    async def describe(self) -> BackendInfo:
        return BackendInfo(name="fake", model="literal", window_tokens=4096)

    async def count(self, request: ModelRequest) -> TokenCount:
        return TokenCount(100, is_exact=False)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        self.requests.append(request)
        if self._failures:
            raise BackendError(self._failures.pop(0))
        now = request.messages[-1].content.rsplit("Now: step ", 1)[1]
        _, tool, value = now.split(" ", 2)
        text = f'<tool_call>\n{{"name": "{tool}", "arguments": {{"value": "{value}"}}}}\n</tool_call>'
        return ModelAnswer(text=text, usage=Usage(100, 20))

    async def close(self) -> None:
        return None


class DictStore:
    """Artifacts in a dict."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def put(self, content: str) -> str:
        self.kept[str(len(self.kept))] = content
        return str(len(self.kept) - 1)

    def get(self, address: str) -> str:
        return self.kept[address]


def tools() -> dict[str, FakeTool]:
    """Return one fake tool of each kind."""
    specs = (
        spec("look", Effect.READ),
        spec("put", Effect.WRITE),
        spec("sync", Effect.WRITE, is_idempotent=True),
        spec("pay", Effect.IRREVERSIBLE, has_check=True),
        spec("send", Effect.IRREVERSIBLE),
    )
    return {item.name: FakeTool(item) for item in specs}


def world(
    kit: dict[str, FakeTool], *, model: LiteralModel | None = None, person: Person | None = None
) -> World:
    """Return a world of fakes over `kit`."""
    plugs: dict[str, Tool] = dict(kit)
    return World(
        backends={"small": model or LiteralModel()},
        tools=plugs,
        policy=DefaultPolicy(),
        person=person or ScriptedPerson([YES] * 1000),
        checker=FakeChecker(),
        artifacts=DictStore(),
        clock=FakeClock(),
    )


def config(kit: dict[str, FakeTool]) -> RunConfig:
    """Return a configuration over `kit` with one tier."""
    return RunConfig(
        tools=tuple(item.spec for item in kit.values()), tiers=(Tier(name="small", window_tokens=4096),)
    )


def plan_of(*calls: str, after: tuple[int, ...] | None = None) -> Plan:
    """Return a plan with a step per `TOOL VALUE`; independent ones with `after=()`."""
    steps = tuple(
        Step(number=number, text=call, checks=(ToolSucceeded(call.split()[0]),), after=after)
        for number, call in enumerate(calls, start=1)
    )
    return Plan(steps)


def started(kit: dict[str, FakeTool], plan: Plan, *, run_id: str = "run") -> RunStarted:
    """Return the first event of a run."""
    return RunStarted(
        goal=Goal(text="Do it."), plan=plan, config=config(kit), run_id=run_id, version=JOURNAL_VERSION
    )


def opened(run: FakeRun, kit: dict[str, FakeTool], given: World | None = None, **plugs: Any) -> RunDriver:
    """Return the driver of a run, at where its records lead."""
    driver = RunDriver(run, given or world(kit, **plugs))
    driver.replay(run.past)
    return driver


async def driven(run: FakeRun, kit: dict[str, FakeTool], plan: Plan, **plugs: Any) -> Outcome:
    """Begin a run, or go on with it, to its end."""
    driver = opened(run, kit, **plugs)
    first = () if driver.machine.position else (started(kit, plan, run_id=run.run_id),)
    return await driver.drive(*first)


def events_of(run: FakeRun) -> list[Event]:
    """Return what is recorded."""
    return [record.event for batch in run.reopened().past for record in decode_batch(batch)]
