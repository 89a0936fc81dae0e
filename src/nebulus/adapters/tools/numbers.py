"""Exact numbers as text: how the results of calculations and aggregates are written. Pure.

Invariant: what is written as exact is exact; anything else is rounded to `ROUNDED_DIGITS` and says so.
"""

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction

from msgspec import Struct

ROUNDED_DIGITS = 15
"""Significant digits of a rounded result: as many as a float of JSON gives back unchanged."""
EXACT_DIGITS = 100
"""The longest number that is written in full."""
_PLAIN_EXPONENTS = range(-12, 21)
"""Powers of ten between which a rounded number is written without an exponent."""


class Written(Struct, frozen=True):
    """A number as text, and whether that text is exactly the number."""

    text: str
    is_exact: bool = True

    @property
    def scalar(self) -> int | float | str:
        """The number as JSON can give it back unchanged: a number where that is possible, else its text."""
        if self.text.removeprefix("-").isdigit():
            return int(self.text)
        number = float(self.text)
        return number if Decimal(repr(number)) == Decimal(self.text) else self.text


def written(value: Fraction, *, is_exact: bool = True) -> Written:
    """Return `value` as decimal text, exactly where its digits end and are at most `EXACT_DIGITS`.

    A value that is not exact itself is rounded in any case.
    """
    if is_exact:
        whole = _all_digits(value)
        if whole is not None:
            return Written(whole)
    return Written(_rounded(value), is_exact=False)


def decimal_of(value: Fraction, digits: int) -> Decimal:
    """Return `value` rounded to `digits` significant digits."""
    context = Context(prec=digits, Emax=MAX_EMAX, Emin=MIN_EMIN)
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))


def _all_digits(value: Fraction) -> str | None:
    """The decimal expansion of `value`; None if it never ends, or is too long."""
    places, rest = 0, value.denominator
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest //= prime
            count += 1
        places = max(places, count)
    if rest != 1 or places > EXACT_DIGITS:
        return None
    digits = abs(value.numerator) * 10**places // value.denominator
    if digits >= 10**EXACT_DIGITS:
        return None
    text = str(digits).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{text[:-places]}.{text[-places:]}" if places else f"{sign}{text}"


def _rounded(value: Fraction) -> str:
    number = decimal_of(value, ROUNDED_DIGITS)
    if number and number.adjusted() not in _PLAIN_EXPONENTS:
        return f"{number.normalize(Context(prec=ROUNDED_DIGITS)):e}"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
