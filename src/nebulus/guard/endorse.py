"""The scalars of a JSON value, each of which must be endorsed by a text that contains it (`core.text`)."""

from collections.abc import Iterator
from typing import Any

from nebulus.core.text import Scalar


def leaves(value: Any) -> Iterator[Scalar]:
    """Return the scalars in a JSON value, the keys of its objects among them."""
    match value:
        case dict():
            for key, inner in value.items():
                yield str(key)
                yield from leaves(inner)
        case list() | tuple():
            for inner in value:
                yield from leaves(inner)
        case _:
            yield value


def is_blank(value: Any) -> bool:
    """Whether a JSON value is null or empty."""
    return value is None or value in ("", [], {})
