"""A run survives the death of its process at every write, and every way of driving it gives the same journal."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from nebulus.core.answers import FinishReason, ModelAnswer, ModelRequest, RawCall
from nebulus.core.commands import AskPerson, Command, Finish, RunTool
from nebulus.core.errors import ConfigError, IllegalEventError, JournalError
from nebulus.core.events import (
    ModelAnswered,
    OutcomeUnknown,
    PersonAnswered,
    RunResumed,
    ToolReturned,
    WaitEnded,
)
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.journal import decode_batch
from nebulus.core.outcome import Done
from nebulus.core.plan import Plan, Step, ToolSucceeded
from nebulus.core.tiers import Tier
from nebulus.core.tools import Effect
from nebulus.loop.transitions import replay
from nebulus.memory.record import RECORDED_CHARS
from nebulus.ports.backend import OnText
from nebulus.ports.tool import ToolOutput
from nebulus.runtime.driver import RunDriver
from nebulus.runtime.perform import perform
from nebulus.testing.people import ScriptedPerson
from nebulus.testing.runs import Died, FakeRun
from nebulus.testing.tools import FakeTool
from nebulus.testing.world import FakeClock
from tests.unit.runtime import worlds as w

PLAN = w.plan_of("look a", "put b", "send c", "sync d", "pay e", "look f")
AT_ONCE = w.plan_of("look a", "put b", "send c", "sync d", "pay e", "look f", after=())
PLANS = pytest.mark.parametrize("plan", [PLAN, AT_ONCE], ids=["in-order", "at-once"])
Kit = dict[str, FakeTool]


class DyingTool(FakeTool):
    """Takes effect, and then its process dies, once."""

    has_died = False

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        output = await super().run(arguments, key)
        if not self.has_died:
            self.has_died = True
            raise Died
        return output


@PLANS
async def test_a_run_goes_from_goal_to_outcome_and_each_effect_happens_once(plan: Plan) -> None:
    kit = w.tools()
    outcome = await w.driven(FakeRun(), kit, plan)
    assert isinstance(outcome, Done)
    assert {name: len(tool.effects) for name, tool in kit.items()} == {
        "look": 0,
        "put": 1,
        "sync": 1,
        "pay": 1,
        "send": 1,
    }


async def writes_of_a_whole_run(plan: Plan) -> int:
    run = FakeRun()
    await w.driven(run, w.tools(), plan)
    return run.writes


@PLANS
@pytest.mark.parametrize("is_recorded", [True, False])
async def test_a_death_at_any_write_loses_no_step_and_silently_repeats_no_effect(
    plan: Plan, is_recorded: bool
) -> None:
    for position in range(1, await writes_of_a_whole_run(plan) + 1):
        kit = w.tools()
        run = FakeRun(dies_at=position, is_recorded=is_recorded)
        with pytest.raises(Died):
            await w.driven(run, kit, plan)
        again = run.reopened()
        outcome = await w.driven(again, kit, plan)
        assert isinstance(outcome, Done), position
        assert outcome.summary.startswith("6 steps done"), position
        unknown = {event.call_id for event in w.events_of(again) if isinstance(event, OutcomeUnknown)}
        doubled = [name for name, tool in kit.items() if len(tool.effects) > 1]
        assert not doubled, (position, doubled)
        assert len(kit["send"].calls) == 1 or unknown, position
        assert again.writes == len(again.reopened().past)
        assert replay(w.events_of(again)).outcome == outcome


async def test_deaths_again_and_again_still_end_in_the_same_outcome() -> None:
    kit, deaths = w.tools(), 0
    run = FakeRun(dies_at=1)
    for position in range(2, 200):
        try:
            outcome = await w.driven(run, kit, PLAN)
            break
        except Died:
            deaths += 1
            run = run.reopened(dies_at=position, is_recorded=bool(position % 2))
    assert isinstance(outcome, Done)
    assert deaths >= await writes_of_a_whole_run(PLAN) - 1


@PLANS
@pytest.mark.parametrize("name", ["put", "send"])
async def test_a_person_is_asked_about_an_effect_under_way_and_it_is_not_repeated(
    plan: Plan, name: str
) -> None:
    kit = w.tools()
    kit[name] = DyingTool(kit[name].spec)
    run = FakeRun()
    with pytest.raises(Died):
        await w.driven(run, kit, plan)
    assert len(kit[name].effects) == 1
    person = ScriptedPerson([w.YES] * 9)
    again = run.reopened()
    assert isinstance(await w.driven(again, kit, plan, person=person), Done)
    assert [question.tool for question in person.asked if question.kind == "unknown_outcome"] == [name]
    assert len(kit[name].effects) == 1


@pytest.mark.parametrize("name", ["pay", "sync"])
async def test_an_effect_under_way_is_looked_up_or_repeated_where_its_tool_allows_it(name: str) -> None:
    kit = w.tools()
    kit[name] = DyingTool(kit[name].spec)
    run = FakeRun()
    with pytest.raises(Died):
        await w.driven(run, kit, PLAN)
    again = run.reopened()
    assert isinstance(await w.driven(again, kit, PLAN), Done)
    assert not any(isinstance(event, OutcomeUnknown) for event in w.events_of(again))
    assert len(kit[name].effects) == 1


async def test_no_effect_begins_before_the_verdict_that_allows_it_is_durable() -> None:
    run, kit, seen = FakeRun(), w.tools(), []

    class Watching(FakeTool):
        async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
            judged = replay(w.events_of(run))
            seen.append(judged.find_flight(key.split("/")[1])[1].state)
            return await super().run(arguments, key)

    kit = {name: tool if name == "look" else Watching(tool.spec) for name, tool in kit.items()}
    assert isinstance(await w.driven(run, kit, PLAN), Done)
    assert [type(state).__name__ for state in seen] == ["Running"] * 4


async def test_the_result_of_an_effect_is_durable_before_a_model_is_asked_again() -> None:
    run, durable = FakeRun(), []

    class PutsThenSends(w.LiteralModel):
        async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
            durable.append(sum(isinstance(event, ToolReturned) for event in w.events_of(run)))
            call = RawCall("send" if len(durable) > 1 else "put", '{"value": "b"}')
            return ModelAnswer(calls=(call,), finish=FinishReason.CALLS)

    both = Step(number=1, text="put and send b", checks=(ToolSucceeded("put"), ToolSucceeded("send")))
    assert isinstance(await w.driven(run, w.tools(), Plan((both,)), model=PutsThenSends()), Done)
    assert durable == [0, 1]


async def test_effects_under_way_are_not_cancelled_when_their_run_is() -> None:
    under_way, may_end, kit = asyncio.Semaphore(0), asyncio.Event(), w.tools()

    class Slow(FakeTool):
        async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
            under_way.release()
            await may_end.wait()
            return await super().run(arguments, key)

    kit |= {name: Slow(kit[name].spec) for name in ("put", "sync")}
    driving = asyncio.create_task(w.driven(FakeRun(), kit, w.plan_of("put a", "sync b", after=())))
    for _ in range(2):
        await under_way.acquire()
    driving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await driving
    may_end.set()
    await asyncio.sleep(0.01)
    assert [len(kit[name].effects) for name in ("put", "sync")] == [1, 1]


async def by_hand(run: FakeRun, kit: Kit, handed_out: frozenset[type[Command]]) -> None:
    """Drive a run, its `handed_out` commands performed by the host."""
    client = w.world(kit)
    driver = RunDriver(run, client, handed_out=handed_out)
    ending = asyncio.ensure_future(driver.drive(w.started(kit, PLAN)))
    while not isinstance(command := (await driver.wait_idle())[0], Finish):
        assert isinstance(command, RunTool | AskPerson)
        driver.submit(await perform(command, client, may_have_run=False))
    assert isinstance(await ending, Done)


async def test_commands_that_are_handed_out_lead_to_the_same_journal() -> None:
    driven, by_host = FakeRun(), FakeRun()
    await w.driven(driven, w.tools(), PLAN)
    await by_hand(by_host, w.tools(), frozenset({RunTool, AskPerson}))
    assert w.events_of(by_host) == w.events_of(driven)


async def test_an_event_that_answers_nothing_is_refused_and_not_recorded() -> None:
    run = FakeRun()
    driver = RunDriver(run, w.world(kit := w.tools()), handed_out=frozenset({RunTool}))
    ending = asyncio.ensure_future(driver.drive(w.started(kit, PLAN)))
    await driver.wait_idle()
    before = run.writes
    driver.submit(PersonAnswered(question_id="q", is_yes=True))
    with pytest.raises(IllegalEventError):
        await ending
    assert run.writes == before


async def test_a_past_that_contradicts_itself_is_an_error() -> None:
    run = FakeRun()
    await w.driven(run, w.tools(), PLAN)
    first, _, *rest = run.reopened().past
    with pytest.raises((JournalError, IllegalEventError)):
        await w.driven(FakeRun([first, *rest]), w.tools(), PLAN)


async def test_a_throttled_backend_is_waited_for_and_a_restart_waits_only_for_what_is_left() -> None:
    throttled = Failure(kind=FailureKind.THROTTLED, fault=Fault.BACKEND, what="busy", retry_after_s=100.0)
    run, kit = FakeRun(), w.tools()
    clock = FakeClock(now_s=1000.0)
    world = replace(w.world(kit, model=w.LiteralModel([throttled])), clock=clock)
    assert isinstance(await w.opened(run, kit, world).drive(w.started(kit, PLAN)), Done)
    assert clock.slept == [100.0]
    assert sum(isinstance(event, WaitEnded) for event in w.events_of(run)) == 1
    position = next(n for n, batch in enumerate(run.reopened().past, start=1) if b"WaitAndRetry" in batch)
    died = FakeRun(list(run.reopened().past[:position]))
    later = FakeClock(now_s=1060.0)
    world = replace(w.world(kit), clock=later)
    assert isinstance(await w.opened(died, kit, world).drive(), Done)
    assert later.slept == [40.0]


async def test_a_large_result_is_stored_once_and_recorded_as_a_head_and_an_address() -> None:
    kit = w.tools()
    kit["look"] = FakeTool(kit["look"].spec, [ToolOutput(text="x" * (RECORDED_CHARS + 500))])
    run = FakeRun()
    await w.driven(run, kit, PLAN)
    result = next(event.result for event in w.events_of(run) if isinstance(event, ToolReturned))
    assert result.artifact
    assert result.size_bytes == RECORDED_CHARS + 500
    assert "[500 more characters not shown]" in result.text


async def test_a_tool_that_breaks_after_it_began_leaves_an_unknown_outcome_unless_it_can_tell() -> None:
    for name, is_unknown in (("send", True), ("pay", False)):
        kit = w.tools()
        kit[name] = FakeTool(kit[name].spec, [RuntimeError("the line went dead"), ToolOutput(text="ok")])
        run = FakeRun()
        assert isinstance(await w.driven(run, kit, PLAN), Done)
        assert any(isinstance(event, OutcomeUnknown) for event in w.events_of(run)) is is_unknown
        assert len(kit[name].effects) == 1


async def test_a_replayed_run_asks_no_model_runs_no_tool_and_asks_nobody() -> None:
    run, kit = FakeRun(), w.tools()
    await w.driven(run, kit, PLAN)
    calls = {name: len(tool.calls) for name, tool in kit.items()}
    model, person, again = w.LiteralModel(), ScriptedPerson(), run.reopened()
    assert isinstance(await w.driven(again, kit, PLAN, model=model, person=person), Done)
    assert (model.requests, person.asked) == ([], [])
    assert {name: len(tool.calls) for name, tool in kit.items()} == calls
    assert again.writes == run.writes


async def interrupted(dies: Callable[[list[str]], bool]) -> tuple[FakeRun, Kit]:
    """A run whose process died right after a write, the first whose events `dies` picks by their names."""
    whole = FakeRun()
    await w.driven(whole, w.tools(), PLAN)
    for position, batch in enumerate(whole.reopened().past, start=1):
        names = [type(record.event).__name__ for record in decode_batch(batch)]
        if dies(names):
            run, kit = FakeRun(dies_at=position, is_recorded=True), w.tools()
            with pytest.raises(Died):
                await w.driven(run, kit, PLAN)
            return run.reopened(), kit
    raise AssertionError("no such write")


async def test_a_run_resumed_with_other_tiers_continues_with_them_and_keeps_its_past() -> None:
    again, kit = await interrupted(lambda names: names.count("ToolReturned") > 0)
    other = replace(w.config(kit), tiers=(Tier(name="other", window_tokens=8192),))
    world = replace(w.world(kit), backends={"other": w.LiteralModel()})
    driver = w.opened(again, kit, world)
    assert isinstance(await driver.drive(RunResumed(config=other)), Done)
    tiers = [event.tier for event in w.events_of(again) if isinstance(event, ModelAnswered)]
    assert tiers[0] == "small"
    assert tiers[-1] == "other"
    model = w.LiteralModel()
    assert isinstance(await w.driven(again.reopened(), kit, PLAN, model=model), Done)
    assert not model.requests


async def test_a_changed_configuration_without_the_tool_of_a_call_under_way_is_refused_and_not_recorded() -> (
    None
):
    again, kit = await interrupted(lambda names: "CallJudged" in names[-1:])
    machine = replay(w.events_of(again))
    (running,) = [flight for task in machine.tasks for flight in task.flights]
    assert machine.config.tool(running.call.tool).effect is not Effect.READ
    without = replace(
        machine.config, tools=tuple(t for t in machine.config.tools if t.name != running.call.tool)
    )
    before = again.writes
    with pytest.raises(ConfigError, match=f"a call of '{running.call.tool}' is under way"):
        await w.opened(again, kit).drive(RunResumed(config=without))
    assert again.writes == before
