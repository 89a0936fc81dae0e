"""The library's front door: an agent with a tool of one's own, against a scripted server."""

import pytest

from nebulus import Agent, Blocked, Done, Exhausted, Failed, tool
from nebulus.core.answers import RawCall
from nebulus.core.budget import Budget
from nebulus.core.errors import ConfigError
from nebulus.testing.server import ScriptedServer
from nebulus.testing.server_faces import Reply

CALL = Reply(calls=(RawCall("weather", '{"city": "Oslo"}', "c1"),))
STEP = "Tell me.\n\n1. Use weather with city = Oslo"


@tool(effect="read", facts=("celsius",))
def weather(city: str) -> dict[str, int]:
    """Tell the weather of a city."""
    return {"celsius": 7}


@tool
def pay(city: str) -> str:
    """Pay somebody in a city."""
    return "paid"


@pytest.fixture
async def server() -> object:
    async with ScriptedServer(lambda _: CALL) as running:
        yield running


async def test_an_agent_carries_out_a_runbook_with_its_own_tool(server: ScriptedServer) -> None:
    outcome = await Agent(tools=[weather], model=f"{server.url}", window_tokens=8192).run_async(STEP)
    assert isinstance(outcome, Done)
    assert outcome.summary == "1 step done: 1 called"


async def test_what_cannot_be_undone_blocks_where_nobody_is_there() -> None:
    reply = Reply(calls=(RawCall("pay", '{"city": "Oslo"}', "c1"),))
    async with ScriptedServer(lambda _: reply) as server:
        agent = Agent(tools=[pay], model=f"{server.url}", window_tokens=8192)
        outcome = await agent.run_async("Pay.\n\n1. Use pay with city = Oslo")
    assert isinstance(outcome, Blocked)
    assert outcome.question.tool == "pay"


async def test_a_budget_is_a_hard_stop(server: ScriptedServer) -> None:
    agent = Agent(tools=[weather], model=f"{server.url}", window_tokens=8192, budget=Budget(tool_calls=1))
    outcome = await agent.run_async(f"{STEP}\n2. Use weather with city = Oslo")
    assert isinstance(outcome, Exhausted)


async def test_a_model_that_never_does_its_step_ends_in_a_typed_failure(server: ScriptedServer) -> None:
    agent = Agent(tools=[weather], model=f"{server.url}", window_tokens=8192)
    outcome = await agent.run_async('Tell me.\n\n1. Use weather with city = "Rome"')
    assert isinstance(outcome, Failed)
    assert "city = Rome" in outcome.failure.what


async def test_what_is_wrong_is_said_before_anything_begins(server: ScriptedServer) -> None:
    with pytest.raises(ConfigError, match="two tools are called 'weather'"):
        await Agent(tools=[weather, weather], model=f"{server.url}", window_tokens=8192).run_async(STEP)
    with pytest.raises(ConfigError, match="the goal is empty"):
        await Agent(tools=[weather], model=f"{server.url}", window_tokens=8192).run_async(" ")
    with pytest.raises(ConfigError):
        await Agent(tools=[weather], model="http://127.0.0.1:9#m", window_tokens=8192).run_async(STEP)
