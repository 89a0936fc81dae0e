"""Where there are more tools than a step is shown: what is evaluated again, with the tools kept in place or not.

Jobs over sixteen tools, five of which are shown; each step names its tool. What is right is asked of the same model.
"""

import random
from typing import Any

from msgspec.structs import replace

from bench.memory_course import Serve, course
from bench.memory_live import ask
from nano.language import Job, JobStep, Reference, ToolDict, make_job
from nebulus.memory.offer import offer

TOOLS, SHOWN, STEPS = 16, 5, 24
SEED = 8_100
WAYS = ("by the step alone", "kept in place")


def merged(seed: int) -> Job:
    """Return a job whose steps, in random order, use the tools of several jobs, and no earlier results."""
    rng = random.Random(seed)
    tools: dict[str, ToolDict] = {}
    steps: list[JobStep] = []
    while len(tools) < TOOLS:
        job = make_job(rng, 12, "held_out", wordings="train")
        tools |= {tool["function"]["name"]: tool for tool in job.tools}
        steps += job.steps
    kept = list(tools)[:TOOLS]
    plain = [
        step
        for step in steps
        if step.tool in kept
        and step.tool in step.text
        and not any(isinstance(value, Reference) for _, value in step.arguments)
    ]
    rng.shuffle(plain)
    return Job(job.title, (), tuple(tools[name] for name in kept), tuple(plain[:STEPS]))


async def many_tools(serve: Serve, *, jobs: int) -> list[dict[str, Any]]:
    """Print for each way what is right, what is evaluated again, and the time."""
    print("| tools shown | steps right | prompt tokens | evaluated a step | same tools as before | ms/step |")
    print("|---|--:|--:|--:|--:|--:|")
    rows: list[dict[str, Any]] = []
    for way in WAYS:
        asked, same = [], 0
        async with serve() as backend:
            for number in range(jobs):
                before: tuple[str, ...] = ()
                for turn in course(merged(SEED + number), seed=number, window_tokens=4096):
                    request = turn.nebulus
                    if way == WAYS[0]:
                        tools = offer(
                            turn.machine.state.step(turn.number), turn.machine.config.tools, most=SHOWN
                        )
                        request = replace(request, tools=tools)
                    names = tuple(tool.name for tool in request.tools)
                    same, before = same + (names == before), names
                    asked.append(await ask(turn, request, backend))
        count = len(asked)
        rows.append(
            {
                "way": way,
                "steps": count,
                "right": sum(item.is_right for item in asked),
                "prompt_tokens": sum(item.prompt_tokens for item in asked) / count,
                "evaluated": sum(item.evaluated for item in asked) / count,
                "same": same,
                "ms": sum(item.ms for item in asked) / count,
            }
        )
        print(
            "| {way} | {right}/{steps} | {prompt_tokens:.0f} | {evaluated:.0f} | {same} | {ms:.1f} |".format(
                **rows[-1]
            ),
            flush=True,
        )
    return rows
