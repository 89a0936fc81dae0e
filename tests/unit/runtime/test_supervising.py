"""Runs by name: resumed, rewound, several at once; what was done stays done, and counts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from nebulus.adapters.engines.memory import MemoryEngine, MemoryStore
from nebulus.adapters.policies.cedar import CedarPolicy
from nebulus.adapters.policies.files import parse_rules
from nebulus.adapters.policies.sources import PolicyText
from nebulus.core.answers import ModelAnswer
from nebulus.core.commands import RunTool
from nebulus.core.config import RunConfig
from nebulus.core.errors import ConfigError, RunCancelledError
from nebulus.core.events import RunResumed, ToolReturned
from nebulus.core.limits import Limits
from nebulus.core.outcome import Done, Failed, Refused
from nebulus.core.plan import Goal, Plan, Step, ToolSucceeded
from nebulus.core.tools import Effect, ToolResult, ToolSpec
from nebulus.guard.check import Scene
from nebulus.guard.defaults import DefaultPolicy
from nebulus.ports.engine import RunStatus
from nebulus.ports.tool import Tool, ToolOutput
from nebulus.runtime.supervise import Opened, RunRequest, Supervisor
from nebulus.runtime.world import World
from nebulus.testing.backends import ScriptedBackend, calls, says
from nebulus.testing.people import ScriptedPerson
from nebulus.testing.tools import FakeTool
from nebulus.testing.world import FakeChecker, FakeClock
from tests.unit.runtime import worlds as w

TEXT = {"type": "string"}
PAY = ToolSpec(
    name="pay",
    parameters={
        "type": "object",
        "properties": {"to": TEXT, "amount": {"type": "number"}},
        "required": ["to", "amount"],
    },
    effect=Effect.IRREVERSIBLE,
)
RULES = """
[[policy]]
tool = "pay"
then = "allow"

[[policy]]
tool = "pay"
argument = "amount"
total_above = 100
then = "deny"
reason = "100 in all"
"""
PAID = calls("pay", to="bob", amount=60)


def supervised(tool: FakeTool, *answers: ModelAnswer) -> tuple[Supervisor, RunRequest]:
    config = RunConfig(tools=(PAY,), tiers=w.config(w.tools()).tiers, limits=Limits(attempts=1, refusals=1))
    scene = Scene(specs=(PAY,), agents=("agent", "small"))
    world = World(
        backends={"small": ScriptedBackend(answers)},
        tools={"pay": tool},
        policy=CedarPolicy(PolicyText(file=parse_rules(RULES, source="policy.toml")), scene),
        person=ScriptedPerson(),
        checker=FakeChecker(),
        artifacts=w.DictStore(),
        clock=FakeClock(),
    )

    @asynccontextmanager
    async def open_world(_: str, __: RunRequest) -> AsyncIterator[Opened]:
        yield Opened(config, world)

    plan = Plan(
        tuple(
            Step(number=number, text="pay bob 60", tools=("pay",), checks=(ToolSucceeded("pay"),))
            for number in (1, 2)
        )
    )
    request = RunRequest(goal=Goal(text="Pay bob."), plan=plan, config=config)
    return Supervisor(MemoryEngine(), open_world), request


async def begun(supervisor: Supervisor, request: RunRequest) -> object:
    return await (await supervisor.start("run", request)).result()


async def resumed(supervisor: Supervisor) -> object:
    return await (await supervisor.resume("run")).result()


async def test_what_was_paid_before_a_rewind_counts_towards_the_limit() -> None:
    tool = FakeTool(PAY)
    supervisor, request = supervised(tool, PAID, says("no"), PAID)
    async with supervisor:
        assert isinstance(await begun(supervisor, request), Failed)
        handle = await supervisor.rewind("run", step=1)
        assert isinstance(await handle.result(), Refused)
        assert (await supervisor.verify("run")).is_whole
        records = await supervisor.journal("run")
    assert len(tool.effects) == 1
    [again] = [record.event for record in records if isinstance(record.event, RunResumed)]
    assert again.usage is not None
    assert again.usage.calls == 1


async def test_a_rewind_to_a_step_that_never_began_is_an_error_and_cuts_nothing() -> None:
    supervisor, request = supervised(FakeTool(PAY), PAID, says("no"))
    async with supervisor:
        await begun(supervisor, request)
        before = await supervisor.raw_journal("run")
        with pytest.raises(ConfigError, match="never began step 7"):
            await supervisor.rewind("run", step=7)
        assert await supervisor.raw_journal("run") == before


async def test_what_was_paid_in_a_step_that_broke_counts_when_it_is_tried_again() -> None:
    tool = FakeTool(PAY)
    too_much = ModelAnswer(calls=(*PAID.calls, *calls("pay", to="bob", amount=61).calls))
    supervisor, request = supervised(tool, too_much, PAID, PAID, PAID)
    async with supervisor:
        assert isinstance(await begun(supervisor, request), Refused)
        assert isinstance(await resumed(supervisor), Refused)
        assert isinstance(await resumed(supervisor), Refused)
        assert (await supervisor.verify("run")).is_whole
    assert len(tool.effects) == 1


async def test_what_a_broken_step_cost_counts_towards_the_budget() -> None:
    tool = FakeTool(PAY)
    supervisor, request = supervised(tool, PAID, says("no"), calls("pay", to="bob", amount=40))
    async with supervisor:
        assert isinstance(await begun(supervisor, request), Failed)
        assert isinstance(await resumed(supervisor), Done)
        machine = await supervisor.machine("run")
    assert len(tool.effects) == 2
    assert machine.spent.model_calls == 3


async def test_nothing_is_cut_by_resuming_and_a_done_run_is_recorded_as_nothing_new() -> None:
    supervisor, request = supervised(FakeTool(PAY), PAID, says("no"), calls("pay", to="bob", amount=40))
    async with supervisor:
        await begun(supervisor, request)
        before = await supervisor.raw_journal("run")
        assert isinstance(await resumed(supervisor), Done)
        after = await supervisor.raw_journal("run")
        assert after[: len(before)] == before
        assert isinstance(await resumed(supervisor), Done)
        assert await supervisor.raw_journal("run") == after


# worlds that count, wait and differ


class Waiting(FakeTool):
    """A tool that returns when the test says so."""

    def __init__(self, spec: ToolSpec) -> None:
        super().__init__(spec)
        self.began, self.may_end = asyncio.Event(), asyncio.Event()
        self.is_cancelled = False

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput:
        self.began.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        await super().run(arguments, key)
        return ToolOutput(text="ok")


class Worlds:
    """Opens the world of each run, and counts how often."""

    def __init__(self, kit: dict[str, FakeTool], config: RunConfig | None = None) -> None:
        self.kit, self.config = kit, config or w.config(kit)
        self.opened: list[str] = []
        self.closed: list[str] = []

    @asynccontextmanager
    async def open(self, run_id: str, _: RunRequest) -> AsyncIterator[Opened]:
        self.opened.append(run_id)
        tools: dict[str, Tool] = dict(self.kit)
        yield Opened(self.config, replace(w.world(self.kit), tools=tools))
        self.closed.append(run_id)


def requested(worlds: Worlds, *calls: str, after: tuple[int, ...] | None = None) -> RunRequest:
    return RunRequest(goal=Goal(text="Do it."), plan=w.plan_of(*calls, after=after), config=worlds.config)


async def test_a_world_is_opened_once_each_time_a_run_is_under_way_and_closed_at_its_end() -> None:
    worlds = Worlds(w.tools())
    async with Supervisor(MemoryEngine(), worlds.open) as supervisor:
        handle = await supervisor.start("a", requested(worlds, "look a", "put b"))
        assert isinstance(await handle.result(), Done)
        assert (worlds.opened, worlds.closed) == (["a"], ["a"])
        await (await supervisor.resume("a")).result()
        assert worlds.opened == ["a"], "a done run is not opened"


async def test_a_world_that_the_caller_opened_is_not_opened_again() -> None:
    worlds = Worlds(w.tools())
    async with Supervisor(MemoryEngine(), worlds.open) as supervisor:
        request = requested(worlds, "look a")
        handle = await supervisor.start("a", request, opened=worlds.open("by caller", request))
        assert isinstance(await handle.result(), Done)
    assert worlds.opened == worlds.closed == ["by caller"]


async def test_two_runs_are_under_way_at_once_in_one_process() -> None:
    kit = w.tools()
    kit["put"] = waiting = Waiting(kit["put"].spec)
    worlds = Worlds(kit)
    async with Supervisor(MemoryEngine(), worlds.open) as supervisor:
        first = await supervisor.start("a", requested(worlds, "put b"))
        await waiting.began.wait()
        second = await supervisor.start("b", requested(worlds, "look a"))
        assert isinstance(await second.result(), Done)
        assert not first.is_done
        waiting.may_end.set()
        assert isinstance(await first.result(), Done)
        assert {info.run_id for info in await supervisor.runs()} == {"a", "b"}


async def test_a_run_that_is_under_way_is_not_started_twice() -> None:
    kit = w.tools()
    kit["put"] = waiting = Waiting(kit["put"].spec)
    worlds = Worlds(kit)
    async with Supervisor(MemoryEngine(), worlds.open) as supervisor:
        first = await supervisor.start("a", requested(worlds, "put b"))
        await waiting.began.wait()
        with pytest.raises(ConfigError, match="already under way in this process"):
            await supervisor.resume("a")
        waiting.may_end.set()
        assert isinstance(await first.result(), Done)
    assert len(waiting.effects) == 1


async def stopped_with(kit: dict[str, FakeTool], *plan: str, began: Sequence[Waiting]) -> tuple[Any, Worlds]:
    """Return the store of a run that was asked to stop while independent steps of `plan` were under way."""
    worlds, store = Worlds(kit), MemoryStore()
    async with Supervisor(MemoryEngine(store), worlds.open) as supervisor:
        handle = await supervisor.start("a", requested(worlds, *plan, after=()))
        for tool in began:
            await tool.began.wait()
        await handle.cancel()
        for tool in began:
            if tool.spec.effect is not Effect.READ:
                tool.may_end.set()
        with pytest.raises(RunCancelledError):
            await handle.result()
    return store, worlds


async def test_a_run_that_is_asked_to_stop_records_the_effects_under_way_and_cancels_reads() -> None:
    kit = w.tools()
    look, put, sync = (Waiting(kit[name].spec) for name in ("look", "put", "sync"))
    kit |= {"look": look, "put": put, "sync": sync}
    store, worlds = await stopped_with(kit, "look a", "put b", "sync c", began=(look, put, sync))
    assert look.is_cancelled
    assert not put.is_cancelled
    async with Supervisor(MemoryEngine(store), worlds.open) as supervisor:
        assert (await supervisor.info("a")).status is RunStatus.CANCELLED
        returned = [r.event for r in await supervisor.journal("a") if isinstance(r.event, ToolReturned)]
        assert len(returned) == 2, "both effects are recorded"
        look.may_end.set()
        assert isinstance(await (await supervisor.resume("a")).result(), Done)
    assert (len(put.effects), len(sync.effects)) == (1, 1)


async def interrupted(store: MemoryStore, kit: dict[str, FakeTool], *names: str) -> None:
    """Leave runs interrupted in `store`, each with its effect allowed and nothing known of it."""
    worlds = Worlds(kit)
    engine = MemoryEngine(store)
    supervisor = Supervisor(engine, worlds.open)
    await supervisor.__aenter__()
    for name in names:
        handle = await supervisor.start(
            name, requested(worlds, "look a", "look b"), handed_out=frozenset({RunTool})
        )
        await handle.advance()
    engine.abandon()


async def test_what_one_resumption_accepts_is_not_accepted_for_another_run() -> None:
    kit, store = w.tools(), MemoryStore()
    await interrupted(store, kit, "a", "b")
    changed = Worlds(kit, replace(w.config(kit), limits=Limits(calls=7)))
    async with Supervisor(MemoryEngine(store), changed.open) as supervisor:
        with pytest.raises(ConfigError, match="tools, tiers or limits changed"):
            await supervisor.resume("a")
        accepted = await supervisor.resume("a", accepts_changes=True)
        with pytest.raises(ConfigError, match="tools, tiers or limits changed"):
            await supervisor.resume("b")
        assert isinstance(await accepted.result(), Done)
        assert isinstance(await (await supervisor.resume("a")).result(), Done)


async def test_a_run_whose_policy_changed_is_not_resumed_unless_that_is_accepted() -> None:
    kit, store = w.tools(), MemoryStore()
    await interrupted(store, kit, "a")

    class Changed(DefaultPolicy):
        digest = "another"

    class ChangedWorlds(Worlds):
        @asynccontextmanager
        async def open(self, run_id: str, request: RunRequest) -> AsyncIterator[Opened]:
            async with super().open(run_id, request) as here:
                yield replace(here, world=replace(here.world, policy=Changed()))

    async with Supervisor(MemoryEngine(store), ChangedWorlds(kit).open) as supervisor:
        with pytest.raises(ConfigError, match="policy changed since this run began"):
            await supervisor.resume("a")
        assert kit["look"].calls == []
        assert isinstance(await (await supervisor.resume("a", accepts_changes=True)).result(), Done)


async def test_a_host_may_perform_the_tools_of_a_run() -> None:
    worlds = Worlds(w.tools())
    async with Supervisor(MemoryEngine(), worlds.open) as supervisor:
        request = requested(worlds, "look a", "look b", after=())
        handle = await supervisor.start("a", request, handed_out=frozenset({RunTool}))
        wanted = await handle.advance()
        while all(isinstance(command, RunTool) for command in wanted):
            run = wanted[-1]
            assert isinstance(run, RunTool)
            event = ToolReturned(call_id=run.call.call_id, result=ToolResult(text="from the host"))
            wanted = await handle.advance(event)
        outcome = await handle.result()
    assert isinstance(outcome, Done)
    assert not worlds.kit["look"].calls
