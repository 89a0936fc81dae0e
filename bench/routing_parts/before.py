"""Routing before any model was asked: by the demand of an item and what was measured of both models."""

import json
import random
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from bench.routing_parts.outcomes import Outcomes, folds, text_of
from nebulus.ceiling.estimate import NO_EFFECT, Prior, SuccessModel, fit, prior_of
from nebulus.core.demand import Estimate

Pair: TypeAlias = tuple[str, str]
Estimates: TypeAlias = dict[str, Estimate]
Fitted: TypeAlias = dict[tuple[str, int], SuccessModel]
FOLDS = 5
INNER_FOLDS = 3
ROUNDS = 100
LITELLM = """
import json, sys, warnings
warnings.simplefilter("ignore")
from litellm import Router
from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter
names = ("small", "large")
inner = Router(model_list=[{"model_name": n, "litellm_params": {"model": "openai/x", "api_key": "-"}} for n in names])
tiers = {"SIMPLE": "small", "MEDIUM": "small", "COMPLEX": "large", "REASONING": "large"}
router = ComplexityRouter(
    model_name="auto", litellm_router_instance=inner, complexity_router_config={"tiers": tiers}
)
print("SCORES" + json.dumps([router.classify(text)[1] for text in json.load(sys.stdin)]))
"""


def cross_validated(
    data: Outcomes, model: str, *, seed: int = 0, count: int = FOLDS, priors: Sequence[Prior] = ()
) -> Estimates:
    """Return an estimate for each item, from the model's trials with other tool sets; `priors` has one for each fold."""
    fold = folds(data.items, count, seed=seed)
    found: Estimates = {}
    for held in range(count):
        known = fit(
            data.trials(model, (one for one in data.items if fold[one] != held)),
            prior=priors[held] if priors else NO_EFFECT,
        )
        found |= {one: known.estimate(data.demands[one]) for one in data.items if fold[one] == held}
    return found


def by_fold(data: Outcomes, count: int, *, seed: int = 0) -> Fitted:
    """Return what the trials of every model outside of a fold say; the key names the fold that was left out."""
    fold = folds(data.items, count, seed=seed)
    return {
        (model, held): fit(data.trials(model, (one for one in data.items if fold[one] != held)))
        for model in data.base_models
        for held in range(count)
    }


def prior_without(data: Outcomes, fitted: Fitted, held: int, *, pair: Sequence[str]) -> Prior:
    """Return what models with other bases than those of `pair` did outside of a fold."""
    bases = {data.base_models[model] for model in pair}
    others = [model for model, base in data.base_models.items() if base not in bases]
    return prior_of([fitted[model, held] for model in others])


def from_probe(
    data: Outcomes, pair: Pair, halves: Fitted, *, trials: int = 100, seed: int = 0
) -> tuple[Estimates, Estimates]:
    """Return estimates of both models from `trials` items each, and from what models with other bases did with these folds.

    No estimate of an item saw that item, or one with its tools, from any model.
    """
    fold = folds(data.items, 2, seed=seed)
    found: tuple[Estimates, Estimates] = ({}, {})
    for held in (0, 1):
        seen = [one for one in data.items if fold[one] != held]
        prior = prior_without(data, halves, held, pair=pair)
        probe = random.Random(seed).sample(seen, min(trials, len(seen)))
        for model, estimates in zip(pair, found, strict=True):
            known: SuccessModel = fit(data.trials(model, probe), prior=prior)
            estimates |= {one: known.estimate(data.demands[one]) for one in data.items if fold[one] == held}
    return found


def inner_estimates(data: Outcomes, model: str) -> list[Estimates]:
    """Return, for each fold that is left out, the model's estimates cross-validated on the rest."""
    fold, found = folds(data.items, FOLDS), []
    for held in range(FOLDS):
        seen = {one: item for one, item in data.items.items() if fold[one] != held}
        inner = Outcomes(seen, {one: data.rows[one] for one in seen}, data.demands, data.base_models)
        found.append(cross_validated(inner, model, seed=held + 1, count=INNER_FOLDS))
    return found


def beats_chance(
    data: Outcomes, scorer: ModuleType, *, pair: Pair, inner: Mapping[str, list[Estimates]]
) -> tuple[int, float]:
    """Return in how many folds the router itself expects to beat chance, and the mean lower bound of that.

    Only items outside of a fold are looked at: the router is cross-validated on them, and an interval of 90 % is drawn.
    """
    said, bounds = 0, []
    for small, large in zip(*(inner[model] for model in pair), strict=True):
        names, right_small, right_large = scorer.paired({one: data.rows[one] for one in small}, *pair)
        scores = [large[one].mean - small[one].mean for one in names]
        low = interval(scorer, right_small, right_large, scores=scores)[0]
        bounds.append(low)
        said += low > 0.5
    return said, sum(bounds) / len(bounds)


def interval(
    scorer: ModuleType, small: list[float], large: list[float], *, scores: list[float], level: float = 0.9
) -> tuple[float, float]:
    """Return the bootstrap interval of the APGR."""
    draw, size, found = random.Random(0), len(small), []
    for _ in range(ROUNDS):
        pick = draw.choices(range(size), k=size)
        curve = scorer.Curve([small[k] for k in pick], [large[k] for k in pick], [scores[k] for k in pick])
        found.append(curve.apgr() or 0.0)
    found.sort()
    return found[int(ROUNDS * (1 - level) / 2)], found[int(ROUNDS * (1 + level) / 2) - 1]


def litellm_scores(python: str, texts: Sequence[str]) -> list[float]:
    """Return the scores of LiteLLM's complexity router, computed by the interpreter that has it."""
    done = subprocess.run(
        [python, "-c", LITELLM],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("SCORES"))
    scores: list[float] = json.loads(line.removeprefix("SCORES"))
    return scores


def figures(
    scorer: ModuleType,
    data: Outcomes,
    pair: Pair,
    *,
    scores: Mapping[str, float],
    keep: Callable[[str], bool],
) -> dict[str, float]:
    """Return what a ranking of items reaches: APGR with its interval, accuracy, regret, the share for the large model's."""
    names, small, large = scorer.paired(data.rows, *pair, keep)
    ranked = [scores[one] for one in names]
    found = scorer.report(scorer.Curve(small, large, ranked))
    low, high = interval(scorer, small, large, scores=ranked, level=0.95)
    return {**found, "low": low, "high": high}


def measure(scorer: ModuleType, data: Outcomes, *, litellm: str = "") -> list[dict[str, Any]]:
    """Return one row for each pair, router and subset."""
    routers: dict[str, Callable[[str], float]] = {
        "chance": lambda one: 0.0,
        "number of tools": lambda one: float(len(data.items[one]["tools"])),
        "length of the question": lambda one: float(len(text_of(data.items[one]))),
        "length of question and tools": lambda one: float(
            len(json.dumps([data.items[one]["messages"], data.items[one]["tools"]]))
        ),
    }
    if litellm:
        scores = litellm_scores(litellm, [text_of(item) for item in data.items.values()])
        table = dict(zip(data.items, scores, strict=True))
        routers["LiteLLM complexity router"] = lambda one: table[one]
    rows = []
    models = {model: cross_validated(data, model) for pair in scorer.PAIRS for model in pair}
    inner, halves = {model: inner_estimates(data, model) for model in models}, by_fold(data, 2)
    fitted = by_fold(data, FOLDS)
    for pair in scorer.PAIRS:
        small, large = (models[model] for model in pair)
        priors = [prior_without(data, fitted, held, pair=pair) for held in range(FOLDS)]
        informed = [cross_validated(data, model, priors=priors) for model in pair]
        probed = from_probe(data, pair, halves)
        ours = {
            "Nebulus, cross-validated": {one: large[one].mean - small[one].mean for one in data.items},
            "Nebulus, cross-validated, other models as prior": {
                one: informed[1][one].mean - informed[0][one].mean for one in data.items
            },
            "Nebulus, other models and a probe of 100": {
                one: probed[1][one].mean - probed[0][one].mean for one in data.items
            },
        }
        rankings = {name: {one: score(one) for one in data.items} for name, score in routers.items()} | ours
        for subset, keep in (("all", lambda _: True), ("calls", data.is_call)):
            rows += [
                {"pair": pair, "items": subset, "router": name}
                | figures(scorer, data, pair, scores=ranking, keep=keep)
                for name, ranking in rankings.items()
            ]
        said, low = beats_chance(data, scorer, pair=pair, inner=inner)
        rows.append({"pair": pair, "items": "all", "router": "says of itself", "folds": said, "low": low})
    return rows


def write_predictions(data: Outcomes, pair: Pair, path: Path) -> None:
    """Write the cross-validated scores of a pair as score_router.py reads them."""
    small, large = (cross_validated(data, model) for model in pair)
    lines = ["id,score,p_small,p_large"]
    for one in data.items:
        a, b = small[one].mean, large[one].mean
        lines.append(f"{one},{b - a:.6f},{a:.6f},{b:.6f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
