"""A forecast: how likely a run ends right on a model, from the profile of the model and the demands of its steps.

Invariants: a forecast is made of measured outcomes alone; what was not measured is said, never filled in; steps are taken
to fail independently, but those that rest on the same measurement share its uncertainty.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import mul

from msgspec import Struct
from msgspec.structs import replace

from nebulus.ceiling.estimate import SuccessModel, fit
from nebulus.ceiling.features import features
from nebulus.ceiling.profile import AgeOf, Cost, Profile, Row, coarse
from nebulus.core.demand import AnswerCost, Demand, Estimate, Skill

_END_OF_LEVEL = 1.6448536269514722
"""Where the interval that contains the truth nine times in ten ends, in standard deviations of a normal distribution."""
_GRID = tuple(step / 10 for step in range(-40, 41))
WEAKEST_SHOWN = 3
LEAST_GAIN = 0.03
"""What would help less than this is not mentioned."""
LONG_VALUE = 64


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
    tier: str = ""
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


class MeasuredTier(Struct, frozen=True, kw_only=True):
    """A tier with the profile of its model."""

    name: str
    profile: Profile


def forecast(tier: str, steps: Sequence[PlannedStep], profile: Profile, *, today: str = "") -> Forecast:
    """Return how likely a run of `steps` ends right on `tier`, whose model has `profile`.

    With `today` (YYYY-MM-DD), what was seen in runs long ago counts less.
    """
    measured = MeasuredTier(name=tier, profile=profile)
    return forecast_mix(tier, [(step, measured) for step in steps], today=today)


def forecast_mix(name: str, work: Sequence[tuple[PlannedStep, MeasuredTier]], *, today: str = "") -> Forecast:
    """Return how likely a run ends right of which each step is done by the tier that is given with it.

    That a step which fails is given to a larger tier is not in it: such a run does better than its forecast.
    """
    tiers = {tier.name: tier for _, tier in work}
    models = {one: fit(tier.profile.trials(age_days=AgeOf(today))) for one, tier in tiers.items()}
    known = [(coarse(step.demand), models[tier.name]) for step, tier in work]
    parts = tuple(
        StepForecast(
            number=step.number,
            text=step.text,
            tier=tier.name,
            estimate=model.estimate(demand),
            cost=expected_cost(demand, tier.profile.rows),
            advice=tuple(advice_for(demand, model)),
        )
        for (step, tier), (demand, model) in zip(work, known, strict=True)
    )
    chance, low, high = chance_of_all(known)
    total = Cost()
    for part in parts:
        total += part.cost
    return Forecast(tier=name, chance=chance, low=low, high=high, steps=parts, cost=total)


def skill_of(profile: Profile, *, today: str = "") -> Skill:
    """Return what `profile` says about its model: how likely it meets a demand, and what an answer takes.

    With `today` (YYYY-MM-DD), what was seen in runs long ago counts less.
    """
    model = fit(profile.trials(age_days=AgeOf(today)))

    def answer_cost(demand: Demand) -> AnswerCost:
        total = _total_cost(demand, profile.rows)[0]
        if not total.answers:
            return AnswerCost()
        return AnswerCost(
            completion_tokens=round(total.completion_tokens / total.answers),
            seconds=total.seconds / total.answers,
        )

    @lru_cache(maxsize=1024)
    def estimate(demand: Demand) -> Estimate:
        return model.estimate(coarse(demand))

    return Skill(estimate=estimate, answer_cost=lru_cache(maxsize=1024)(answer_cost))


def chance_of_all(work: Sequence[tuple[Demand, SuccessModel]]) -> tuple[float, float, float]:
    """Return how likely it is that all demands are met, each by its model, and the ends of the interval of that.

    Steps share what is unknown about a model, so the chances of those that one model does rise and fall together: the weights
    of all models are moved along the direction in which the chance of the whole changes most; what is left over widens each
    step alone. What is unknown about two models is independent.
    """
    known = [(features(demand), model) for demand, model in work]
    odds = [sum(map(mul, model.weights, values)) for values, model in known]
    moved = _moved(known, odds)
    length = math.sqrt(
        sum(
            _rate(-odd) * sum(map(mul, values, moved[id(model)]))
            for odd, (values, model) in zip(odds, known, strict=True)
        )
    )
    if length == 0.0:
        return 1.0, 1.0, 1.0
    shifts = [sum(map(mul, values, moved[id(model)])) / length for values, model in known]
    damping = [
        math.sqrt(1 + math.pi * max(0.0, model.variance(values) - shift * shift) / 8)
        for (values, model), shift in zip(known, shifts, strict=True)
    ]

    def at(place: float) -> float:
        parts = zip(odds, shifts, damping, strict=True)
        return float(math.prod(_rate((odd + place * shift) / damp) for odd, shift, damp in parts))

    weights = [math.exp(-place * place / 2) for place in _GRID]
    mean = sum(weight * at(place) for weight, place in zip(weights, _GRID, strict=True)) / sum(weights)
    ends = (at(-_END_OF_LEVEL), at(_END_OF_LEVEL))
    return mean, min(ends), max(ends)


def _moved(
    known: Sequence[tuple[Sequence[float], SuccessModel]], odds: Sequence[float]
) -> dict[int, list[float]]:
    """Return, for each model, its covariance times the gradient of the logarithm of the whole chance by its weights."""
    slopes: dict[int, list[float]] = {}
    for odd, (values, model) in zip(odds, known, strict=True):
        slope = slopes.setdefault(id(model), [0.0] * len(model.weights))
        for place, value in enumerate(values):
            slope[place] += _rate(-odd) * value
    models = {id(model): model for _, model in known}
    return {
        name: [sum(map(mul, row, slope)) for row in models[name].covariance] for name, slope in slopes.items()
    }


def _rate(log_odds: float) -> float:
    return 1 / (1 + math.exp(-min(30.0, max(-30.0, log_odds))))


def expected_cost(demand: Demand, rows: Sequence[Row]) -> Cost:
    """Return what work of this kind took on average, nothing if there was none."""
    total, count = _total_cost(demand, rows)
    return total.each(count) if count else total


def _total_cost(demand: Demand, rows: Sequence[Row]) -> tuple[Cost, int]:
    total, count = Cost(), 0
    for row in rows:
        if row.demand.kind is demand.kind and row.cost.answers:
            total, count = total + row.cost, count + row.trials
    return total, count


def advice_for(demand: Demand, model: SuccessModel) -> Iterator[Advice]:
    """Yield what would help a step, the best first, as far as the same profile says that it helps."""
    now = model.estimate(demand).mean
    found = [Advice(what=what, chance=model.estimate(easier).mean) for what, easier in _easier(demand)]
    yield from sorted(
        (one for one in found if one.chance - now >= LEAST_GAIN), key=lambda one: one.chance, reverse=True
    )


def _easier(demand: Demand) -> Iterator[tuple[str, Demand]]:
    tools, values = demand.tools, demand.values
    if demand.calls > 1:
        yield "split it into steps of one call each, each of which is then", replace(demand, calls=1)
    if tools.count > 1:
        yield "offer one tool alone (- tools: NAME)", replace(demand, tools=replace(tools, count=1))
    if values.longest_copy_characters >= LONG_VALUE:
        shorter = replace(values, longest_copy_characters=16)
        yield "pass the long value by reference (the result of step N)", replace(demand, values=shorter)
    if values.needs_arithmetic:
        without = replace(values, needs_arithmetic=False)
        yield "let the calculator do the arithmetic in a step before", replace(demand, values=without)
    if values.needs_ordering:
        without = replace(values, needs_ordering=False)
        yield "let the table tool sort or compare in a step before", replace(demand, values=without)
    if tools.schema_depth > 1:
        yield "use a tool with flat arguments", replace(demand, tools=replace(tools, schema_depth=1))
