"""Forecast against outcome: does a run end right as often as its forecast says?

The nano model is measured by a probe of 60 jobs of its held-out language, a profile is made of what became of their steps,
and other runbooks are forecast from it before they run. Two sets of runs, of one to four steps each:

- *different*: 240 runbooks, each run once. This is what a forecast is about: the next runbook of this kind.
- *repeated*: 24 runbooks, each run ten times with other values, as somebody would use one every week.

A forecast is calibrated if runs that it gives 30 % end right in 30 of 100 cases. The interval is about the rate of runs like
this one, and most of what is uncertain about it comes from the probe. So it is put to the test with many probes: 100 times, 60
of the different runbooks, drawn at random, are the probe, and the others are forecast. In nine of ten cases, the number of
runs of one depth that end right must be one that the uncertain rate of the group allows (a beta-binomial distribution with
the moments of that rate over many draws of what is unknown about the model). The same is counted, with the mean interval of
the runs, for batches of ten runs with similar forecasts, and for each repeated runbook.

    python bench/ceiling_forecast.py [--runs FOLDER] [--write docs/measured]

Runs are kept in FOLDER, a line each, and read from there the next time. Needs the extra `local`; takes some 12 minutes.
"""

import argparse
import asyncio
import math
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from bench.forecast_parts.runs import KeptRun, carry_out, config_of, job_of, read_runs, steps_of
from nebulus.adapters.backends.factory import open_backend
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.app.bootstrap import nano_path
from nebulus.ceiling.beta import Beta, of_moments
from nebulus.ceiling.estimate import SuccessModel, fit
from nebulus.ceiling.features import features
from nebulus.ceiling.forecast import chance_of_all
from nebulus.ceiling.profile import ModelIdentity, Profile, Row, coarse
from nebulus.core.demand import Demand
from nebulus.loop.runbook import read_runbook, with_implied_checks
from nebulus.report.demands import planned_demands

BATCH = 10
LEVEL = 0.9
WIDTH = 3.289707
"""The width of a 90 % interval of a normal distribution, in standard deviations."""
BOOTSTRAPS = 2000
PROBES = 100
PROBE_RUNS = 60
DRAWS = 500
BINS = ((0.0, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (0.6, 0.8), (0.8, 1.01))


class Plan(Struct, frozen=True):
    """A set of runs: where their numbers begin, how many runbooks, how often each is run, how deep they are."""

    first: int
    runbooks: int
    times: int
    depths: tuple[int, ...]


SETS = {
    "probe": Plan(1000, 60, 1, (1, 2, 3)),
    "repeated": Plan(5000, 24, 10, (1, 2, 3, 4)),
    "different": Plan(20_000, 240, 1, (1, 2, 3, 4)),
}


class Outline(Struct, frozen=True):
    """A run without its events: what a probe learns from it, and what a forecast is made of."""

    family: int
    depth: int
    is_right: bool
    rows: tuple[Row, ...]
    demands: tuple[Demand, ...]


class Forecasted(Struct, frozen=True):
    """A run, with the forecast that was made of it."""

    run: Outline
    chance: float
    low: float
    high: float


async def collect(folder: Path) -> dict[str, list[KeptRun]]:
    """Return the runs of each set, those that are not kept in `folder` yet after running them."""
    backend = open_backend(BackendSettings(kind="embedded", path=str(nano_path()), threads=1))
    found = {}
    try:
        for name, plan in SETS.items():
            path = folder / f"{name}.jsonl"
            kept = read_runs(path)
            for number in range(len(kept), plan.runbooks * plan.times):
                which, variant = divmod(number, plan.times)
                depth = plan.depths[which % len(plan.depths)]
                run = await carry_out(
                    plan.first + which, variant, depth=depth, wordings="held_out", backend=backend
                )
                kept.append(run)
                with path.open("ab") as file:
                    file.write(msgspec.json.encode(run) + b"\n")
            found[name] = kept
    finally:
        await backend.close()
    return found


def outline(run: KeptRun) -> Outline:
    """Return what is needed of a run; its demands are computed from its runbook alone, before it begins."""
    rows = [
        Row(demand=work.demand, trials=1, right=int(is_right))
        for work, is_right in steps_of(run)
        if work.demand is not None
    ]
    job = job_of(run.family, run.variant, depth=run.depth, wordings=run.wordings)
    goal, plan = read_runbook(job.goal)
    config = config_of(job)
    plan = with_implied_checks(plan, config.tools, goal=goal)
    demands = tuple(coarse(demand) for _, _, demand in planned_demands(goal, plan, config))
    return Outline(run.family, run.depth, run.is_right, tuple(rows), demands)


def model_of(runs: Sequence[Outline]) -> SuccessModel:
    """Return what a probe with these runs says about the model."""
    profile = Profile(model=ModelIdentity(name="nano"))
    return fit(profile.with_rows([row for run in runs for row in run.rows]).trials())


def forecast_of(run: Outline, model: SuccessModel) -> Forecasted:
    """Return the forecast of a run."""
    return Forecasted(run, *chance_of_all([(demand, model) for demand in run.demands]))


def crossed(runs: Sequence[Outline]) -> tuple[int, int]:
    """Return how many groups of runs of one depth were inside their interval, over many probes, and how many there were."""
    draw, inside, count = random.Random(2), 0, 0
    for number in range(PROBES):
        shuffled = draw.sample(runs, len(runs))
        model = model_of(shuffled[:PROBE_RUNS])
        groups: dict[int, list[Outline]] = defaultdict(list)
        for run in shuffled[PROBE_RUNS:]:
            groups[run.depth].append(run)
        for group in groups.values():
            least, most = allowed(group_rate(group, model, seed=number), len(group))
            inside += least <= sum(run.is_right for run in group) <= most
            count += 1
    return inside, count


def group_rate(runs: Sequence[Outline], model: SuccessModel, *, seed: int) -> Beta:
    """Return what the model says about the rate of a whole group: the mean of its chances, for many draws of the weights."""
    drawn = np.random.default_rng(seed).multivariate_normal(model.weights, model.covariance, size=DRAWS)
    chances = [
        np.prod(1 / (1 + np.exp(-drawn @ np.array([features(one) for one in run.demands]).T)), axis=1)
        for run in runs
    ]
    rates = np.mean(chances, axis=0)
    return of_moments(float(rates.mean()), float(rates.var()))


def brier(found: Sequence[Forecasted]) -> float:
    """Return the mean squared distance between forecast and outcome."""
    return sum((one.chance - one.run.is_right) ** 2 for one in found) / len(found)


def skill(found: Sequence[Forecasted]) -> float:
    """Return by which share the Brier score is below that of the constant that equals the rate of all runs."""
    rate = sum(one.run.is_right for one in found) / len(found)
    return 1 - brier(found) / max(1e-9, rate * (1 - rate))


def calibration_error(found: Sequence[Forecasted]) -> float:
    """Return the expected calibration error over the bins.

    Source: Naeini, Cooper and Hauskrecht 2015, doi:10.1609/aaai.v29i1.9602.
    """
    total = 0.0
    for bin_runs in binned(found):
        gap = sum(one.chance for one in bin_runs) - sum(one.run.is_right for one in bin_runs)
        total += abs(gap)
    return total / len(found)


def binned(found: Sequence[Forecasted]) -> list[list[Forecasted]]:
    """Return the runs of each bin that has any."""
    bins = [[one for one in found if low <= one.chance < high] for low, high in BINS]
    return [runs for runs in bins if runs]


def rate_of(found: Sequence[Forecasted]) -> Beta:
    """Return what the forecasts of a batch say about its rate."""
    mean = sum(one.chance for one in found) / len(found)
    width = sum(one.high - one.low for one in found) / len(found)
    return of_moments(mean, (width / WIDTH) ** 2)


def allowed(rate: Beta, trials: int) -> tuple[int, int]:
    """Return the least and the most successes that a 90 % interval of the beta-binomial distribution contains."""
    shares, total = [], 0.0
    for count in range(trials + 1):
        log = (
            math.lgamma(trials + 1)
            - math.lgamma(count + 1)
            - math.lgamma(trials - count + 1)
            + math.lgamma(count + rate.a)
            + math.lgamma(trials - count + rate.b)
            - math.lgamma(trials + rate.a + rate.b)
            + math.lgamma(rate.a + rate.b)
            - math.lgamma(rate.a)
            - math.lgamma(rate.b)
        )
        total += math.exp(log)
        shares.append(total)
    least = next(count for count, share in enumerate(shares) if share > (1 - LEVEL) / 2)
    most = next(count for count, share in enumerate(shares) if share >= (1 + LEVEL) / 2 - 1e-9)
    return least, most


def coverage(batches: Sequence[Sequence[Forecasted]]) -> tuple[int, int]:
    """Return how many batches had as many successes as their interval allows, and how many there are."""
    inside = 0
    for batch in batches:
        least, most = allowed(rate_of(batch), len(batch))
        inside += least <= sum(one.run.is_right for one in batch) <= most
    return inside, len(batches)


def similar(found: Sequence[Forecasted]) -> list[list[Forecasted]]:
    """Return batches of runs with similar forecasts."""
    ranked = sorted(found, key=lambda one: (one.chance, one.run.family))
    return [ranked[start : start + BATCH] for start in range(0, len(ranked) - BATCH + 1, BATCH)]


def same_runbook(found: Sequence[Forecasted]) -> list[list[Forecasted]]:
    """Return the runs of each runbook."""
    groups: dict[int, list[Forecasted]] = defaultdict(list)
    for one in found:
        groups[one.run.family].append(one)
    return list(groups.values())


def bootstrapped(measure, found: Sequence[Forecasted]) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Return the 90 % interval of a measure, drawing whole runbooks again."""
    draw, groups = random.Random(1), same_runbook(found)
    values = sorted(measure([one for _ in groups for one in draw.choice(groups)]) for _ in range(BOOTSTRAPS))
    return values[BOOTSTRAPS // 20], values[-BOOTSTRAPS // 20]


def report(name: str, found: Sequence[Forecasted]) -> list[str]:
    """Return the figures of a set as lines of Markdown."""
    rate = sum(one.run.is_right for one in found) / len(found)
    mean = sum(one.chance for one in found) / len(found)
    lines = [
        f"### {name}: {len(found)} runs of {len(same_runbook(found))} runbooks",
        "",
        "| | value | 90 % interval |",
        "|---|--:|---|",
        f"| runs that ended right | {rate:.3f} | |",
        f"| mean forecast | {mean:.3f} | |",
    ]
    for what, measure in (
        ("Brier score", brier),
        ("better than a constant by", skill),
        ("expected calibration error", calibration_error),
    ):
        low, high = bootstrapped(measure, found)
        lines.append(f"| {what} | {measure(found):.3f} | {low:.3f} to {high:.3f} |")
    for what, batches in (
        ("batches of similar forecasts inside their 90 % interval", similar(found)),
        ("runbooks inside their 90 % interval", same_runbook(found)),
    ):
        if len(batches) < len(found):
            inside, count = coverage(batches)
            lines.append(f"| {what} | {inside} of {count} | |")
    lines += ["", "| forecast | runs | mean forecast | ended right |", "|---|--:|--:|--:|"]
    for runs in binned(found):
        right = sum(one.run.is_right for one in runs) / len(runs)
        forecasts = [one.chance for one in runs]
        lines.append(
            f"| {min(forecasts):.2f} to {max(forecasts):.2f} | {len(runs)} | {sum(forecasts) / len(runs):.2f} | "
            f"{right:.2f} {'█' * round(20 * right)} |"
        )
    return [*lines, ""]


def main() -> None:
    """Measure, print the figures, and write them if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path(".cache/forecast"), help="where runs are kept")
    parser.add_argument("--write", type=Path, help="write forecast.md into this folder")
    given = parser.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    runs = asyncio.run(collect(given.runs))
    outlines = {name: [outline(run) for run in kept] for name, kept in runs.items()}
    probed = [row for run in outlines["probe"] for row in run.rows]
    right = sum(row.right for row in probed)
    lines = [f"Probe: {len(outlines['probe'])} jobs, {len(probed)} steps, {right} of them right.", ""]
    model = model_of(outlines["probe"])
    for name in ("different", "repeated"):
        lines += report(name, [forecast_of(run, model) for run in outlines[name]])
    inside, count = crossed(outlines["different"])
    lines.append(
        f"Over {PROBES} probes of {PROBE_RUNS} runbooks, the runs of one depth were inside their 90 % interval "
        f"{inside} of {count} times ({100 * inside / count:.0f} %)."
    )
    text = "\n".join(lines)
    print(text)
    if given.write:
        (given.write / "forecast.md").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
