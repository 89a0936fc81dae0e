"""The prebuilt agents of other frameworks, on the same jobs, faults and server.

    PYTHON_OF_ITS_VENV -m bench.recovery_parts.peers langgraph 60 30 < tasks.jsonl > scores.jsonl

Each reads one task a line, with the model server's address in it, and writes one score a line; the numbers
are the seconds of an episode and of a request. A tool's error is given back to the model as text,
which is the kinder of the two usual configurations; the work is stopped as soon as all of it is done.
"""

# It speaks to libraries that are installed in another environment.
# mypy: ignore-errors

import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.recovery_parts.world import FaultyWorld, WorkDone, most_calls, score
from nano.language import Job, make_job
from nano.render import TRANSCRIPT_INSTRUCTIONS
from nebulus.testing.faults import Fault, FaultPlan

RESERVE_TOKENS = 96


def world_of(task: dict[str, Any]) -> FaultyWorld:
    """Return the world of a task: the same for every arm."""
    job = make_job(random.Random(task["seed"]), task["depth"], "held_out", wordings=task["wordings"])
    plan = FaultPlan([Fault(name) for name in task["faults"]], rate=task["rate"], seed=task["seed"])
    return FaultyWorld(job, task["seed"], plan)


def said_by(world: FaultyWorld, name: str, arguments: dict[str, Any]) -> str:
    """Return what a tool gives the model: its answer, or its error as text."""
    if world.world.is_complete:
        raise WorkDone
    try:
        text = world.call(name, arguments)
    except Exception as error:  # noqa: BLE001 - whatever a tool raises is told to the model here
        text = f"error: {type(error).__name__}: {error}"
    if world.world.is_complete:
        raise WorkDone
    return text


def langgraph_agent(url: str, request_s: float) -> Callable[[Job, FaultyWorld, int], int]:
    """Return LangChain's prebuilt agent on LangGraph."""
    from langchain.agents import create_agent
    from langchain_core.tools import StructuredTool
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(
        base_url=f"{url}/v1",
        api_key="none",
        model="nano",
        temperature=0,
        max_tokens=RESERVE_TOKENS,
        timeout=request_s,
    )

    def run(job: Job, world: FaultyWorld, most: int) -> int:
        def made(function: dict[str, Any]) -> Any:
            name = function["name"]

            def call(**arguments: Any) -> str:
                return said_by(world, name, arguments)

            return StructuredTool(
                name=name,
                description=function["description"] or name,
                args_schema=function["parameters"],
                func=call,
            )

        agent = create_agent(
            model, [made(t["function"]) for t in job.tools], system_prompt=TRANSCRIPT_INSTRUCTIONS
        )
        answered = 0
        for part in agent.stream(
            {"messages": [("user", job.goal)]}, {"recursion_limit": 2 * most + 1}, stream_mode="updates"
        ):
            answered += "model" in part or "agent" in part
        return answered

    return run


def pydantic_agent(url: str, request_s: float) -> Callable[[Job, FaultyWorld, int], int]:
    """Return Pydantic AI's agent."""
    from pydantic_ai import Agent, Tool
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.usage import UsageLimits

    model = OpenAIChatModel("nano", provider=OpenAIProvider(base_url=f"{url}/v1", api_key="none"))

    def run(job: Job, world: FaultyWorld, most: int) -> int:
        def made(function: dict[str, Any]) -> Any:
            name = function["name"]

            async def call(**arguments: Any) -> str:
                return said_by(world, name, arguments)

            return Tool.from_schema(
                call,
                name=name,
                description=function["description"] or name,
                json_schema=function["parameters"],
            )

        agent = Agent(
            model,
            tools=[made(t["function"]) for t in job.tools],
            system_prompt=TRANSCRIPT_INSTRUCTIONS,
            retries=3,
            model_settings={
                "temperature": 0.0,
                "max_tokens": RESERVE_TOKENS,
                "parallel_tool_calls": False,
                "timeout": request_s,
            },
        )
        result = asyncio.run(agent.run(job.goal, usage_limits=UsageLimits(request_limit=most)))
        return result.usage.requests

    return run


AGENTS = {"langgraph": langgraph_agent, "pydantic-ai": pydantic_agent}


BOUNDS = ("GraphRecursionError", "UsageLimitExceeded", "OutOfTimeError")
"""How each says that it ran into the bound on calls, and we, that it ran into the one on time."""


class OutOfTimeError(BaseException):
    """An episode took too long; no agent can take this for an error of a tool."""


def out_of_time(*_: object) -> None:
    """End the episode. Raises: OutOfTimeError."""
    raise OutOfTimeError


def episode(task: dict[str, Any], run: Callable[[Job, FaultyWorld, int], int]) -> dict[str, Any]:
    """Return the score of one task."""
    world = world_of(task)
    began, calls, ended, says_done = time.perf_counter(), 0, "", True
    try:
        calls = run(world.job, world, most_calls(task["depth"]))
        ended = "it said that it is done"
    except WorkDone:
        ended = "all of it was done"
    except (Exception, OutOfTimeError) as error:  # noqa: BLE001 - an agent that raises has stopped loudly: its score
        ended, says_done = type(error).__name__, False
    seconds = time.perf_counter() - began
    return score(
        world,
        ended=ended,
        says_done=says_done,
        is_bound=ended in BOUNDS,
        model_calls=calls or world.plan.calls,
        seconds=seconds,
    )


def main() -> None:
    """Read tasks, write scores."""
    agent, seconds, request_s = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    signal.signal(signal.SIGALRM, out_of_time)
    for line in sys.stdin:
        task = json.loads(line)
        run = AGENTS[agent](task["url"], request_s)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        row = episode(task, run)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
