"""A tool's declaration decides what may be done after a crash; a tier's, what an answer costs."""

import pytest

from nebulus.core.tiers import Tier
from nebulus.core.tools import Effect, ToolSpec


@pytest.mark.parametrize("effect", Effect)
def test_a_call_that_may_have_happened_is_repeated_only_if_it_reads_or_takes_our_key(effect: Effect) -> None:
    assert ToolSpec(name="t", effect=effect).is_repeatable == (effect is Effect.READ)
    assert ToolSpec(name="t", effect=effect, is_idempotent=True).is_repeatable


def test_two_tools_never_share_a_schema_by_accident() -> None:
    one, other = ToolSpec(name="one"), ToolSpec(name="other")
    assert one.parameters == {"type": "object", "properties": {}}
    assert one.parameters is not other.parameters


def test_an_answer_costs_its_tokens_at_the_prices_per_million() -> None:
    tier = Tier(name="large", window_tokens=8192, price_in_usd=2.0, price_out_usd=8.0)
    assert tier.cost_usd(1_000_000, 0) == 2.0
    assert tier.cost_usd(0, 500_000) == 4.0
    assert Tier(name="local", window_tokens=8192).cost_usd(10**9, 10**9) == 0.0
