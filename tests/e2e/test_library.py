"""What a program that uses the library is promised."""

import asyncio
from pathlib import Path

import pytest

from nebulus import (
    Agent,
    Blocked,
    Done,
    Failure,
    FailureKind,
    Fault,
    Finish,
    Refused,
    RunTool,
    ToolOutput,
    tool,
)
from nebulus.core.answers import FinishReason, ModelAnswer, ModelRequest, RawCall
from nebulus.core.errors import ConfigError
from nebulus.testing.backends import ScriptedBackend, calls, says

RUNBOOK = "Pay.\n\n1. Use pay with city = Oslo"
RULES = '[[policy]]\ntool = "pay"\nthen = "deny"\nreason = "not in Oslo"\n'


@tool
def pay(city: str) -> str:
    """Pay somebody in a city."""
    return "paid"


@tool(effect="read")
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return "8 degrees"


def paying(_: ModelRequest) -> ModelAnswer:
    return calls("pay", city="Oslo")


def looking(_: ModelRequest) -> ModelAnswer:
    return calls("weather", city="Oslo")


async def test_run_inside_a_running_loop_says_what_to_write_instead() -> None:
    agent = Agent(tools=[pay], model=ScriptedBackend(paying))
    with pytest.raises(ConfigError, match=r"await agent\.run_async"):
        agent.run(RUNBOOK)


def test_a_backend_object_is_a_model() -> None:
    backend = ScriptedBackend(looking)
    agent = Agent(tools=[weather], model=backend)
    assert isinstance(agent.run("Look.\n\n1. Use weather with city = Oslo"), Done)
    assert len(backend.requests) == 1
    assert not backend.is_closed, "who made it closes it"


async def test_a_policy_is_the_path_of_a_file_of_rules(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    agent = Agent(tools=[pay], model=ScriptedBackend(paying), policy=str(rules))
    outcome = await agent.run_async(RUNBOOK)
    assert isinstance(outcome, Refused)
    assert outcome.reason == "not in Oslo"


async def test_a_blocked_run_is_approved_and_resumed_by_the_library() -> None:
    async with Agent(tools=[pay], model=ScriptedBackend(paying)) as agent:
        handle = await agent.start(RUNBOOK)
        assert isinstance(await handle.result(), Blocked)
        [question] = await agent.questions()
        assert (question.tool, question.run_id) == ("pay", handle.run_id)
        await agent.approve(question, by="ann")
        resumed = await agent.resume(handle.run_id)
        assert isinstance(await resumed.result(), Done)
        assert await agent.questions() == []


async def test_a_blocked_run_that_is_denied_is_refused_when_it_is_resumed() -> None:
    async with Agent(tools=[pay], model=ScriptedBackend(paying)) as agent:
        handle = await agent.start(RUNBOOK)
        await handle.result()
        [question] = await agent.questions()
        await agent.deny(question, text="too dear")
        outcome = await (await agent.resume(handle.run_id)).result()
    assert isinstance(outcome, Refused)
    assert "too dear" in outcome.reason


async def test_two_runs_are_under_way_at_once_with_one_agent() -> None:
    arrived, both = [], asyncio.Event()

    @tool(effect="read")
    async def meet(city: str) -> str:
        """Wait for the other run."""
        arrived.append(city)
        if len(arrived) == 2:
            both.set()
        await both.wait()
        return "met"

    def meeting(_: ModelRequest) -> ModelAnswer:
        return calls("meet", city="Oslo")

    async with Agent(tools=[meet], model=ScriptedBackend(meeting)) as agent:
        goal = "Meet.\n\n1. Use meet with city = Oslo"
        handles = [await agent.start(goal) for _ in range(2)]
        outcomes = await asyncio.wait_for(asyncio.gather(*(handle.result() for handle in handles)), 20)
        assert all(isinstance(outcome, Done) for outcome in outcomes)
        assert len(await agent.runs()) == 2


async def test_the_records_of_a_run_are_yielded_as_they_come() -> None:
    async with Agent(tools=[weather], model=ScriptedBackend(looking)) as agent:
        handle = await agent.start("Look.\n\n1. Use weather with city = Oslo")
        positions = [record.position async for record in handle.events()]
        assert isinstance(await handle.result(), Done)
    assert positions == list(range(1, len(positions) + 1))
    assert positions


async def test_an_agent_that_is_not_open_says_how_to_open_it() -> None:
    with pytest.raises(ConfigError, match="async with Agent"):
        await Agent(tools=[pay], model=ScriptedBackend(paying)).start(RUNBOOK)


async def test_a_host_runs_tools_itself_several_at_a_time_and_hands_in_what_they_returned() -> None:
    reads = tuple(RawCall("weather", f'{{"city": "{city}"}}') for city in ("Oslo", "Bergen"))
    both = ModelAnswer(calls=reads, finish=FinishReason.CALLS)
    backend = ScriptedBackend([both, says("Bergen does not answer.")])
    async with Agent(tools=[weather], model=backend) as agent:
        handle = await agent.start("Look.\n\n1. Look at Oslo and Bergen", handed_out=[RunTool])
        oslo, bergen = await handle.advance()
        assert isinstance(oslo, RunTool)
        assert isinstance(bergen, RunTool)
        late = Failure(kind=FailureKind.PERMANENT, fault=Fault.TOOL, what="no such station")
        await handle.advance(await handle.event_of(bergen, late))
        long = ToolOutput(text="8 degrees. " * 2000)
        (end,) = await handle.advance(await handle.event_of(oslo, long))
        assert isinstance(end, Finish)
        [stored] = handle.machine.state.artifacts
        assert [record.is_error for record in handle.machine.calls] == [True, False]
    assert stored.size_bytes == len(long.text)
