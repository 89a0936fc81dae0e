"""Reading a stored result is bounded, and says what was left out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.memory.look import SHOWN_CHARS, Look, LookError, look

LINES = "\n".join(f"line number {n}" for n in range(1, 501))
ITEMS = json.dumps({"items": [{"id": f"k{n}", "note": "x" * n} for n in range(400)], "total": 400})


def test_lines_from_the_start_from_a_place_and_from_the_end() -> None:
    assert look("a\nb\nc", Look()) == "a\nb\nc\n(lines 1 to 3 of 3)"
    assert look(LINES, Look(start_line=7, line_count=2)).endswith("(lines 7 to 8 of 500)")
    assert look(LINES, Look(line_count=2, from_end=True)) == (
        "line number 499\nline number 500\n(lines 499 to 500 of 500)"
    )


def test_a_literal_search_says_where_and_how_many() -> None:
    assert look(LINES, Look(find="number 50", line_count=2)) == (
        "line 50: line number 50\nline 500: line number 500\n(2 of 2 matching lines, of 500 lines)"
    )
    assert look(LINES, Look(find=".*")).startswith("(0 of 0 matching lines")


def test_a_json_path_leads_to_one_value() -> None:
    assert look(ITEMS, Look(json_path="items[3].id")) == "k3\n(lines 1 to 1 of 1)"
    assert look(ITEMS, Look(json_path="$.items[-1].id")).startswith("k399\n")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Look(json_path="items[3].name"), "there are the keys id, note"),
        (Look(json_path="items[900]"), "there is a list of 400 items"),
        (Look(json_path="total.x"), "there is a single value"),
        (Look(start_line=9), "it has 1 lines"),
    ],
)
def test_a_missing_place_is_reported_with_what_exists(wanted: Look, said: str) -> None:
    with pytest.raises(LookError, match=said):
        look(ITEMS, wanted)


def test_a_text_that_is_not_json_says_so() -> None:
    with pytest.raises(LookError, match="not JSON"):
        look("plain", Look(json_path="a"))


def test_the_text_around_a_match_in_a_long_line_is_shown_with_the_amount_left_out() -> None:
    shown = look("a" * 5000 + "needle" + "b" * 5000, Look(find="needle"))
    assert "needle" in shown
    assert "[4880 characters] …" in shown
    assert "… [4880 characters]" in shown


def test_lines_that_do_not_fit_are_left_to_the_next_look() -> None:
    text = "\n".join("x" * 190 for _ in range(50))
    assert look(text, Look()).endswith("(lines 1 to 5 of 50)")
    assert look(text, Look(from_end=True)).endswith("(lines 46 to 50 of 50)")
    assert look(text, Look(find="x")).endswith("(5 of 50 matching lines, of 50 lines)")


@given(
    text=st.text(st.sampled_from("ab\n"), max_size=3000),
    find=st.sampled_from(["", "a", "ba"]),
    start=st.integers(1, 40),
    count=st.integers(1, 200),
    tail=st.booleans(),
)
def test_no_look_shows_more_than_its_bound(text: str, find: str, start: int, count: int, tail: bool) -> None:
    try:
        shown = look(text, Look(find=find, start_line=start, line_count=count, from_end=tail))
    except LookError:
        return
    assert len(shown) <= 2 * SHOWN_CHARS
    assert shown.splitlines()[-1].startswith("(")
