"""A run survives the death of its process at every position, and both drivers tell the same story."""

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from nebulus.core.commands import AskPerson, Finish, RunTool
from nebulus.core.errors import ConfigError, IllegalEventError, JournalError
from nebulus.core.events import (
    Event,
    GoalGiven,
    ModelAnswered,
    OutcomeUnknown,
    PersonAnswered,
    SetupChanged,
    TimePassed,
    ToolReturned,
)
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.journal import decode_batch
from nebulus.core.outcome import Done, Outcome
from nebulus.core.tiers import Tier
from nebulus.memory.record import RECORDED_CHARS
from nebulus.ports.tool import ToolOutput
from nebulus.runtime.perform import perform
from nebulus.runtime.session import DURABLE_WAIT_S, Session
from nebulus.testing.people import ScriptedPerson
from nebulus.testing.runs import Died, FakeRun
from nebulus.testing.tools import FakeTool
from tests.unit.runtime import worlds as w

CALLS = ("look a", "put b", "send c", "sync d", "pay e", "look f")


async def opened(run: FakeRun, kit: dict[str, FakeTool], **plugs: object) -> Session:
    session = Session(run, w.setup(kit), w.world(kit, **plugs))  # type: ignore[arg-type]
    goal, plan = w.goal_and_plan(*CALLS)
    await session.begin(GoalGiven(goal=goal, plan=plan, run_id=run.run_id))
    return session


async def driven(run: FakeRun, kit: dict[str, FakeTool]) -> Outcome:
    return await (await opened(run, kit)).drive()


def events_of(run: FakeRun) -> list[Event]:
    return [record.event for batch in run.reopened().past for record in decode_batch(batch)]


async def test_a_run_goes_from_goal_to_outcome_and_each_effect_happens_once() -> None:
    kit = w.tools()
    outcome = await driven(FakeRun(), kit)
    assert isinstance(outcome, Done)
    assert {name: len(tool.effects) for name, tool in kit.items()} == {
        "look": 0,
        "put": 1,
        "sync": 1,
        "pay": 1,
        "send": 1,
    }


async def writes_of_a_whole_run() -> int:
    run = FakeRun()
    await driven(run, w.tools())
    return run.writes


@pytest.mark.parametrize("is_recorded", [True, False])
async def test_a_death_at_any_write_loses_no_step_and_doubles_no_effect_in_silence(is_recorded: bool) -> None:
    for position in range(1, await writes_of_a_whole_run() + 1):
        kit = w.tools()
        run = FakeRun(dies_at=position, is_recorded=is_recorded)
        with pytest.raises(Died):
            await driven(run, kit)
        again = run.reopened()
        outcome = await driven(again, kit)
        assert isinstance(outcome, Done), position
        assert outcome.summary.startswith("6 steps done"), position
        unknown = {event.call_id for event in events_of(again) if isinstance(event, OutcomeUnknown)}
        doubled = [name for name, tool in kit.items() if len(tool.effects) > 1]
        assert not doubled, (position, doubled)
        assert len(kit["send"].calls) == 1 or unknown, position
        assert len(unknown) <= 1


async def test_deaths_again_and_again_still_end_in_the_same_outcome() -> None:
    kit, deaths = w.tools(), 0
    run = FakeRun(dies_at=1)
    for position in range(2, 200):
        try:
            outcome = await driven(run, kit)
            break
        except Died:
            deaths += 1
            run = run.reopened(dies_at=position, is_recorded=bool(position % 2))
    assert isinstance(outcome, Done)
    assert deaths > 15


async def test_an_irreversible_effect_in_flight_is_put_before_a_person_and_not_repeated() -> None:
    kit = w.tools()
    first = FakeRun()
    await driven(first, kit)
    names = [name for name, _ in first._recorded]
    position = next(n for n, name in enumerate(names, start=1) if name.startswith("run:send"))
    kit = w.tools()
    run = FakeRun(dies_at=position)
    with pytest.raises(Died):
        await driven(run, kit)
    assert len(kit["send"].effects) == 1
    person = ScriptedPerson([w.YES] * 9)
    again = run.reopened()
    outcome = await (await opened(again, kit, person=person)).drive()
    assert isinstance(outcome, Done)
    assert person.asked[0].kind == "unknown_outcome"
    assert len(kit["send"].effects) == 1


async def test_drive_and_advance_write_the_same_journal() -> None:
    driven_run, advanced_run = FakeRun(), FakeRun()
    await driven(driven_run, w.tools())
    kit = w.tools()
    session = await opened(advanced_run, kit)
    handed_out = frozenset({RunTool, AskPerson})
    client = w.world(kit)
    command = await session.advance(handed_out)
    while not isinstance(command, Finish):
        assert isinstance(command, RunTool | AskPerson)
        event = await perform(command, client, may_have_run=False)
        command = await session.advance(handed_out, event)
    assert events_of(advanced_run) == events_of(driven_run)
    assert [name for name, _ in advanced_run._recorded] == [name for name, _ in driven_run._recorded]


async def test_an_event_that_answers_nothing_is_refused_and_not_recorded() -> None:
    run = FakeRun()
    session = await opened(run, w.tools())
    await session.advance(frozenset({RunTool}))
    before = run.writes
    with pytest.raises(IllegalEventError):
        await session.advance(frozenset({RunTool}), PersonAnswered(question_id="q", is_yes=True))
    assert run.writes == before


async def test_a_past_that_contradicts_itself_is_an_error() -> None:
    run = FakeRun()
    await driven(run, w.tools())
    swapped = [run._recorded[0], *run._recorded[2:]]
    with pytest.raises((JournalError, IllegalEventError)):
        await driven(FakeRun(swapped), w.tools())


async def test_a_throttled_backend_is_waited_for_and_a_long_wait_is_the_engines() -> None:
    for said, is_engines in ((DURABLE_WAIT_S - 1, False), (DURABLE_WAIT_S + 1, True)):
        throttled = Failure(kind=FailureKind.THROTTLED, fault=Fault.BACKEND, what="busy", retry_after_s=said)
        run, kit = FakeRun(), w.tools()
        session = await opened(run, kit, model=w.LiteralModel([throttled]))
        assert isinstance(await session.drive(), Done)
        assert run.slept == ([said] if is_engines else [])
        assert sum(isinstance(event, TimePassed) for event in events_of(run)) == 1
        again = run.reopened()
        assert isinstance(await driven(again, kit), Done)


async def test_a_large_result_is_stored_once_and_recorded_as_a_head_and_an_address() -> None:
    kit = w.tools()
    kit["look"] = FakeTool(kit["look"].spec, [ToolOutput(text="x" * (RECORDED_CHARS + 500))])
    run = FakeRun()
    await driven(run, kit)
    result = next(event.result for event in events_of(run) if isinstance(event, ToolReturned))
    assert result.artifact
    assert result.size_bytes == RECORDED_CHARS + 500
    assert "[500 more characters not shown]" in result.text


async def test_a_tool_that_breaks_after_it_began_leaves_an_unknown_outcome_unless_it_can_tell() -> None:
    for name, is_unknown in (("send", True), ("pay", False)):
        kit = w.tools()
        kit[name] = FakeTool(kit[name].spec, [RuntimeError("the line went dead"), ToolOutput(text="ok")])
        run = FakeRun()
        assert isinstance(await driven(run, kit), Done)
        assert any(isinstance(event, OutcomeUnknown) for event in events_of(run)) is is_unknown
        assert len(kit[name].effects) == 1


async def test_a_replayed_run_asks_no_model_and_runs_no_tool() -> None:
    run, kit = FakeRun(), w.tools()
    await driven(run, kit)
    calls = {name: len(tool.calls) for name, tool in kit.items()}
    model = w.LiteralModel()
    assert isinstance(await (await opened(run.reopened(), kit, model=model)).drive(), Done)
    assert not model.requests
    assert {name: len(tool.calls) for name, tool in kit.items()} == calls


async def test_a_run_taken_up_with_other_tiers_goes_on_with_them_and_keeps_its_past() -> None:
    kit = w.tools()
    run = FakeRun(dies_at=5, is_recorded=True)
    with pytest.raises(Died):
        await driven(run, kit)
    other = replace(w.setup(kit), tiers=(Tier(name="other", window_tokens=8192),))
    again = run.reopened()
    session = Session(again, w.setup(kit), replace(w.world(kit), backends={"other": w.LiteralModel()}))
    goal, plan = w.goal_and_plan(*CALLS)
    await session.begin(
        GoalGiven(goal=goal, plan=plan, run_id="run"), changed=SetupChanged(setup=to_builtins(other))
    )
    assert isinstance(await session.drive(), Done)
    tiers = [event.tier for event in events_of(again) if isinstance(event, ModelAnswered)]
    assert set(tiers[:2]) == {"small"}
    assert tiers[-1] == "other"
    third = again.reopened()
    model = w.LiteralModel()
    replayed = Session(third, w.setup(kit), w.world(kit, model=model))
    await replayed.begin(GoalGiven(goal=goal, plan=plan, run_id="run"))
    assert isinstance(await replayed.drive(), Done)
    assert not model.requests


async def test_a_changed_setup_without_the_tool_of_a_call_under_way_is_refused_and_not_recorded() -> None:
    kit = w.tools()
    names = FakeRun()
    await driven(names, kit)
    position = next(n for n, (name, _) in enumerate(names._recorded, start=1) if name.startswith("run:put"))
    run = FakeRun(dies_at=position)
    kit = w.tools()
    with pytest.raises(Died):
        await driven(run, kit)
    without = replace(w.setup(kit), tools=tuple(tool.spec for name, tool in kit.items() if name != "put"))
    again = run.reopened()
    session = Session(again, w.setup(kit), w.world(kit))
    goal, plan = w.goal_and_plan(*CALLS)
    with pytest.raises(ConfigError, match="a call of 'put' is under way"):
        await session.begin(
            GoalGiven(goal=goal, plan=plan, run_id="run"), changed=SetupChanged(setup=to_builtins(without))
        )
    assert again.writes == position - 1
