"""Beta distributions: what is known about a rate, its intervals, and what follows for several things that must all succeed."""

import math
from collections.abc import Iterable

from msgspec import Struct

_ROUNDS = 300
_TINY = 1e-300
_EXACT = 1e-12
LEAST = 1e-6
"""The smallest parameter: below it, a distribution is a point for all practical purposes."""


class Beta(Struct, frozen=True):
    """A Beta distribution with parameters `a` and `b`, both greater than 0."""

    a: float
    b: float

    @property
    def mean(self) -> float:
        """The expected rate."""
        return self.a / (self.a + self.b)

    def moment(self, power: int) -> float:
        """Return the expected value of the rate to the power of `power`: how likely so many successes in a row are."""
        return math.prod((self.a + step) / (self.a + self.b + step) for step in range(power))

    def below(self, rate: float) -> float:
        """Return how likely it is that the true rate is below `rate`.

        Source: the continued fraction of the incomplete beta function, DLMF 8.17.22, evaluated by Lentz's method.
        """
        if rate <= 0.0 or rate >= 1.0:
            return float(rate >= 1.0)
        a, b = self.a, self.b
        log_front = (
            math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(rate) + b * math.log1p(-rate)
        )
        if rate < (a + 1) / (a + b + 2):
            return math.exp(log_front) * _fraction(a, b, rate) / a
        return 1.0 - math.exp(log_front) * _fraction(b, a, 1.0 - rate) / b

    def quantile(self, share: float) -> float:
        """Return the rate that the true one is below with probability `share`."""
        low, high = 0.0, 1.0
        while high - low > _EXACT * max(high, _EXACT):
            middle = (low + high) / 2
            if middle in (low, high):
                break
            low, high = (middle, high) if self.below(middle) < share else (low, middle)
        return (low + high) / 2

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """Return the ends of the central interval that contains the rate with probability `level`."""
        return self.quantile((1 - level) / 2), self.quantile((1 + level) / 2)


def of_counts(right: float, trials: float) -> Beta:
    """Return what `right` successes in `trials` say about a rate, with Jeffreys' prior.

    Source: Brown, Cai and DasGupta 2001, doi:10.1214/ss/1009213286, section 3.1.3.
    """
    return Beta(right + 0.5, trials - right + 0.5)


def of_moments(mean: float, variance: float) -> Beta:
    """Return the distribution with this mean and variance, the nearest one where none has them."""
    mean = min(max(mean, LEAST), 1 - LEAST)
    total = mean * (1 - mean) / max(variance, _TINY) - 1
    total = min(max(total, LEAST), 1e9)
    return Beta(max(mean * total, LEAST), max((1 - mean) * total, LEAST))


def all_of(parts: Iterable[tuple[Beta, int]]) -> Beta:
    """Return how likely it is that everything succeeds: of each part, so many things with the same unknown rate.

    The first two moments of the product are exact if the parts are independent; its form is approximated by that of a Beta
    distribution, which is exact for one part with one thing.
    """
    first = second = 1.0
    for part, count in parts:
        first *= part.moment(count)
        second *= part.moment(2 * count)
    return of_moments(first, second - first * first)


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1.0 / _apart(1.0 - (a + b) * x / (a + 1))
    value = d
    for step in range(1, _ROUNDS):
        for term in (
            step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step)),
            -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1)),
        ):
            d = 1.0 / _apart(1.0 + term * d)
            c = _apart(1.0 + term / c)
            value *= c * d
        if abs(c * d - 1.0) < _EXACT:
            break
    return value


def _apart(value: float) -> float:
    """Return `value`, moved away from 0, by which it will be divided."""
    return value if abs(value) > _TINY else _TINY
