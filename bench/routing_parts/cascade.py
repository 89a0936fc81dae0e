"""Routing after the small model's answer was parsed: it is kept, or the large model is asked as well.

The answers are read by the runtime's own reader, and `nebulus.routing.keep` says how likely each is right. Its weights are
fitted here without the model and the tool sets that they are measured on; the ones it ships with are fitted on all.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from bench.calls_parts.recorded import line_of
from bench.routing_parts.before import interval
from bench.routing_parts.outcomes import Outcomes, folds, text_of
from nebulus.calls import read, tool_specs
from nebulus.calls.lines import answer_of
from nebulus.core.demand import Demand, ErrorCost, Estimate, WorkKind
from nebulus.core.routes import RoutePolicy
from nebulus.routing.answer_features import call_features, word_features
from nebulus.routing.demand import demand_of
from nebulus.routing.evidence import evidence_of
from nebulus.routing.keep import Escalate, keep_or_escalate

STRENGTH = 10.0
FOLDS = 5
NAMES = {
    "meta-llama_Meta-Llama-3-8B-Instruct": "Meta-Llama-3-8B-Instruct",
    "NousResearch_Hermes-2-Pro-Mistral-7B": "Hermes-2-Pro-Mistral-7B",
    "meetkai_functionary-small-v3.1-FC": "functionary-small-v3.1",
    "Salesforce_xLAM-1b-fc-r": "xLAM-1b-fc-r",
}
"""What the small models of the pairs are called where their raw answers are."""


@dataclass(frozen=True)
class Answer:
    """One recorded answer: what it shows, and whether it is right as it was read here and as it was scored officially."""

    model: str
    item: str
    category: str
    has_calls: bool
    shown: Mapping[str, float]
    is_right: bool
    is_officially_right: bool
    record: Mapping[str, Any]


def answers(rules: ModuleType, records: Mapping[str, Sequence[dict[str, Any]]]) -> list[Answer]:
    """Read every recorded answer."""
    return [_answer(rules, record) for split in records.values() for record in split]


def _answer(rules: ModuleType, record: dict[str, Any]) -> Answer:
    tools, text = tool_specs(record["tools"]), text_of(record)
    reading = read(answer_of(line_of(record)), tools)
    demand, evidence = demand_of(text, tools), evidence_of(reading, text, tools)
    calls = [{"name": call.tool, "arguments": call.arguments} for call in reading.calls]
    return Answer(
        model=record["model"],
        item=record["id"],
        category=record["category"],
        has_calls=bool(calls),
        shown=call_features(evidence, demand) if calls else word_features(evidence, demand),
        is_right=rules.item_ok(record, calls),
        is_officially_right=bool(record["official_ok"]),
        record={"tools": record["tools"]},
    )


def weights_of(found: Sequence[Answer]) -> dict[str, float]:
    """Fit the log-odds of being right; all of `found` have calls, or none has."""
    names = list(found[0].shown)
    values = np.array([[one.shown[name] for name in names] for one in found])
    right = np.array([float(one.is_right) for one in found])
    centre, spread = values.mean(0), values.std(0) + 1e-9
    centre[0], spread[0] = 0.0, 1.0
    scaled = (values - centre) / spread
    strength = np.full(len(names), STRENGTH)
    strength[0] = 0.01
    weights = np.zeros(len(names))
    for _ in range(30):
        rate = 1 / (1 + np.exp(-np.clip(scaled @ weights, -30, 30)))
        slope = scaled.T @ (rate - right) + strength * weights
        curvature = (scaled * (rate * (1 - rate))[:, None]).T @ scaled + np.diag(strength)
        weights = weights - np.linalg.solve(curvature, slope)
    plain = weights / spread
    plain[0] = weights[0] - float((plain[1:] * centre[1:]).sum())
    return dict(zip(names, map(float, plain), strict=True))


def shipped_weights(found: Sequence[Answer]) -> dict[str, dict[str, float]]:
    """Return the weights of `nebulus.routing.keep`, fitted on everything."""
    return {
        "calls": weights_of([one for one in found if one.has_calls]),
        "words": weights_of([one for one in found if not one.has_calls]),
    }


def chance(shown: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Return the probability that weights give to an answer, as `chance_right` does."""
    return float(1 / (1 + np.exp(-sum(weights[name] * value for name, value in shown.items()))))


def left_out(found: Sequence[Answer], model: str, *, seed: int = 0) -> dict[str, float]:
    """Return for each item of `model` the chance by weights that saw neither that model nor these tools."""
    fold = folds({one.item: one.record for one in found}, FOLDS, seed=seed)
    chances: dict[str, float] = {}
    for held in range(FOLDS):
        known = [one for one in found if one.model != model and fold[one.item] != held]
        fitted = shipped_weights(known)
        for one in found:
            if one.model == model and fold[one.item] == held:
                chances[one.item] = chance(one.shown, fitted["calls" if one.has_calls else "words"])
    return chances


def measure(
    rules: ModuleType, scorer: ModuleType, *, data: Outcomes, found: Sequence[Answer]
) -> list[dict[str, Any]]:
    """Return one row for each pair and subset: what the cascade reaches, from the repaired and from the official baseline."""
    rows = []
    for small, large in scorer.PAIRS:
        model = NAMES.get(small, small)
        mine = [
            one for one in found if one.model == model and data.rows.get(one.item, {}).get(large, "") != ""
        ]
        if not mine:
            continue
        chances = left_out(found, model)
        for subset, keep in (("all", True), ("calls", False)):
            used = [one for one in mine if keep or one.category != "relevance"]
            right = [float(one.is_right) for one in used]
            other = [float(data.rows[one.item][large]) for one in used]
            scores = [-chances[one.item] for one in used]
            curve = scorer.Curve(right, other, scores)
            official = sum(one.is_officially_right for one in used) / len(used)
            low, high = interval(scorer, right, other, scores=scores, level=0.95)
            area = (curve.apgr() or 0.0) * (curve.large - curve.small) + curve.small
            rows.append(
                {"small": small, "large": large, "items": subset, "count": len(used), "official": official}
                | scorer.report(curve)
                | {"low": low, "high": high, "apgr_official": (area - official) / (curve.large - official)}
                | {"kept_right": right_kept(right, scores, share=0.5)}
                | scorer.calibration([-score for score in scores], right)
                | {"constant": curve.small * (1 - curve.small)}
                | as_decided([chances[one.item] for one in used], right, other)
            )
    return rows


def as_decided(chances: Sequence[float], right: Sequence[float], other: Sequence[float]) -> dict[str, float]:
    """Return what the runtime's own decision reaches, by what an error costs: share of large calls, and accuracy.

    The larger tier is known by its accuracy, as a profile would say it.
    """
    mean = sum(other) / len(other)
    larger = Estimate(mean=mean, low=mean, high=mean, observations=float(len(other)))
    found = {}
    for cost in ErrorCost:
        demand = Demand(kind=WorkKind.ACT, error_cost=cost)
        up = [
            isinstance(keep_or_escalate(chance, demand, larger, policy=RoutePolicy()), Escalate)
            for chance in chances
        ]
        taken = [after if is_up else before for is_up, before, after in zip(up, right, other, strict=True)]
        found[f"{cost.value}: large calls"] = sum(up) / len(up)
        found[f"{cost.value}: accuracy"] = sum(taken) / len(taken)
    return found


def right_kept(right: Sequence[float], scores: Sequence[float], *, share: float) -> float:
    """Return which share of the right answers is sent up for nothing where `share` of all are sent up."""
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    sent = order[: int(len(order) * share)]
    return sum(right[place] for place in sent) / max(1.0, sum(right))


def bootstrap(
    values: Sequence[tuple[float, float]], scorer: ModuleType, rounds: int = 100
) -> dict[str, tuple[float, float]]:
    """Return the 95 % bootstrap intervals of Brier score and expected calibration error of (predicted, right)."""
    draw, briers, errors = random.Random(0), [], []
    for _ in range(rounds):
        pick = draw.choices(values, k=len(values))
        found = scorer.calibration([one for one, _ in pick], [other for _, other in pick])
        briers.append(found["brier"])
        errors.append(found["ece"])
    ends = int(rounds * 0.025), int(rounds * 0.975) - 1
    return {
        name: (sorted(column)[ends[0]], sorted(column)[ends[1]])
        for name, column in (("brier", briers), ("ece", errors))
    }
