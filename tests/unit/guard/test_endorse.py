"""Every scalar of an argument must be endorsed."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.guard.endorse import is_blank, leaves


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_the_leaves_of_a_value_are_all_its_scalars(value: object) -> None:
    assert all(not isinstance(leaf, list | dict) for leaf in leaves(value))
    assert is_blank(value) == (value is None or value in ("", [], {}))
