"""Whether a parsed answer is kept, or the step goes to a larger tier: by what the answer shows of itself.

It moves a step to another model and nothing else: it refuses no call, and where no larger tier promises more, the answer
is kept. Its weights are those that were measured; how often it sends a right answer up is in docs/measured/routing.md.
"""

import math
from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from nebulus.core.demand import Demand, Estimate
from nebulus.core.routes import RoutePolicy
from nebulus.routing.answer_features import call_features, word_features
from nebulus.routing.evidence import AnswerEvidence

CALL_WEIGHTS = {
    "always": -2.63,
    "calls": 0.54,
    "one call of several parts": -0.57,
    "repeated call": -6.56,
    "whole answer": 0.24,
    "edits": -0.10,
    "tool name in text": 0.65,
    "text explained": 2.12,
    "other tool fits better": -0.13,
    "share found": 2.40,
    "required not found": 0.07,
    "optional given": -0.55,
    "optional not found": -1.38,
    "optional left out": -1.18,
    "empty": -1.30,
    "numbers unused": -0.82,
    "words unused": -0.11,
    "optional arguments": 0.76,
    "list": -0.06,
    "code": 0.85,
    "facts": 0.46,
}
WORD_WEIGHTS = {
    "always": 3.53,
    "unconfirmed": -1.89,
    "invalid arguments": -1.82,
    "unknown tool": 0.45,
    "misread": -2.07,
    "tool name in text": -4.98,
    "text explained": -0.11,
}
"""Log-odds that an answer is right, by what it shows.

Source: logistic regression on 5,578 recorded answers of seven models of 1B to 8B parameters, `bench/routing.py weights`.
The number of tools is left out on purpose: in that material, only prompts with one tool want no call.
"""


class Keep(Struct, frozen=True):
    """The answer is used."""

    chance: float
    reason: str


class Escalate(Struct, frozen=True):
    """A larger tier is asked."""

    chance: float
    reason: str


Decision: TypeAlias = Keep | Escalate


def chance_right(
    evidence: AnswerEvidence,
    demand: Demand,
    *,
    call_weights: Mapping[str, float] = CALL_WEIGHTS,
    word_weights: Mapping[str, float] = WORD_WEIGHTS,
) -> float:
    """Return how likely it is that an answer with this evidence is right, whichever small model wrote it."""
    shown, weights = (
        (call_features(evidence, demand), call_weights)
        if evidence.calls
        else (word_features(evidence, demand), word_weights)
    )
    return 1 / (1 + math.exp(-sum(weights[name] * value for name, value in shown.items())))


def keep_or_escalate(
    chance: float, demand: Demand, larger: Estimate | None, *, policy: RoutePolicy
) -> Decision:
    """Return whether an answer that is right with probability `chance` is kept.

    `larger` is the estimate of the next tier; None where there is none, or nothing was measured about it.
    """
    needed = policy.needed.get(demand.error_cost, 0.0)
    if chance >= needed:
        return Keep(chance, f"the answer is right with {chance:.0%}, and {needed:.0%} is enough")
    if larger is None:
        return Keep(
            chance, f"the answer is right with {chance:.0%} only, and nothing is known of a larger tier"
        )
    if larger.mean <= chance:
        return Keep(
            chance, f"the answer is right with {chance:.0%}, and the next tier with {larger.mean:.0%} at best"
        )
    return Escalate(
        chance, f"the answer is right with {chance:.0%} only, the next tier with {larger.mean:.0%}"
    )
