"""A value is in a text only as a whole, for every principle that asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.text import stands_in


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
        ("notes.txt", "path=notes.txt"),
        ("Oslo", "to:Oslo"),
        ("Apple", "10 shares of Apple's stock"),
        ("Apple", "Apple’s stock"),
        ("15th October", "from 15th October,2023"),
        ("foo", "foo,bar"),
        ("bar", "foo,bar"),
        ("123", "issue #123"),
        ("x.txt", "look at ...x.txt"),
        ("a.b", "a.b a.b"),
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
        ("10", "at 10:30"),
        ("30", "at 10:30"),
        ("200", "pay 1,200 euros"),
        ("example.com", "http://example.com:8080/"),
        ("O", "O'Brien"),
        ("is", "bob's"),
        (float("nan"), "nan"),
        (float("inf"), "9" * 400),
    ],
)
def test_a_piece_a_look_alike_or_nothing_is_not_found(value: str | float, text: str) -> None:
    assert not stands_in(value, text)


WORDS = st.text(alphabet=st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)


@given(WORDS, WORDS)
def test_a_word_stands_between_blanks_and_never_within_another(word: str, other: str) -> None:
    assert stands_in(word, f"{other} {word} {other}")
    assert not stands_in(word, f"0{word}0")


def test_a_text_that_repeats_itself_is_searched_a_bounded_number_of_times() -> None:
    class Counted(str):
        searches = 0

        def find(self, *args: object) -> int:
            Counted.searches += 1
            return super().find(*args)  # type: ignore[arg-type]

    assert not stands_in("a" * 8_000, Counted("a" * 16_000))
    assert Counted.searches < 1000
