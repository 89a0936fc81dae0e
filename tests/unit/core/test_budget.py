"""What is spent only grows, and the first limit that is reached is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.answers import Usage
from nebulus.core.budget import ACTING, ASKING, Budget, Resource, Spent, exceeded
from tests.unit.core.values import any_struct

COUNT = st.integers(0, 10**6)
AMOUNT = st.floats(0, 1e6)
USAGES = st.builds(Usage, prompt_tokens=COUNT, completion_tokens=COUNT, cached_tokens=COUNT)
SPENT = st.builds(
    Spent,
    model_calls=COUNT,
    tool_calls=COUNT,
    prompt_tokens=COUNT,
    completion_tokens=COUNT,
    seconds=AMOUNT,
    usd=AMOUNT,
)
ALL: tuple[Resource, ...] = ("model_calls", "tool_calls", "tokens", "seconds", "usd")
UNLIMITED = Budget(model_calls=0, tool_calls=0)


@given(SPENT)
def test_without_limits_nothing_is_ever_exceeded(spent: Spent) -> None:
    assert exceeded(UNLIMITED, spent, ALL) == ""


@given(SPENT, USAGES, AMOUNT)
def test_an_answer_costs_one_call_and_its_tokens(spent: Spent, usage: Usage, amount: float) -> None:
    after = spent.with_answer(usage, seconds=amount, usd=amount)
    assert after.model_calls == spent.model_calls + 1
    assert after.tokens == spent.tokens + usage.prompt_tokens + usage.completion_tokens
    assert after.tool_calls == spent.tool_calls
    assert after.seconds == spent.seconds + amount
    assert after.usd == spent.usd + amount


@given(SPENT, AMOUNT)
def test_a_tool_costs_one_call_and_its_time(spent: Spent, seconds: float) -> None:
    after = spent.with_tool(seconds=seconds)
    assert after.tool_calls == spent.tool_calls + 1
    assert after.seconds == spent.seconds + seconds
    assert (after.model_calls, after.tokens, after.usd) == (spent.model_calls, spent.tokens, spent.usd)


@given(any_struct(Budget), SPENT, USAGES)
def test_what_was_exceeded_stays_exceeded(budget: Budget, spent: Spent, usage: Usage) -> None:
    if exceeded(budget, spent, ALL):
        assert exceeded(budget, spent.with_answer(usage, seconds=0, usd=0), ALL)
        assert exceeded(budget, spent.with_tool(seconds=0), ALL)


@pytest.mark.parametrize(
    ("resource", "almost", "spent"),
    [
        ("model_calls", Spent(model_calls=1), Spent(model_calls=2)),
        ("tool_calls", Spent(tool_calls=1), Spent(tool_calls=2)),
        ("tokens", Spent(prompt_tokens=1), Spent(prompt_tokens=1, completion_tokens=1)),
        ("seconds", Spent(seconds=1.9), Spent(seconds=2.0)),
        ("usd", Spent(usd=1.9), Spent(usd=2.0)),
    ],
)
def test_a_limit_is_reached_when_nothing_is_left(resource: Resource, almost: Spent, spent: Spent) -> None:
    budget = Budget(**{"model_calls": 0, "tool_calls": 0, resource: 2})
    assert exceeded(budget, almost, ALL) == ""
    assert exceeded(budget, spent, ALL) == resource


def test_the_first_resource_in_order_is_the_one_that_is_named() -> None:
    everything = Budget(model_calls=1, tool_calls=1, tokens=1, seconds=1, usd=1)
    spent = Spent(model_calls=1, tool_calls=1, prompt_tokens=1, seconds=1, usd=1)
    assert exceeded(everything, spent, ALL) == ALL[0]


def test_asking_needs_every_resource_and_acting_on_a_paid_answer_needs_no_model_call() -> None:
    assert set(ASKING) | set(ACTING) == set(ALL)
    assert exceeded(Budget(model_calls=1), Spent(model_calls=1), ASKING) == "model_calls"
    assert exceeded(Budget(model_calls=1), Spent(model_calls=1), ACTING) == ""
