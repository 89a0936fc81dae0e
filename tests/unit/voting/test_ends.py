"""Ends of tries are the same where files and answers are, whatever their form."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.voting.ends import GONE, End, agree, changes, digest_of, elected, is_same_text, is_same_value

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("a.txt", b"1\n2\n", b"1\n2"),
        ("a.txt", b"1  \r\n2\r\n", b"1\n2\n\n"),
        ("a.json", b'{"a": 1, "b": [2]}', b'{\n  "b": [2],\n  "a": 1\n}\n'),
        ("a.bin", b"\xff\x00", b"\xff\x00"),
    ],
)
def test_contents_that_differ_in_form_alone_are_the_same(path: str, one: bytes, other: bytes) -> None:
    assert digest_of(path, one) == digest_of(path, other)


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("a.txt", b"1\n2\n", b"2\n1\n"),
        ("a.txt", b"  indented", b"indented"),
        ("a.txt", b"\n1", b"1"),
        ("a.json", b'{"a": 1}', b'{"a": "1"}'),
        ("a.json", b"{not json", b"{not  json"),
        ("a.bin", b"\xff\x00", b"\xff\x01"),
    ],
)
def test_contents_that_differ_are_not(path: str, one: bytes, other: bytes) -> None:
    assert digest_of(path, one) != digest_of(path, other)


def test_a_file_that_is_gone_and_one_that_is_new_are_changes() -> None:
    assert changes({"a": "1", "b": "2", "c": "3"}, {"b": "2", "c": "4", "d": "5"}) == {
        "a": GONE,
        "c": "4",
        "d": "5",
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.1 + 0.2, 0.3),
        (3, 3.0),
        (["b", "a"], ["a", "b"]),
        ({"line": 11, "path": "a.py"}, {"path": "a.py", "line": 11}),
        ("Ewa Zielinska", "ewa zielinska."),
        ("4", "There are 4 ERROR lines."),
        ("555-0164", "The number is 555-0164."),
        (None, None),
    ],
)
def test_answers_that_say_the_same(one: Any, other: Any) -> None:
    assert is_same_value(one, other)
    assert is_same_value(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (180, 200),
        (True, 1),
        ("Ewa Zielinska", "Viktor Sandberg"),
        ("It is safe.", "It is not safe."),
        ("notes.md exists", "notes.md does not exist"),
        ("There are 4 lines.", "There are 5 lines."),
        (["a", "a"], ["a", "b"]),
        ("", "4"),
        (None, 0),
    ],
)
def test_answers_that_do_not(one: Any, other: Any) -> None:
    assert not is_same_value(one, other)
    assert not is_same_value(other, one)


@given(VALUES)
def test_every_value_is_the_same_as_itself(value: Any) -> None:
    assert is_same_value(value, value)


@given(st.text(), st.text())
def test_comparing_texts_is_symmetric(one: str, other: str) -> None:
    assert is_same_text(one, other) == is_same_text(other, one)


def test_the_largest_group_is_elected_and_the_earliest_of_equal_ones() -> None:
    ends = [End(answer=1), End(answer=2), End(answer=2)]
    assert elected(ends) == (1, 2)
    assert elected(ends[:2]) == (0,)


def test_a_try_that_is_not_done_agrees_with_none() -> None:
    failed = End(is_done=False, failure="no")
    assert elected([failed, failed]) == ()
    assert elected([failed, End(answer=1), End(answer=1)]) == (1, 2)
    assert not agree(End(files={"a": "1"}), End(files={"a": "2"}))
