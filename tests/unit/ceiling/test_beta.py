"""What is known about a rate: intervals that agree with tables, and products that agree with simulation."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.ceiling.beta import Beta, all_of, of_counts, of_moments

parameters = st.floats(0.05, 500)


@pytest.mark.parametrize(
    ("a", "b", "share", "rate"),
    [
        (1.0, 1.0, 0.3, 0.3),
        (2.0, 1.0, 0.25, 0.5),
        (1.0, 3.0, 0.875, 0.5),
        (0.5, 0.5, 0.5, 0.5),
        (0.5, 0.5, 1 / 3, 0.25),  # the arcsine distribution: 2/pi asin(sqrt(x))
        (2.0, 2.0, 0.15625, 0.25),  # 3x² - 2x³
    ],
)
def test_quantiles_agree_with_closed_forms(a: float, b: float, share: float, rate: float) -> None:
    assert Beta(a, b).quantile(share) == pytest.approx(rate, abs=1e-9)


@given(parameters, parameters, st.floats(0.01, 0.99))
def test_a_quantile_is_the_inverse_of_the_distribution(a: float, b: float, share: float) -> None:
    rate = Beta(a, b).quantile(share)
    if 1e-9 < rate < 1 - 1e-9:
        assert Beta(a, b).below(rate) == pytest.approx(share, abs=1e-6)


@given(st.integers(0, 200), st.integers(0, 200))
def test_an_interval_contains_the_rate_and_narrows_with_more_of_the_same(right: int, wrong: int) -> None:
    known = of_counts(right, right + wrong)
    low, high = known.interval()
    assert 0 <= low < known.mean < high <= 1
    more = of_counts(10 * right, 10 * (right + wrong)).interval()
    assert more[1] - more[0] <= high - low + 1e-9


@given(parameters, parameters)
def test_one_part_with_one_thing_is_that_part(a: float, b: float) -> None:
    low, high = all_of([(Beta(a, b), 1)]).interval()
    assert (low, high) == pytest.approx(Beta(a, b).interval(), abs=1e-3)


@pytest.mark.parametrize(
    "parts",
    [((9.5, 1.5, 4),), ((18.5, 2.5, 8), (5.5, 5.5, 1)), ((30.0, 2.0, 1), (12.0, 1.0, 3), (4.0, 2.0, 1))],
)
def test_the_interval_of_a_product_agrees_with_simulation(
    parts: tuple[tuple[float, float, int], ...],
) -> None:
    draw = random.Random(7)
    seen = []
    for _ in range(4000):
        value = 1.0
        for a, b, count in parts:
            value *= draw.betavariate(a, b) ** count
        seen.append(value)
    seen.sort()
    product = all_of([(Beta(a, b), count) for a, b, count in parts])
    assert product.mean == pytest.approx(sum(seen) / len(seen), abs=0.02)
    assert product.interval() == pytest.approx((seen[200], seen[3800]), abs=0.04)


def test_nothing_to_do_succeeds_for_certain() -> None:
    assert all_of([]).mean == pytest.approx(1.0, abs=1e-5)


def test_moments_that_no_distribution_has_give_the_nearest_one() -> None:
    assert 0 < of_moments(0.5, 9.0).a < 1
    assert of_moments(1.0, 0.0).mean == pytest.approx(1.0, abs=1e-5)
