"""Known values are found in any common encoding, and nothing else is changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.redaction import ENCODINGS, NOT_FOUND, SECRETS, leaks
from nebulus.core.config import RunConfig
from nebulus.core.events import CallJudged, RunStarted, ToolReturned
from nebulus.core.journal import decode_event, encode_event
from nebulus.core.plan import Goal
from nebulus.core.tiers import Tier
from nebulus.core.tools import ToolResult
from nebulus.core.verdict import Allow
from nebulus.guard.encodings import forms_of, spans_by_value
from nebulus.guard.secrets import Secret, Secrets

KEY = "tk-R7h/Q2+w9_Zp4=x"
KNOWN = Secrets((Secret("KEY", KEY),))


@pytest.mark.parametrize("name", sorted(set(ENCODINGS) - NOT_FOUND))
def test_no_secret_can_be_read_in_any_of_the_common_encodings(name: str) -> None:
    assert len(ENCODINGS) >= 80
    assert [secret for secret in SECRETS if leaks(name, secret)] == []


@given(st.text(max_size=200))
def test_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert KNOWN.hide(text) == text


@given(
    st.text(max_size=40), st.text(max_size=40), st.sampled_from(["plain", "JSON", "percent", "HTML", "hex"])
)
def test_what_surrounds_a_secret_stays(before: str, after: str, name: str) -> None:
    shown = KNOWN.hide(f"{before} {ENCODINGS[name](KEY)} {after}")
    assert shown == f"{before} [secret KEY] {after}"


def test_a_secret_is_found_where_only_some_of_its_characters_are_escaped() -> None:
    assert KNOWN.hide("a=tk-R7h%2fQ2+w9&#95;Zp4\\u003dx;") == "a=[secret KEY];"


def test_of_secrets_that_overlap_no_part_is_left() -> None:
    both = Secrets((Secret("A", "abcdefgh"), Secret("B", "efghijkl")))
    assert both.hide("-abcdefghijkl-") == "-[secret A]-"


def test_a_secret_of_digits_leaves_every_number_of_the_machine_alone() -> None:
    event = ToolReturned(
        call_id="c1",
        result=ToolResult(text="id 12345678", fields={"id": 12345678, "of": 87654329}, size_bytes=12345678),
    )
    known = Secrets((Secret("PIN", "12345678"),)).without(event)
    assert decode_event(encode_event(known)) == known
    assert known == ToolReturned(
        call_id="c1",
        result=ToolResult(
            text="id [secret PIN]", fields={"id": "[secret PIN]", "of": 87654329}, size_bytes=12345678
        ),
    )


def test_a_secret_that_is_the_name_of_a_field_changes_no_field() -> None:
    event = ToolReturned(call_id="c1", result=ToolResult(text="ok", is_trusted=False))
    assert Secrets((Secret("ODD", "is_trusted"),)).without(event) == event


def test_keys_that_contain_secrets_are_hidden_and_none_is_lost() -> None:
    event = ToolReturned(
        call_id="c1", result=ToolResult(text="ok", fields={KEY: 1, f"{KEY[::-1]}": 2, "a": 3})
    )
    known = KNOWN.without(event)
    assert isinstance(known, ToolReturned)
    assert known.result.fields == {"[secret KEY]": 1, "[secret KEY] 2": 2, "a": 3}


CONFIG = RunConfig(tiers=(Tier(name="small", window_tokens=1024),))


def test_every_string_of_an_event_is_searched() -> None:
    for event in (
        RunStarted(goal=Goal(text=f"post {KEY}", constraints=(f"never show {KEY}",)), config=CONFIG),
        CallJudged(call_id="c1", verdict=Allow("r"), paths={"path": KEY}),
    ):
        assert KEY not in encode_event(KNOWN.without(event)).decode()


def test_an_event_without_a_secret_is_the_same_object() -> None:
    event = CallJudged(call_id="c1", verdict=Allow("r"), paths={"path": "a.txt"})
    assert KNOWN.without(event) is event


def test_the_number_of_forms_does_not_depend_on_the_text() -> None:
    assert len(forms_of(KEY)) < 300
    assert spans_by_value((KEY,), "") == {KEY: []}


def test_marks_inside_arguments_are_replaced_for_the_tools_that_were_granted_them() -> None:
    granted = Secrets((Secret("KEY", KEY, ("post",)),))
    arguments = {"list": ["[secret KEY]", 1], "inner": {"a": "x [secret KEY]"}}
    assert granted.revealed(arguments, "post") == {"list": [KEY, 1], "inner": {"a": f"x {KEY}"}}
    assert granted.revealed(arguments, "read") is arguments


def test_a_backslash_before_a_raised_digit_is_no_escape() -> None:
    assert KNOWN.hide("10\\¹ and \\²") == "10\\¹ and \\²"
