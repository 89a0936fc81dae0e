"""Three ways to show a job to the same model on the same server, step by step, on a clean history.

Every way meets the same jobs, the same form (one call of an offered tool, by construction) and the same
server; the right call is put in the model's place after each answer, which favours the ways that show
their own past. Tools and values are those that training never saw; wordings are its own, so that the depth decides.
What is evaluated again is the server's own figure.
"""

import random
import time
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from bench.memory_course import Serve, Turn, bytes_of, course
from nano.language import make_job
from nebulus.calls import read
from nebulus.core.answers import Message, ModelRequest
from nebulus.core.errors import BackendError
from nebulus.ports.backend import ModelBackend

WAYS = ("raw", "sliding", "nebulus")
SEED = 4_200


class Asked(Struct, frozen=True):
    """One answer: `evaluated` prompt tokens were not cached; a prompt that does not fit is wrong, with no figures."""

    is_right: bool
    fits: bool = True
    prompt_tokens: int = 0
    evaluated: int = 0
    volatile: int = 0
    ms: float = 0.0


async def ask(turn: Turn, request: ModelRequest, backend: ModelBackend) -> Asked:
    """Ask once and compare with the call that is due."""
    began = time.perf_counter()
    try:
        answer = await backend.answer(request)
    except BackendError as error:
        return Asked(False, fits="large" not in error.failure.kind.value)
    ms = 1e3 * (time.perf_counter() - began)
    calls = read(answer, request.tools).calls
    is_right = bool(calls) and (calls[0].tool, calls[0].arguments) == (turn.tool, turn.arguments)
    used = answer.usage
    return Asked(is_right, True, used.prompt_tokens, used.prompt_tokens - used.cached_tokens, 0, ms)


async def volatile_tokens(before: ModelRequest, now: ModelRequest, backend: ModelBackend) -> int:
    """Return the tokens of `now` from where it first differs from `before`."""
    one, two = before.messages[-1].content, now.messages[-1].content
    same = next(
        (at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two))
    )
    if before.messages[0] != now.messages[0] or before.tools != now.tools:
        same = 0
    empty = await backend.count(ModelRequest(messages=(Message("user", ""),)))
    rest = await backend.count(ModelRequest(messages=(Message("user", two[same:]),)))
    return rest.tokens - empty.tokens


async def measure_way(way: str, depth: int, backend: ModelBackend, *, jobs: int) -> list[Asked]:
    """Return every answer of one way on `jobs` jobs of `depth` steps."""
    asked: list[Asked] = []
    for number in range(jobs):
        seed = SEED + 100 * depth + number
        job = make_job(random.Random(seed), depth, "held_out", wordings="train")
        before: ModelRequest | None = None
        for turn in course(job, seed=seed, window_tokens=4096):
            request: ModelRequest = getattr(turn, way)
            item = await ask(turn, request, backend)
            if way == "nebulus" and before is not None:
                volatile = await volatile_tokens(before, request, backend)
                item = Asked(item.is_right, item.fits, item.prompt_tokens, item.evaluated, volatile, item.ms)
            before = request
            asked.append(item)
    return asked


def row(way: str, depth: int, asked: Iterable[Asked]) -> dict[str, Any]:
    """Return the figures of one way at one depth: means over all answers, tokens over those that fitted."""
    items = list(asked)
    fitted = [item for item in items if item.fits and item.prompt_tokens]
    later = [item for item in fitted if item.volatile]
    count = max(1, len(fitted))
    return {
        "way": way,
        "depth": depth,
        "steps": len(items),
        "right": sum(item.is_right for item in items),
        "too_large": sum(not item.fits for item in items),
        "prompt_tokens": sum(item.prompt_tokens for item in fitted) / count,
        "evaluated": sum(item.evaluated for item in fitted) / count,
        "volatile": sum(item.volatile for item in later) / max(1, len(later)),
        "evaluated_later": sum(item.evaluated for item in later) / max(1, len(later)),
        "ms": sum(item.ms for item in fitted) / count,
    }


HEADER = (
    "| way | depth | steps right | did not fit | prompt tokens | evaluated a step | after the first | volatile | ms/step |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def line(cell: dict[str, Any]) -> str:
    """Return one row of the table."""
    share = cell["right"] / max(1, cell["steps"])
    later = f"{cell['evaluated_later']:.0f} | {cell['volatile']:.0f}" if cell["volatile"] else " | "
    return (
        f"| {cell['way']} | {cell['depth']} | {cell['right']}/{cell['steps']} ({share:.2f}) | {cell['too_large']} "
        f"| {cell['prompt_tokens']:.0f} | {cell['evaluated']:.0f} | {later} | {cell['ms']:.1f} |"
    )


async def live(serve: Serve, *, depths: tuple[int, ...], jobs: dict[int, int]) -> list[dict[str, Any]]:
    """Measure every way at every depth and print the table as it grows."""
    print(HEADER, flush=True)
    rows = []
    for depth in depths:
        for way in WAYS:
            async with serve() as backend:
                cell = row(way, depth, await measure_way(way, depth, backend, jobs=jobs[depth]))
            print(line(cell), flush=True)
            rows.append(cell)
    return rows


async def flat(serve: Serve) -> list[dict[str, Any]]:
    """Print the prompt's tokens at steps 10, 100 and 1,000 of one run, and the bytes of 200 steps against a transcript."""
    rows: list[dict[str, Any]] = []
    print("| step | prompt tokens | bytes of this prompt |\n|--:|--:|--:|")
    job = make_job(random.Random(SEED), 1000, "held_out")
    async with serve() as backend:
        for turn in course(job, seed=SEED, window_tokens=4096):
            if turn.number in (10, 100, 1000):
                tokens = (await backend.count(turn.nebulus)).tokens
                rows.append({"step": turn.number, "tokens": tokens, "bytes": bytes_of(turn.nebulus)})
                print("| {step} | {tokens} | {bytes} |".format(**rows[-1]), flush=True)
    sent = dict.fromkeys(WAYS, 0)
    for turn in course(make_job(random.Random(SEED), 200, "held_out"), seed=SEED, window_tokens=4096):
        for way in WAYS:
            sent[way] += bytes_of(getattr(turn, way))
    print("\n| way | bytes sent over 200 steps | share of the transcript's |\n|---|--:|--:|")
    for way in WAYS:
        print(f"| {way} | {sent[way]} | 1/{sent['raw'] / sent[way]:.1f} |")
    return [*rows, {"sent": sent}]
