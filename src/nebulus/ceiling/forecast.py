"""A forecast: how likely a run ends right on a model, from the profile of the model and the demands of its steps.

Invariants: a forecast is made of measured outcomes alone; what was not measured is said, never filled in; steps are taken
to fail independently, but those that rest on the same measurement share its uncertainty.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from nebulus.ceiling.beta import Beta, all_of, of_moments
from nebulus.ceiling.profile import Cost, Profile, Row
from nebulus.core.demand import Demand, Estimate

LEVEL = 0.9
_WIDTH_OF_LEVEL = 3.289707
"""The width of the interval of a normal distribution at this level, in standard deviations."""
WEAKEST_SHOWN = 3
LEAST_GAIN = 0.03
"""What would help less than this is not mentioned."""
LONG_VALUE = 64

Estimator: TypeAlias = Callable[[Demand], Estimate]
"""How likely a model is to meet a demand."""


class PlannedStep(Struct, frozen=True, kw_only=True):
    """A step before it is carried out. Number 0 is the plan or the answer."""

    number: int
    text: str
    demand: Demand


class Advice(Struct, frozen=True, kw_only=True):
    """What would make a step more likely to succeed, and how likely it would be then, by the same profile."""

    what: str
    chance: float


class StepForecast(Struct, frozen=True, kw_only=True):
    """How likely a step ends right, what it takes, what would help."""

    number: int
    text: str
    estimate: Estimate
    cost: Cost
    advice: tuple[Advice, ...] = ()


class Forecast(Struct, frozen=True, kw_only=True):
    """How likely a run ends right on one tier, with the interval that contains the true value nine times in ten."""

    tier: str
    chance: float
    low: float
    high: float
    steps: tuple[StepForecast, ...]
    cost: Cost
    """What the run takes if every step is carried out."""
    usd: float = 0.0

    @property
    def weakest(self) -> tuple[StepForecast, ...]:
        """The steps that are most likely to fail, the weakest first."""
        return tuple(sorted(self.steps, key=lambda step: step.estimate.mean)[:WEAKEST_SHOWN])


def forecast(tier: str, steps: Sequence[PlannedStep], profile: Profile, estimator: Estimator) -> Forecast:
    """Return how likely a run of `steps` ends right on `tier`, whose model has `profile`."""
    parts = tuple(
        StepForecast(
            number=step.number,
            text=step.text,
            estimate=estimator(step.demand),
            cost=expected_cost(step.demand, profile.rows),
            advice=tuple(advice_for(step.demand, estimator)),
        )
        for step in steps
    )
    run = chance_of_all([part.estimate for part in parts])
    low, high = run.interval(LEVEL)
    total = Cost()
    for part in parts:
        total += part.cost
    return Forecast(tier=tier, chance=run.mean, low=low, high=high, steps=parts, cost=total)


def chance_of_all(estimates: Iterable[Estimate]) -> Beta:
    """Return how likely it is that every step succeeds; equal estimates rest on the same measurement."""
    counts = Counter((one.mean, one.low, one.high, one.cell) for one in estimates)
    return all_of(
        (of_moments(mean, ((high - low) / _WIDTH_OF_LEVEL) ** 2), count)
        for (mean, low, high, _), count in counts.items()
    )


def expected_cost(demand: Demand, rows: Sequence[Row]) -> Cost:
    """Return what work of this kind took on average, nothing if there was none."""
    total, count = Cost(), 0
    for row in rows:
        if row.demand.kind is demand.kind:
            total, count = total + row.cost, count + row.trials
    return total.each(count) if count else total


def advice_for(demand: Demand, estimator: Estimator) -> Iterator[Advice]:
    """Yield what would help a step, the best first, as far as the same profile says that it helps."""
    now = estimator(demand).mean
    found = [Advice(what=what, chance=estimator(easier).mean) for what, easier in _easier(demand)]
    yield from sorted(
        (one for one in found if one.chance - now >= LEAST_GAIN), key=lambda one: one.chance, reverse=True
    )


def _easier(demand: Demand) -> Iterator[tuple[str, Demand]]:
    tools, values = demand.tools, demand.values
    if demand.calls > 1:
        yield (
            "split it into steps of one call each (each of them is then as likely as this)",
            replace(demand, calls=1),
        )
    if tools.count > 1:
        yield "offer one tool alone (- tools: NAME)", replace(demand, tools=replace(tools, count=1))
    if values.longest_copy_characters >= LONG_VALUE:
        shorter = replace(values, longest_copy_characters=0)
        yield "pass the long value by reference (the result of step N)", replace(demand, values=shorter)
    if values.needs_arithmetic:
        without = replace(values, needs_arithmetic=False)
        yield "let the calculator tool do the arithmetic in a step before", replace(demand, values=without)
    if values.needs_ordering:
        without = replace(values, needs_ordering=False)
        yield "let the table tool sort or compare in a step before", replace(demand, values=without)
    if tools.schema_depth > 1:
        flat = replace(tools, schema_depth=1)
        yield "use a tool with flat arguments", replace(demand, tools=flat)
