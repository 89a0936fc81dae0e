"""Demands are plain values; what a wrong call costs follows from what its tool declares."""

import msgspec

from nebulus.core.demand import Demand, ErrorCost, ToolDemand, Trial, ValueDemand, WorkKind
from nebulus.core.tools import Effect


def test_every_effect_has_an_error_cost() -> None:
    assert {effect: ErrorCost.of(effect) for effect in Effect} == {
        Effect.READ: ErrorCost.READ,
        Effect.WRITE: ErrorCost.REVERSIBLE,
        Effect.IRREVERSIBLE: ErrorCost.IRREVERSIBLE,
        Effect.EGRESS: ErrorCost.IRREVERSIBLE,
    }


def test_a_trial_survives_being_written_as_json() -> None:
    demand = Demand(
        kind=WorkKind.ACT,
        tools=ToolDemand(count=3, schema_depth=2, required_arguments=4),
        values=ValueDemand(facts=2, longest_copy_characters=40, needs_arithmetic=True),
        error_cost=ErrorCost.REVERSIBLE,
    )
    trial = Trial(demand=demand, is_right=True, age_days=3.5)
    assert msgspec.json.decode(msgspec.json.encode(trial), type=Trial) == trial
