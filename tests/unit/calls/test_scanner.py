"""Values are read as they were meant, or refused with the place; nothing is invented, cut or guessed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.calls.bodies import value_and_surplus
from nebulus.calls.literal import UnreadableError
from nebulus.calls.scanner import Scanner, read_value

scalars = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
values = st.recursive(
    scalars | numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(values)
def test_json_is_read_as_json_reads_it(value: object) -> None:
    read = read_value(json.dumps(value))
    assert read.value == value
    assert not read.edits


@given(values)
def test_the_tolerant_way_reads_json_as_the_strict_way_does(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert Scanner(text, is_python=False).value(0) == (value, len(text))


@given(values)
def test_what_python_prints_is_read_back(value: object) -> None:
    assert read_value(repr(value), is_python=True).value == value


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read = read_value(text)
    except UnreadableError as problem:
        assert problem.rule
    else:
        assert 0 < read.end <= len(text)


@pytest.mark.parametrize(
    ("text", "value", "edit"),
    [
        ("{'a': 1}", {"a": 1}, "single quotes"),
        ("{a: 1}", {"a": 1}, "key without quotes"),
        ('{"a": 1,}', {"a": 1}, "trailing comma"),
        ("[1, 2,]", [1, 2], "trailing comma"),
        ('{"a": True, "b": None}', {"a": True, "b": None}, "Python constant"),
        ('{"a": "x\ny"}', {"a": "x\ny"}, "raw control character in a string"),
        ('{"a": \\n[1]\\n}', {"a": [1]}, "escaped blank between tokens"),
        ('{"a": 1 // one\n}', {"a": 1}, "comment"),
        ('{"a": /* one */ 1}', {"a": 1}, "comment"),
        ('{"a": "x" "b": "y"}', {"a": "x", "b": "y"}, "missing comma"),
        ('{"a": ["x", "y"}', {"a": ["x", "y"]}, "missing closer"),
        ('{"a": 1', {"a": 1}, "missing closer"),
        ("{“a”: “x”}", {"a": "x"}, "typographic quotes"),
        ('{"a": """x "y" z"""}', {"a": 'x "y" z'}, "triple quotes"),
        (r'{"a": "\d+\.\d"}', {"a": r"\d+\.\d"}, "backslash kept"),
        ('{"a" = 1}', {"a": 1}, "equals sign for colon"),
        ('{"a": .5}', {"a": 0.5}, "number spelled as in Python"),
    ],
)
def test_a_slip_that_loses_nothing_is_mended_and_recorded(text: str, value: object, edit: str) -> None:
    read = read_value(text)
    assert read.value == value
    assert [made.name for made in read.edits] == [edit]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"a": "x', "a string is open at the end"),
        ("{'a': 'it's'}", "a comma or a closer belongs here"),
        ('{"a": "say "hi" now"}', "a comma or a closer belongs here"),
        ('{"a": 1, "a": 2}', "the key 'a' appears twice in one object"),
        ('{"a": , "b": 1}', "a value belongs here"),
        ('{"a": tru}', "a word without quotes is not a value"),
        ('{"a": 1,000}', "a key belongs here"),
        ('{"a": 1e}', "this is not a number"),
        ('{"a": 007}', "this is not a number"),
        ('{"a": 1e999}', "this number is too large"),
        ("[1 2]", "a comma or a closer belongs here"),
        ('{"a": ["x", ...]}', "this is not a number"),
        ('{"items": {"a": 1}]}', "']' closes nothing that is open"),
        (r'{"a": "C:\users\new"}', "a backslash in a string has more than one meaning"),
        (r'{"a": "\d\n"}', "a backslash in a string has more than one meaning"),
        (r'{"a": "\ud83d"}', "half a surrogate pair in a string"),
        ('{"a": 1 /* ', "a comment is open at the end"),
        ("[" * 70, "more than 64 containers are inside each other"),
        ('{"a" 1}', "a colon belongs after the key 'a'"),
        ("", "the text ends where a value belongs"),
    ],
)
def test_what_would_lose_something_is_refused(text: str, rule: str) -> None:
    with pytest.raises(UnreadableError) as refused:
        read_value(text)
    assert refused.value.rule == rule


def test_a_tag_behind_a_value_tells_that_it_was_not_cut() -> None:
    assert read_value('{"a": 1</tool_call>').is_terminated
    assert not read_value('{"a": 1').is_terminated


def test_python_mode_reads_tuples_and_bare_names() -> None:
    assert read_value("(1, celsius)", is_python=True).value == [1, "celsius"]
    with pytest.raises(UnreadableError):
        read_value("(1, f(2))", is_python=True)


def test_a_closer_too_many_is_left_out_but_not_where_another_is_missing() -> None:
    read, end = value_and_surplus('{"a": ["b"]}}} rest', 0)
    assert (read.value, end, read.edits[-1].name) == ({"a": ["b"]}, 14, "surplus closer")
    with pytest.raises(UnreadableError):
        value_and_surplus('{"a": ["b"}}}', 0)
