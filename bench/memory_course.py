"""A job carried out without a mistake, by the machine itself: what would be asked at each step, nothing guessed.

The right call is put in the model's place, so that every depth is reached and each step is measured on a
clean history. It is compared with what other loops would have sent: the raw transcript, and a sliding window.
"""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

from msgspec import Struct

from bench.walk import Walk, answered, begun
from nano.environment import Environment
from nano.language import Job
from nano.render import TRANSCRIPT_INSTRUCTIONS, call_text
from nebulus.core.answers import Message, ModelAnswer, ModelRequest, OneCall, RawCall, Usage
from nebulus.core.budget import Budget
from nebulus.core.config import RunConfig
from nebulus.core.tiers import Tier
from nebulus.core.tools import Effect, ToolResult, ToolSpec
from nebulus.loop.machine import Machine
from nebulus.loop.runbook import read_runbook, with_implied_checks
from nebulus.ports.backend import ModelBackend

RESERVE_TOKENS = 192
NOTHING = Usage()
KEPT_EXCHANGES = 6
"""Exchanges in the sliding window: state header and last turns is what most loops keep."""


Serve: TypeAlias = Callable[[], AbstractAsyncContextManager[ModelBackend]]
"""Starts a server on the model, for a block: each cell gets its own, whose cache knows nothing yet."""


class Turn(Struct, frozen=True):
    """One step: what each way would send, the call that is due, and the machine before it was answered."""

    number: int
    nebulus: ModelRequest
    raw: ModelRequest
    sliding: ModelRequest
    tool: str
    arguments: dict[str, Any]
    machine: Machine


def specs(job: Job) -> tuple[ToolSpec, ...]:
    """Return the job's tools."""
    return tuple(
        ToolSpec(
            name=tool["function"]["name"],
            description=tool["function"].get("description", ""),
            parameters=tool["function"]["parameters"] | {"additionalProperties": False},
            effect=Effect.WRITE,
        )
        for tool in job.tools
    )


def course(job: Job, *, seed: int, window_tokens: int) -> Iterator[Turn]:
    """Yield each step of `job`, done right, in a world that is never busy."""
    world, tools = Environment(job, random.Random(seed), 0.0, "held_out"), specs(job)
    config = RunConfig(
        tools=tools,
        tiers=(Tier(name="nano", window_tokens=window_tokens, reserve_tokens=RESERVE_TOKENS),),
        budget=Budget(model_calls=0, tool_calls=0),
    )
    goal, plan = read_runbook(job.goal)
    at = begun(config, goal, with_implied_checks(plan, tools))
    opening = [Message("system", TRANSCRIPT_INSTRUCTIONS), Message("user", job.goal)]
    transcript: list[Message] = []
    while at.asked is not None:
        tool, arguments = world.expected()
        yield Turn(
            number=world.done + 1,
            nebulus=at.request,
            raw=_conversation([*opening, *transcript], tools),
            sliding=_conversation([*opening, *transcript[-2 * KEPT_EXCHANGES :]], tools),
            tool=tool,
            arguments=arguments,
            machine=at.machine,
        )
        result = world.execute(tool, arguments)
        number = at.step
        at = obeyed(at, call_text(tool, arguments), told(result))
        if at.asked is not None and at.step == number:
            at = obeyed(at, "done", told(""))  # the step's text does not name its tool: it ends by words
        call = RawCall(tool, json.dumps(arguments, ensure_ascii=False), f"c{world.done}")
        transcript += [Message("assistant", "", (call,)), Message("tool", result, (), call.call_id)]


def told(result: str) -> ToolResult:
    """Return a tool's result as it is recorded."""
    fields = json.loads(result) if result.startswith("{") else {}
    return ToolResult(text=result, fields=fields, size_bytes=len(result.encode()))


def obeyed(at: Walk, text: str, result: ToolResult, *, usage: Usage = NOTHING) -> Walk:
    """Return the run after the model said `text`, its call was allowed, and its tool gave `result`."""
    return answered(at, ModelAnswer(text=text, usage=usage), result)


def _conversation(messages: list[Message], tools: tuple[ToolSpec, ...]) -> ModelRequest:
    return ModelRequest(messages=tuple(messages), tools=tools, form=OneCall(), max_tokens=RESERVE_TOKENS)


def bytes_of(request: ModelRequest) -> int:
    """Return what is sent for `request`: every message with its calls, and the tools."""
    said = sum(
        len(message.content.encode())
        + sum(len(call.name) + len(call.arguments.encode()) for call in message.calls)
        for message in request.messages
    )
    return said + sum(
        len(json.dumps(tool.parameters)) + len(tool.name) + len(tool.description) for tool in request.tools
    )
