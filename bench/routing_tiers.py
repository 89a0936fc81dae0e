"""Real models as tiers: does a routed mix do the same jobs as well as the largest model alone, and in less time?

The same runbooks, of one to four steps, are carried out by each model alone and by three tiers together: coming back to the
smallest tier after a step that needed a larger one, staying with the larger one, and chosen by what was measured (with the
answer of the smaller tier kept or sent up after it was parsed). What is measured of a model for one runbook is what it did
alone with all the others. Code judges: every call of a job made once, with its arguments, and no other effect.

    python bench/routing_tiers.py --model smollm2=FILE --model qwen0.5=FILE --model qwen1.5=FILE \
        [--alone nano=FILE] [--jobs N] [--minutes M] [--keep FOLDER] [--write docs/measured]

The models are tiers in the given order, from small to large; those given by --alone are measured alone. Every answer is kept
in FOLDER with the time that it took, so that two arms that ask the same are compared by the same answer, and an interrupted
measurement continues. Only jobs for which every arm is complete are counted. Needs the extra `local`.
"""

import argparse
import asyncio
import hashlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.ceiling import RESERVE_TOKENS
from bench.forecast_parts.runs import KeptRun, carry_out_on, config_of, job_of, steps_of
from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.ceiling.forecast import skill_of
from nebulus.ceiling.profile import Cost, ModelIdentity, Profile, Row
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.config import RunConfig
from nebulus.core.demand import ErrorCost
from nebulus.core.events import AnswerParsed, ModelAnswered
from nebulus.core.limits import Limits
from nebulus.core.routes import AfterEscalation, RouteMode, RoutePolicy
from nebulus.core.tiers import Tier
from nebulus.loop.route import NO_SKILLS, Skills
from nebulus.ports.backend import BackendInfo, ModelBackend, OnText, TokenCount

FIRST = 70_000
"""The number of the first job; those before it are used by other measurements."""
DEPTHS = (1, 2, 3, 4)
WINDOW_TOKENS = 4096
BOOTSTRAPS = 4000
LEVEL = 0.9
NEEDED = {ErrorCost.READ: 0.6, ErrorCost.REVERSIBLE: 0.75, ErrorCost.IRREVERSIBLE: 0.9}


class TimeOverError(Exception):
    """The time of this call is over."""


class KeptAnswer(Struct, frozen=True):
    """An answer that a model gave once, with the time that it took."""

    key: str
    answer: ModelAnswer
    seconds: float


class KeepingBackend:
    """A model whose answers are kept: what was asked before is answered from the file."""

    def __init__(self, inner: ModelBackend, path: Path, ends: float) -> None:
        self._inner, self._path, self._ends = inner, path, ends
        self._lock = asyncio.Lock()
        self.seconds = 0.0
        """What all answers since the last reset took, kept ones included."""
        lines = path.read_bytes().splitlines() if path.exists() else []
        kept = (msgspec.json.decode(line, type=KeptAnswer) for line in lines)
        self._kept = {one.key: one for one in kept}

    async def describe(self) -> BackendInfo:
        """As the model."""
        return await self._inner.describe()

    async def count(self, request: ModelRequest) -> TokenCount:
        """As the model."""
        return await self._inner.count(request)

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        """Return the answer that was kept, or ask the model.

        Raises:
            TimeOverError: the model would have to be asked, and the time of this call is over.
        """
        key = hashlib.sha256(msgspec.json.encode(request)).hexdigest()[:24]
        async with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                if time.monotonic() > self._ends:
                    raise TimeOverError
                began = time.monotonic()
                answer = await self._inner.answer(request)
                kept = KeptAnswer(key, answer, time.monotonic() - began)
                self._kept[key] = kept
                with self._path.open("ab") as file:
                    file.write(msgspec.json.encode(kept) + b"\n")
        self.seconds += kept.seconds
        return kept.answer

    async def close(self) -> None:
        """Close the model."""
        await self._inner.close()


class Result(Struct, frozen=True):
    """How a job ended in one arm."""

    job: int
    depth: int
    arm: str
    is_right: bool
    ended: str
    seconds: float
    answers: dict[str, int]
    sent_up: int
    """Answers that were not used since a larger tier was asked instead."""
    steps: tuple[tuple[Row, bool], ...]
    """Each step that was begun, up to the first mistake, as a row of a profile, with whether it was right."""


class Arm(Struct, frozen=True):
    """A way to carry out a job."""

    name: str
    tiers: tuple[str, ...]
    policy: RoutePolicy
    is_measured: bool = False


def arms(tiers: Sequence[str], alone: Sequence[str]) -> list[Arm]:
    """Return the arms, those that are measured after those that they are measured by."""
    whole = tuple(tiers)
    measured = RoutePolicy(mode=RouteMode.MEASURED, needed=NEEDED)
    return [
        *(Arm(name, (name,), RoutePolicy()) for name in (*alone, *tiers)),
        Arm("escalate and return", whole, RoutePolicy()),
        Arm("escalate and stay", whole, RoutePolicy(after_escalation=AfterEscalation.STAY)),
        Arm("measured", whole, measured, is_measured=True),
    ]


async def one_run(
    job: int, depth: int, arm: Arm, *, backends: Mapping[str, KeepingBackend], skills: Skills
) -> Result:
    """Carry out one job in one arm."""
    base = config_of(job_of(job, 0, depth=depth, wordings="held_out"))
    tiers = [
        Tier(name=name, window_tokens=WINDOW_TOKENS, reserve_tokens=RESERVE_TOKENS) for name in arm.tiers
    ]
    config = RunConfig(
        tools=base.tools, tiers=tuple(tiers), budget=base.budget, limits=Limits(), route=arm.policy
    )
    for backend in backends.values():
        backend.seconds = 0.0
    run = await carry_out_on(config, dict(backends), family=job, depth=depth, skills=skills)
    answers = dict.fromkeys(arm.tiers, 0)
    for event in run.events:
        if isinstance(event, ModelAnswered):
            answers[event.tier] += 1
    weighed = [event.weighed for event in run.events if isinstance(event, AnswerParsed) and event.weighed]
    return Result(
        job=job,
        depth=depth,
        arm=arm.name,
        is_right=run.is_right,
        ended=run.ended,
        seconds=sum(backend.seconds for backend in backends.values()),
        answers=answers,
        sent_up=sum(bool(one.larger_tier) for one in weighed),
        steps=tuple(_rows(run)) if len(arm.tiers) == 1 else (),
    )


def _rows(run: KeptRun) -> list[tuple[Row, bool]]:
    return [
        (
            Row(
                demand=work.demand,
                trials=1,
                right=int(is_right),
                cost=Cost(
                    answers=work.answers,
                    prompt_tokens=work.prompt_tokens,
                    completion_tokens=work.completion_tokens,
                ),
            ),
            is_right,
        )
        for work, is_right in steps_of(run)
        if work.demand is not None
    ]


def skills_without(job: int, found: Sequence[Result], tiers: Sequence[str]) -> Skills:
    """Return what each model did alone with all other jobs."""
    skills = {}
    for name in tiers:
        rows = [row for one in found if one.arm == name and one.job != job for row, _ in one.steps]
        if rows:
            skills[name] = skill_of(Profile(model=ModelIdentity(name=name)).with_rows(rows))
    return skills


async def measure(given: argparse.Namespace) -> list[Result]:
    """Return the results of all jobs that are complete."""
    ends = time.monotonic() + 60 * given.minutes
    tiers, alone = dict(given.model), dict(given.alone)
    given.keep.mkdir(parents=True, exist_ok=True)
    wanted = arms(list(tiers), list(alone))
    found: list[Result] = []
    async with AsyncExitStack() as stack:
        backends = {}
        for name, path in {**alone, **tiers}.items():
            settings = BackendSettings(kind="embedded", path=path, threads=2, window_tokens=WINDOW_TOKENS)
            backends[name] = KeepingBackend(open_backend(settings), given.keep / f"{name}.jsonl", ends)
            stack.push_async_callback(backends[name].close)
        numbers = [(FIRST + number, DEPTHS[number % len(DEPTHS)]) for number in range(given.jobs)]
        try:
            for phase in (False, True):
                for job, depth in numbers:
                    for arm in (one for one in wanted if one.is_measured is phase):
                        skills = skills_without(job, found, arm.tiers) if phase else NO_SKILLS
                        used = {name: backends[name] for name in arm.tiers}
                        found.append(await one_run(job, depth, arm, backends=used, skills=skills))
                        one = found[-1]
                        said = "right" if one.is_right else f"wrong ({one.ended})"
                        print(f"{job} depth {depth} {arm.name}: {said}, {one.seconds:.0f} s", flush=True)
        except* TimeOverError:
            print("the time is over; call it again to continue", flush=True)
    done = [job for job, _ in numbers if sum(one.job == job for one in found) == len(wanted)]
    if not done:  # without the arm that needs all others
        done = [job for job, _ in numbers if sum(one.job == job for one in found) >= len(wanted) - 1]
    return [one for one in found if one.job in done]


def interval(values: Sequence[float], measure: Callable[[Sequence[int]], float]) -> tuple[float, float]:
    """Return the 90 % bootstrap interval of `measure` over the places of `values`, drawn with replacement."""
    draw, places = random.Random(1), range(len(values))
    drawn = sorted(measure(draw.choices(places, k=len(values))) for _ in range(BOOTSTRAPS))
    cut = round(BOOTSTRAPS * (1 - LEVEL) / 2)
    return drawn[cut], drawn[-cut - 1]


def report(found: Sequence[Result], largest: str) -> list[str]:
    """Return the figures as lines of Markdown."""
    by_arm: dict[str, list[Result]] = {}
    for one in sorted(found, key=lambda one: one.job):
        by_arm.setdefault(one.arm, []).append(one)
    base = by_arm[largest]
    steps = sum(one.depth for one in base)
    about = (
        f"{len(base)} jobs of 1 to 4 steps, {steps} steps. Intervals are 90 % bootstrap intervals over jobs; the last two "
        f"columns compare with {largest} alone, job by job."
    )
    lines = [
        about,
        "",
        "| arm | jobs right | seconds for all | answers by tier | sent up | more jobs right | share of its time |",
        "|---|---|--:|---|--:|---|---|",
    ]
    for name, runs in by_arm.items():
        right = [float(one.is_right) for one in runs]
        low, high = interval(right, partial(_mean, right))
        more = [one.is_right - other.is_right for one, other in zip(runs, base, strict=True)]
        more_low, more_high = interval(more, partial(_mean, more))
        took, took_base = [one.seconds for one in runs], [one.seconds for one in base]
        ratio = sum(took) / sum(took_base)
        ratio_low, ratio_high = interval(took, partial(_ratio, took, took_base))
        answers = ", ".join(
            f"{tier} {sum(one.answers.get(tier, 0) for one in runs)}" for tier in runs[0].answers
        )
        lines.append(
            f"| {name} | {sum(right):.0f} ({low:.2f} to {high:.2f}) | {sum(took):.0f} | {answers} | "
            f"{sum(one.sent_up for one in runs)} | {_mean(more, range(len(more))):+.2f} ({more_low:+.2f} to {more_high:+.2f}) | "
            f"{ratio:.2f} ({ratio_low:.2f} to {ratio_high:.2f}) |"
        )
    lines += [
        "",
        "| arm | "
        + " | ".join(f"{depth} step{'s' * (depth > 1)}" for depth in DEPTHS)
        + " | done, but wrong |",
    ]
    lines.append("|---|" + "--:|" * (len(DEPTHS) + 1))
    for name, runs in by_arm.items():
        cells = []
        for depth in DEPTHS:
            these = [one for one in runs if one.depth == depth]
            cells.append(f"{sum(one.is_right for one in these)} of {len(these)}")
        wrong = sum(one.ended == "done" and not one.is_right for one in runs)
        lines.append(f"| {name} | {' | '.join(cells)} | {wrong} |")
    return lines


def _mean(values: Sequence[float], places: Sequence[int]) -> float:
    return sum(values[place] for place in places) / max(1, len(places))


def _ratio(values: Sequence[float], others: Sequence[float], places: Sequence[int]) -> float:
    return sum(values[place] for place in places) / sum(others[place] for place in places)


def _named(text: str) -> tuple[str, str]:
    name, _, path = text.partition("=")
    if not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FILE")
    return name, path


def main() -> None:
    """Measure, print the figures, and write them if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=_named, action="append", required=True, help="a tier: NAME=FILE")
    parser.add_argument("--alone", type=_named, action="append", default=[], help="measured alone: NAME=FILE")
    parser.add_argument("--jobs", type=int, default=24)
    parser.add_argument("--minutes", type=float, default=1000.0, help="ask no model after so many minutes")
    parser.add_argument(
        "--keep", type=Path, default=Path(".cache/routing_tiers"), help="where answers are kept"
    )
    parser.add_argument("--write", type=Path, help="write routing_tiers.md into this folder")
    given = parser.parse_args()
    found = asyncio.run(measure(given))
    if not found:
        print("no job is complete yet")
        return
    text = "\n".join(report(found, given.model[-1][0]))
    print(text)
    if given.write:
        (given.write / "routing_tiers.md").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
