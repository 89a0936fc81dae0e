"""A JSON value reads the same wherever in a text it is."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nebulus.calls.literal import strict_value

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@example(value=-1.3407807929942591e154, is_ascii=False, filler=4068)
@given(value=VALUES, is_ascii=st.booleans(), filler=st.integers(4060, 4110))
def test_a_value_far_inside_a_text_is_the_value_at_its_front(value, is_ascii, filler) -> None:  # type: ignore[no-untyped-def]
    written = json.dumps(["x" * filler, value, {"last": value}], ensure_ascii=is_ascii)
    near, far = strict_value(written + " <"), strict_value("-" * 9000 + written + " <", 9000)
    assert near is not None
    assert far is not None
    assert (far.value, far.end) == (near.value, near.end + 9000)


@pytest.mark.parametrize("damage", ['"open', "[1, 2", '{"a": tru}', '{"a": 1, "a": 2}', '["\\q"]', "[NaN]"])
@pytest.mark.parametrize("filler", [0, 4080, 40_000])
def test_what_is_no_json_is_none_far_inside_a_text_too(damage: str, filler: int) -> None:
    assert strict_value("-" * 9000 + f'["{"x" * filler}", {damage}', 9000) is None
