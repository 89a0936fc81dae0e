"""Passages are exact excerpts of their text, and those about what is wanted are kept."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.memory.passages import passages_of, shown_of

WORDS = st.sampled_from(["parcel", "12.50", "kg", "Anna", "x" * 900, "\n", "a.b", "é€", '{"k":', "1,2"])


@given(parts=st.lists(WORDS, max_size=400), most=st.integers(400, 3000))
def test_a_passage_is_in_the_text_where_it_says_and_never_cuts_a_word(parts: list[str], most: int) -> None:
    text = " ".join(parts)
    passages = passages_of(text, "what Anna got", most_chars=most)
    assert sum(len(piece.text) for piece in passages) <= most
    for piece in passages:
        end = piece.start + len(piece.text)
        assert text[piece.start : end] == piece.text
        assert piece.line == text.count("\n", 0, piece.start) + 1
        assert not (text[end - 1 : end].isalnum() and text[end : end + 1].isalnum())


def test_what_is_about_the_wanted_values_comes_first_and_the_beginning_takes_the_rest() -> None:
    text = "".join(f"Line {n} is plain.\n" for n in range(900)) + "The parcel went to Anna.\n"
    passages = passages_of(text, "to whom the parcel went")
    assert "The parcel went to Anna." in passages[0].text
    assert any(piece.start == 0 for piece in passages)


def test_adjacent_passages_are_joined_and_what_does_not_fit_is_counted() -> None:
    text = "".join(f"Line {n} is plain.\n" for n in range(100))
    passages = passages_of(text, "anything")
    whole = shown_of(passages, size_bytes=len(text), room_bytes=10_000)
    assert [piece.text for piece in whole.passages] == [text]
    assert whole.left_out_bytes == 0
    some = shown_of(passages, size_bytes=len(text), room_bytes=1000)
    assert some.left_out_bytes == len(text) - sum(len(piece.text) for piece in some.passages)
    assert sum(len(piece.text) for piece in some.passages) < 1000


def test_however_little_room_there_is_one_passage_is_shown() -> None:
    passages = passages_of("The parcel went to Anna.", "parcel")
    assert shown_of(passages, size_bytes=24, room_bytes=0).passages == passages


def test_a_text_that_nothing_divides_is_left_out_whole() -> None:
    assert passages_of("x" * 5000 + " the end", "end") == passages_of("x" * 5000 + " the end", "")
    (piece,) = passages_of("x" * 5000 + " the end", "end")
    assert piece.text == "the end"
