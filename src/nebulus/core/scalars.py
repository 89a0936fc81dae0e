"""Values that a record can contain as they are: text, finite numbers, truth values."""

import math
from typing import TypeAlias

from nebulus.core.text import clean

Scalar: TypeAlias = str | int | float | bool

WIDEST_BITS = 1024
"""The largest whole number that is recorded; far above any identifier, and quick to write in decimal."""


def scalar_of(value: object) -> Scalar | None:
    """Return `value` as a plain scalar that JSON gives back unchanged, None if it is not one.

    Members of subclasses (enumerations, numbers of numpy) become plain; text is made clean. NaN, infinity,
    dictionaries, lists, bytes, decimals and None are not scalars.
    """
    match value:
        case bool():
            return value
        case int():
            return int(value) if int(value).bit_length() <= WIDEST_BITS else None
        case float():
            return float(value) if math.isfinite(value) else None
        case str():
            return clean(str.__str__(value))
        case _:
            return None
