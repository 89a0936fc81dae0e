"""How well the probability of success is calibrated, from a probe of at most 100 items of a model that was left out."""

import random
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from bench.routing_parts.before import by_fold
from bench.routing_parts.cascade import Answer, bootstrap, left_out
from bench.routing_parts.outcomes import Outcomes, folds
from nebulus.ceiling.estimate import NO_EFFECT, Prior, fit, prior_of
from nebulus.ceiling.features import cells
from nebulus.core.demand import Demand, Trial

PROBE = 100
STRENGTH = 8.0
"""Trials that a coarser cell counts for, in the peer that keeps one Beta posterior for each cell."""


def by_cells(trials: Sequence[Trial], demand: Demand) -> float:
    """Return the rate of the finest cell, shrunk step by step from coarser ones: the peer of the regression."""
    rate = 0.5
    for cell in reversed(list(cells(demand))):
        inside = [trial for trial in trials if cell in cells(trial.demand)]
        strength = 2.0 if cell == "all" else STRENGTH
        rate = (strength * rate + sum(trial.is_right for trial in inside)) / (strength + len(inside))
    return rate


def measure(
    scorer: ModuleType, data: Outcomes, models: Sequence[str], *, seed: int = 0
) -> list[dict[str, Any]]:
    """Return one row for each model: Brier score and calibration error before asking, by three estimators.

    Half of the tool sets is for the probe and for what other bases did; the other half is predicted, and the reverse.
    """
    fold = folds(data.items, 2, seed=seed)
    halves = {held: [one for one in data.items if fold[one] != held] for held in (0, 1)}
    fitted = by_fold(data, 2, seed=seed)
    rows = []
    for model in models:
        predicted: dict[str, list[tuple[float, float]]] = {
            "regression": [],
            "regression, prior": [],
            "cells": [],
        }
        for held, seen in halves.items():
            others = [
                known
                for (other, half), known in fitted.items()
                if half == held and data.base_models[other] != data.base_models[model]
            ]
            probe = data.trials(model, random.Random(seed).sample(seen, PROBE))
            priors: Mapping[str, Prior] = {"regression": NO_EFFECT, "regression, prior": prior_of(others)}
            known = {name: fit(probe, prior=prior) for name, prior in priors.items()}
            for one in data.items:
                if fold[one] != held or data.rows[one][model] == "":
                    continue
                right, demand = float(data.rows[one][model]), data.demands[one]
                for name, estimator in known.items():
                    predicted[name].append((estimator.estimate(demand).mean, right))
                predicted["cells"].append((by_cells(probe, demand), right))
        rows += [_row(scorer, model, name, pairs=pairs) for name, pairs in predicted.items()]
    return rows


def after_parsing(scorer: ModuleType, found: Sequence[Answer]) -> list[dict[str, Any]]:
    """Return one row for each model whose answers were read: calibration by evidence, without any trial of that model."""
    rows = []
    for model in sorted({one.model for one in found}):
        chances = left_out(found, model)
        pairs = [(chances[one.item], float(one.is_right)) for one in found if one.model == model]
        rows.append(_row(scorer, model, "evidence", pairs=pairs))
    return rows


def _row(scorer: ModuleType, model: str, name: str, *, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    rate = sum(right for _, right in pairs) / len(pairs)
    found = scorer.calibration([one for one, _ in pairs], [right for _, right in pairs])
    intervals = bootstrap(pairs, scorer)
    constant = rate * (1 - rate)
    return {
        "model": model,
        "estimator": name,
        "right": rate,
        "constant": constant,
        "brier": found["brier"],
        "brier_interval": intervals["brier"],
        "ece": found["ece"],
        "ece_interval": intervals["ece"],
        "gain": 1 - found["brier"] / constant,
    }
