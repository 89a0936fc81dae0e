"""A value is endorsed only by a text that holds it whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.guard.endorse import leaves, says_nothing, stands_in


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("bob@example.com", "Mail it to bob@example.com."),
        ("bob@example.com", "Mail (bob@example.com), please"),
        ("docs/a.txt", "Delete `docs/a.txt`, nothing else"),
        ("two words", "write two\n  words there"),
        (50, "pay 50 euros"),
        (50.0, "pay 50.00 euros"),
        (1200, "pay 1,200 euros"),
        (-3, "add -3 to it"),
        ("Alice", "to: Alice; now"),
    ],
)
def test_what_the_text_holds_whole_is_found(value: str | float, text: str) -> None:
    assert stands_in(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("example.com", "Mail it to bob@example.com."),
        ("bob", "Mail it to bob@example.com."),
        ("a.txt", "Delete docs/a.txt"),
        ("docs", "Delete docs/a.txt"),
        ("alice", "to Alice"),
        ("ａlice", "to alice"),
        ("alice\u200b", "to alice"),
        ("2024", "on 2024-05-01"),
        (50, "pay 500 euros"),
        (5, "pay 2.5 euros"),
        (200, "pay 1,200 euros"),
        (50, "take 50% of it"),
        (True, "set it to true"),
        ("", "anything"),
        (" ", "any thing"),
        ("bob ", "pay bob 20"),
        ("bob ", "pay bob  now"),
        ("two  words", "write two words"),
        ("mail", "an e-mail"),
    ],
)
def test_a_piece_a_look_alike_or_nothing_is_not_found(value: str | float, text: str) -> None:
    assert not stands_in(value, text)


WORDS = st.text(alphabet=st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)


@given(WORDS, WORDS)
def test_a_word_stands_between_blanks_and_never_within_another(word: str, other: str) -> None:
    assert stands_in(word, f"{other} {word} {other}")
    assert not stands_in(word, f"0{word}0")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_the_leaves_of_a_value_are_all_its_scalars(value: object) -> None:
    assert all(not isinstance(leaf, list | dict) for leaf in leaves(value))
    assert says_nothing(value) == (value is None or value in ("", [], {}))
