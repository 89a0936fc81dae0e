"""Notable values in a text are found and copied exactly, each with its place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.memory.structure import MARKS_KEPT, marks_of, shape_of

LETTER = """Order A-1234 was placed by anna.berg@example.org on 2026-11-02.
Total: 55.20 EUR
See src/app/main.py and https://x.example/a?b=1 for more (42 items).
status = open"""


def found(text: str) -> dict[str, str]:
    return {mark.name: mark.value for mark in marks_of(text)}


def test_labels_identifiers_addresses_paths_dates_and_numbers_are_found() -> None:
    assert found(LETTER) == {
        "total": "55.20 EUR",
        "status": "open",
        "id": "A-1234",
        "email": "anna.berg@example.org",
        "url": "https://x.example/a?b=1",
        "date": "2026-11-02",
        "path": "src/app/main.py",
        "number": "42",
    }


def test_a_value_says_in_which_line_it_was_and_what_was_around_it() -> None:
    by_name = {mark.name: mark.where for mark in marks_of(LETTER)}
    assert by_name["id"] == "line 1: Order A-1234 was placed by anna.berg@example.org on 2026-11-02."
    assert by_name["status"] == "line 4"


def test_the_scalars_of_json_are_named_by_their_path() -> None:
    text = json.dumps({"user": {"mail": "a@b.example", "tags": ["x", {"deep": 1}]}, "ok": True})
    assert found(text) == {
        "user.mail": "a@b.example",
        "user.tags[0]": "x",
        "user.tags[1].deep": "1",
        "ok": "true",
    }


def test_plain_words_contain_nothing_to_remember() -> None:
    assert marks_of("It went well, and nothing is left to be done.\nSee you.") == ()


def test_two_values_of_one_kind_have_two_names() -> None:
    assert found("see K1-a\nand K2-b") == {"id": "K1-a", "id 2": "K2-b"}


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ('{"a": 1, "b": 2}', "JSON object with 2 keys: a, b"),
        ('[{"a": 1}, {"a": 2}]', "JSON list of 2 objects with keys a"),
        ("[1, 2, 3]", "JSON list of 3 items"),
        ("a\nb\nc", "3 lines"),
        ("{ no json", "1 line"),
    ],
)
def test_the_shape_of_a_text_is_described_in_words(text: str, shape: str) -> None:
    assert shape_of(text) == shape


@given(text=st.text(max_size=400))
def test_every_value_is_copied_from_the_text_and_their_number_is_bounded(text: str) -> None:
    marks = marks_of(f"x {text}")
    assert len(marks) <= MARKS_KEPT
    assert all(mark.value in text for mark in marks)
    assert len({mark.name for mark in marks}) == len(marks)


@pytest.mark.parametrize("piece", ["a-", "a/", "a.b@", "1,", "a1", "[", "A b ", "http://", "\t>", "a: \n"])
def test_no_text_makes_it_fail(piece: str) -> None:
    assert len(marks_of(piece * 20_000)) <= MARKS_KEPT
    assert shape_of(piece * 20_000)


def test_what_is_labelled_with_a_wanted_name_is_kept_however_many_labels_come_before_it() -> None:
    text = "\n".join(f"Label{n:02}: {n}" for n in range(40))
    assert "label39" not in {mark.name for mark in marks_of(text)}
    assert marks_of(text, first=("label39",))[0].value == "39"
    rows = '{"rows": [' + ",".join(f'{{"k{n}": {n}}}' for n in range(40)) + '], "total": 7}'
    assert marks_of(rows, first=("total",))[0].value == "7"
