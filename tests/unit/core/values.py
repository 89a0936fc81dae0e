"""Any value of a frozen struct, for properties: built from the struct's own declaration."""

import types
import typing
from decimal import Decimal
from enum import Enum
from typing import Any, get_args, get_origin

import msgspec
from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    Any: JSON,
    str: TEXT,
    int: st.integers(-(2**63), 2**63 - 1),
    float: NUMBER,
    bool: st.booleans(),
    type(None): st.none(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-1000, max_value=1000),
}


def any_of(declared: Any) -> st.SearchStrategy[Any]:
    """Draw any value of a declared type: a struct, an enum, a literal, a union, a tuple, a dict, a scalar."""
    if declared in PLAIN:
        return PLAIN[declared]
    arguments = get_args(declared)
    match get_origin(declared):
        case typing.Literal:
            return st.sampled_from(arguments)
        case types.UnionType | typing.Union:
            return st.one_of([any_of(argument) for argument in arguments])
        case origin if origin is tuple:
            if Ellipsis not in arguments:
                return st.tuples(*map(any_of, arguments))
            return st.lists(any_of(arguments[0]), max_size=3).map(tuple)
        case origin if origin is frozenset:
            return st.frozensets(any_of(arguments[0]), max_size=3)
        case origin if origin is dict:
            return st.dictionaries(any_of(arguments[0]), any_of(arguments[1]), max_size=3)
    if issubclass(declared, Enum):
        return st.sampled_from(list(declared))
    return st.deferred(lambda: any_struct(declared))


def any_struct(declared: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Draw any value of a struct, each field of its declared type."""
    return st.builds(
        declared, **{field.name: any_of(field.type) for field in msgspec.structs.fields(declared)}
    )
