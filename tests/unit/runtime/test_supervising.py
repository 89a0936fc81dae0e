"""A run that is taken up from earlier on: what it did until then stays done, and counts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nebulus.adapters.engines.memory import MemoryEngine
from nebulus.adapters.policies.cedar import CedarPolicy
from nebulus.adapters.policies.files import parse_rules
from nebulus.adapters.policies.sources import PolicyText
from nebulus.core.answers import ModelAnswer
from nebulus.core.events import SetupChanged
from nebulus.core.outcome import Done, Failed, Outcome, Refused
from nebulus.core.plan import Goal, Plan, Step, ToolSucceeded
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.check import Scene
from nebulus.loop.machine import replay
from nebulus.loop.progress import Setup
from nebulus.recovery.strategy import Limits
from nebulus.runtime.supervise import RunRequest, Supervisor
from nebulus.runtime.world import World
from nebulus.testing.backends import ScriptedBackend, calls, says
from nebulus.testing.people import ScriptedPerson
from nebulus.testing.tools import FakeTool
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
    setup = Setup(tools=(PAY,), tiers=w.setup(w.tools()).tiers, limits=Limits(attempts=1, refusals=1))
    scene = Scene(specs=(PAY,), agents=("agent", "small"))
    world = World(
        backends={"small": ScriptedBackend(answers)},
        tools={"pay": tool},
        policy=CedarPolicy(PolicyText(file=parse_rules(RULES, source="policy.toml")), scene),
        person=ScriptedPerson(),
        checker=w.AllHold(),
        artifacts=w.Shelf(),
        clock=w.NoTime(),
    )

    @asynccontextmanager
    async def open_world(_: RunRequest) -> AsyncIterator[tuple[Setup, World]]:
        yield setup, world

    plan = Plan(
        tuple(
            Step(number=number, text="pay bob 60", tools=("pay",), checks=(ToolSucceeded("pay"),))
            for number in (1, 2)
        )
    )
    request = RunRequest(goal=Goal(text="Pay bob."), plan=plan, setup=setup)
    return Supervisor(MemoryEngine(), open_world), request


async def taken_up(supervisor: Supervisor, *, step: int = 0) -> Outcome:
    return await (supervisor.rewind("run", step=step) if step else supervisor.resume("run"))


async def test_what_was_paid_before_a_rewind_counts_towards_the_limit() -> None:
    tool = FakeTool(PAY)
    supervisor, request = supervised(tool, PAID, says("no"), PAID)
    async with supervisor:
        assert isinstance(await supervisor.start("run", request), Failed)
        assert isinstance(await taken_up(supervisor, step=1), Refused)
        assert (await supervisor.verify("run")).is_whole
        records = await supervisor.journal("run")
    assert len(tool.effects) == 1
    assert [
        record.event.conduct["calls"] for record in records if isinstance(record.event, SetupChanged)
    ] == [1]


async def test_what_was_paid_in_a_step_that_broke_counts_when_it_is_begun_anew() -> None:
    tool = FakeTool(PAY)
    too_much = ModelAnswer(calls=(*PAID.calls, *calls("pay", to="bob", amount=61).calls))
    supervisor, request = supervised(tool, too_much, PAID, PAID)
    async with supervisor:
        assert isinstance(await supervisor.start("run", request), Refused)
        assert isinstance(await taken_up(supervisor), Refused)
        assert isinstance(await taken_up(supervisor), Refused)
        assert (await supervisor.verify("run")).is_whole
    assert len(tool.effects) == 1


async def test_what_a_broken_step_cost_counts_towards_the_budget() -> None:
    tool = FakeTool(PAY)
    supervisor, request = supervised(tool, PAID, says("no"), calls("pay", to="bob", amount=40))
    async with supervisor:
        assert isinstance(await supervisor.start("run", request), Failed)
        assert isinstance(await taken_up(supervisor), Done)
        records = await supervisor.journal("run")
    assert len(tool.effects) == 2
    assert replay(request.setup, tuple(record.event for record in records)).spent.model_calls == 3


async def test_a_run_of_which_nothing_is_cut_is_recorded_as_nothing_new() -> None:
    tool = FakeTool(PAY)
    supervisor, request = supervised(tool, PAID, calls("pay", to="bob", amount=40))
    async with supervisor:
        assert isinstance(await supervisor.start("run", request), Done)
        assert isinstance(await taken_up(supervisor), Done)
        assert not any(isinstance(r.event, SetupChanged) for r in await supervisor.journal("run"))
    assert len(tool.effects) == 2
