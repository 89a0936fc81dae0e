"""How likely a model is to meet a demand: from its own trials, with an interval, and from little as well as from much.

A logistic regression whose weights are shrunk towards a prior: towards no effect at all, or towards what other models
have shown (`prior_of`). What was not tried keeps the width of the prior, so an interval says how little is known. It was
chosen over one Beta posterior per cell because it forecasts better from the same trials (docs/measured/routing.md).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import itemgetter, mul

from msgspec import Struct

from nebulus.ceiling.features import NAMES, cells, features
from nebulus.core.demand import Demand, Estimate, Trial

HALF_LIFE_DAYS = 90.0
"""A trial of that age counts half: servers, templates and prompts change."""
LEVEL = 0.9
FEWEST = 3.0
"""Trials from which a group of demands counts as measured."""
UNMEASURED = "nothing measured"
_ROUNDS = 25
_CLOSE = 1e-6
_SPREAD = 0.32
"""How far from none an effect is expected to be, in log-odds, before anything was measured.

Source: the best of 0.7, 0.32 and 0.18 by cross-validation, bench/routing.py.
"""
_BASE_SPREAD = 1.8
"""The spread of the base rate: 95 % of it covers rates between 3 % and 97 %."""
_CLIP = 30.0


class Prior(Struct, frozen=True):
    """What is believed of each weight before a model was tried: mean and spread, in log-odds."""

    means: tuple[float, ...]
    spreads: tuple[float, ...]
    models: int = 0
    """How many models it was learned from; 0 for none."""


NO_EFFECT = Prior((0.0,) * len(NAMES), tuple(_BASE_SPREAD if name == "always" else _SPREAD for name in NAMES))
"""Nothing is known: any base rate, and no feature is expected to matter."""


class SuccessModel(Struct, frozen=True):
    """What the trials of one model say; made by `fit`."""

    weights: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    counts: dict[str, float]
    """How many trials each group of demands has, faded with age."""
    prior: Prior = NO_EFFECT

    def estimate(self, demand: Demand, *, level: float = LEVEL) -> Estimate:
        """Return how likely the model is to meet `demand`, with a credible interval of `level`."""
        values = features(demand)
        middle = sum(map(mul, self.weights, values))
        variance = self.variance(values)
        spread = _normal_quantile((1 + level) / 2) * math.sqrt(variance)
        cell, count = self._cell(demand)
        return Estimate(
            mean=_rate(middle / math.sqrt(1 + math.pi * variance / 8)),
            low=_rate(middle - spread),
            high=_rate(middle + spread),
            level=level,
            observations=round(count, 2),
            cell=cell,
        )

    def variance(self, values: Sequence[float]) -> float:
        """Return how uncertain the log-odds are for a demand with these `features`."""
        used = [place for place, value in enumerate(values) if value]
        if len(used) < 2:
            return sum(values[place] ** 2 * self.covariance[place][place] for place in used)
        pick = itemgetter(*used)
        picked = pick(values)
        rows = pick(self.covariance)
        return float(sum(map(mul, picked, (sum(map(mul, pick(row), picked)) for row in rows))))

    def _cell(self, demand: Demand) -> tuple[str, float]:
        """Return the finest group of demands with enough trials, and how many it has."""
        for cell in cells(demand):
            count = self.counts.get(cell, 0.0)
            if count >= FEWEST or (cell == "all" and count > 0):
                return cell, count
        return (f"{self.prior.models} other models" if self.prior.models else UNMEASURED), 0.0


def fit(
    trials: Iterable[Trial], *, prior: Prior = NO_EFFECT, half_life_days: float = HALF_LIFE_DAYS
) -> SuccessModel:
    """Return what `trials` of one model say, starting from `prior`. Order does not matter; no trial gives the prior.

    Source: Laplace approximation of Bayesian logistic regression, Bishop 2006, section 4.5.
    """
    rows: dict[tuple[float, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
    counts: dict[str, float] = defaultdict(float)
    for trial in trials:
        weight = trial.weight * 0.5 ** (max(0.0, trial.age_days) / half_life_days)
        row = rows[features(trial.demand)]
        row[0] += weight
        row[1] += weight * trial.is_right
        for cell in cells(trial.demand):
            counts[cell] += weight
    weights, curvature = _most_likely(list(rows.items()), prior)
    return SuccessModel(tuple(weights), _inverse(curvature), dict(counts), prior)


def prior_of(models: Sequence[SuccessModel]) -> Prior:
    """Return what to expect of a new model when `models` were measured: their mean weights, and how far they differ.

    The base rate stays open: models differ in it most.
    """
    if len(models) < 2:
        return NO_EFFECT
    means, spreads = [], []
    for place, name in enumerate(NAMES):
        column = [model.weights[place] for model in models]
        mean = sum(column) / len(column)
        spread = math.sqrt(sum((value - mean) ** 2 for value in column) / (len(column) - 1))
        means.append(mean)
        spreads.append(_BASE_SPREAD if name == "always" else min(_SPREAD, max(spread, _SPREAD / 4)))
    return Prior(tuple(means), tuple(spreads), len(models))


def _most_likely(
    rows: Sequence[tuple[tuple[float, ...], list[float]]], prior: Prior
) -> tuple[list[float], list[list[float]]]:
    """Return the most likely weights and the curvature there, by Newton's method."""
    weights = list(prior.means)
    precision = [1 / spread**2 for spread in prior.spreads]
    for _ in range(_ROUNDS):
        slope, curvature = _derivatives(rows, weights)
        for place, (now, mean, strength) in enumerate(zip(weights, prior.means, precision, strict=True)):
            slope[place] += strength * (now - mean)
            curvature[place][place] += strength
        step = _solve(_cholesky(curvature), slope)
        weights = [now - change for now, change in zip(weights, step, strict=True)]
        if max(map(abs, step)) < _CLOSE:
            break
    return weights, curvature


def _derivatives(
    rows: Sequence[tuple[tuple[float, ...], list[float]]], weights: list[float]
) -> tuple[list[float], list[list[float]]]:
    size = len(weights)
    slope = [0.0] * size
    curvature = [[0.0] * size for _ in range(size)]
    for values, (count, right) in rows:
        rate = _rate(sum(map(mul, weights, values)))
        error, bend = count * rate - right, count * rate * (1 - rate)
        used = [place for place, value in enumerate(values) if value]
        for index, place in enumerate(used):
            slope[place] += error * values[place]
            line, scaled = curvature[place], bend * values[place]
            for other in used[: index + 1]:
                line[other] += scaled * values[other]
    for place in range(size):
        for other in range(place):
            curvature[other][place] = curvature[place][other]
    return slope, curvature


def _cholesky(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return the lower triangle whose square is `matrix`, which a prior keeps positive definite."""
    lower: list[list[float]] = []
    for place, row in enumerate(matrix):
        line: list[float] = []
        for other in range(place + 1):
            rest = row[other] - sum(map(mul, line, lower[other] if other < place else line))
            line.append(math.sqrt(rest) if other == place else rest / lower[other][other])
        lower.append(line)
    return lower


def _solve(lower: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    forward: list[float] = []
    for line, value in zip(lower, right, strict=True):
        forward.append((value - sum(map(mul, line, forward))) / line[-1])
    found = [0.0] * len(forward)
    for place in reversed(range(len(forward))):
        rest = sum(lower[below][place] * found[below] for below in range(place + 1, len(forward)))
        found[place] = (forward[place] - rest) / lower[place][place]
    return found


def _inverse(matrix: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    lower = _cholesky(matrix)
    size = len(lower)
    units = ([float(place == row) for row in range(size)] for place in range(size))
    return tuple(tuple(_solve(lower, unit)) for unit in units)


def _rate(log_odds: float) -> float:
    return 1 / (1 + math.exp(-min(_CLIP, max(-_CLIP, log_odds))))


def _normal_quantile(share: float) -> float:
    """Return the point of the standard normal distribution below which `share` of it is."""
    if share == (1 + LEVEL) / 2:
        return 1.6448536269514722
    low, high = -9.0, 9.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 + math.erf(middle / math.sqrt(2))) / 2 < share else (low, middle)
    return (low + high) / 2
