"""The plain loop: one growing conversation, errors fed back as text. The arm that most agents are."""

import asyncio
import json
import time
from typing import Any

from msgspec.structs import replace

from bench.recovery_parts.arms import RESERVE_TOKENS, Task, specs
from bench.recovery_parts.models import Counting
from bench.recovery_parts.world import FaultyWorld, most_calls, score
from nano.render import TRANSCRIPT_INSTRUCTIONS
from nebulus.calls import read
from nebulus.core.answers import FreeForm, Message, ModelRequest, RawCall
from nebulus.core.errors import BackendError
from nebulus.core.failure import FailureKind
from nebulus.ports.backend import ModelBackend

OUT_OF_CALLS = "out of calls"
BOUNDS = (OUT_OF_CALLS, "out of time")


async def plain_episode(task: Task, backend: ModelBackend, *, seconds: float = 0.0) -> dict[str, Any]:
    """Carry a job out in one growing conversation, errors fed back as text, and return the score."""
    world, counting = task.world(), Counting(backend)
    began = time.perf_counter()
    try:
        async with asyncio.timeout(seconds or None):
            ended, says_done = await _converse(task, world, counting)
    except TimeoutError:
        ended, says_done = "out of time", False
    return score(
        world,
        ended=ended,
        says_done=says_done,
        is_bound=ended in BOUNDS,
        model_calls=counting.calls,
        seconds=time.perf_counter() - began,
    )


async def _converse(task: Task, world: FaultyWorld, backend: Counting) -> tuple[str, bool]:
    tools = tuple(replace(spec, grounded=()) for spec in specs(world.job, arm="no-shape"))
    messages = [Message("system", TRANSCRIPT_INSTRUCTIONS), Message("user", world.job.goal)]
    for turn in range(most_calls(task.depth)):
        if world.world.is_complete:
            return "all of it was done", True
        request = ModelRequest(
            messages=tuple(messages), tools=tools, form=FreeForm(), max_tokens=RESERVE_TOKENS, seed=turn
        )
        try:
            answer = await backend.answer(request)
        except BackendError as error:
            if error.failure.kind is FailureKind.PROMPT_TOO_LARGE:
                return "the window is full", False
            messages.append(Message("user", f"error: {error.failure.what}"))
            continue
        reading = read(answer, tools)
        if reading.finding is not None:
            messages += [
                Message("assistant", answer.text),
                Message("user", f"error: {reading.finding.sentence()}"),
            ]
        elif not reading.calls:
            return "it said that it is done", True
        for call in reading.calls[:1]:
            try:
                result = world.call(call.tool, call.arguments)
            except Exception as error:  # noqa: BLE001 - whatever a tool raises is told to the model here
                result = f"error: {type(error).__name__}: {error}"
            arguments = json.dumps(call.arguments, ensure_ascii=False)
            messages.append(Message("assistant", "", (RawCall(call.tool, arguments, f"c{turn}"),)))
            messages.append(Message("tool", result, (), f"c{turn}"))
    return OUT_OF_CALLS, world.world.is_complete
