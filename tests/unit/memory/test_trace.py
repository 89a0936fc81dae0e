"""Each value of an answer says whether the run saw it, and a part of something else does not count."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.plan import Goal, Plan, Step
from nebulus.core.provenance import CONFIG, USER, Origin
from nebulus.core.result import FieldSource
from nebulus.core.state import State
from nebulus.core.tools import ToolResult
from nebulus.memory.distil import with_error, with_note, with_result, with_user_answer
from nebulus.memory.trace import numbers_in, trace


def told(text: str, **fields: Any) -> State:
    plan = Plan((Step(number=1, text="look"), Step(number=2, text="look")))
    state = State(goal=Goal(text="How warm is Oslo?"), plan=plan)
    result = ToolResult(text=text, fields=fields, is_trusted=False)
    return with_result(state, step=2, tool="weather", call_id="c4", result=result)


def only(value: Any, state: State) -> FieldSource:
    [source] = trace({"x": value}, state)
    return source


@pytest.mark.parametrize("written", ["7", "7.0", "7 °C", "7°C", '{"celsius":7}', "It is 7.", "$7", "07,00"])
@pytest.mark.parametrize("value", [7, 7.0, "7", "7.0"])
def test_a_number_is_seen_in_every_form_of_the_same_number(written: str, value: Any) -> None:
    assert only(value, told(written)).is_proven


@pytest.mark.parametrize(
    "written",
    [
        "17",
        "7.5",
        "70",
        "x7",
        "A-7",
        "7-9",
        "v7.1",
        "2026-11-07",
        "07:30",
        "7th",
        "a/7/",
        "1,007",
        "-7",
        "7_000",
    ],
)
@pytest.mark.parametrize("value", [7, "7"])
def test_a_piece_of_a_number_a_date_or_a_name_is_not_the_number(written: str, value: Any) -> None:
    assert not only(value, told(written)).is_proven


def test_a_unit_may_be_left_out_and_two_units_must_be_the_same() -> None:
    assert only("7 °C", told("{}", celsius=7)).is_proven
    assert only("7°C", told("it is 7 °C now")).is_proven
    assert not only("7 kg", told("it is 7 km")).is_proven


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("anna berg", "To: Anna  Berg, Oslo"),
        ("“Anna”", "her name is Anna."),
        ("anna@berg.example", "write to anna@berg.example, please"),
        ("docs/a.md", "see docs/a.md"),
        ("ÅSE", "åse"),
        ("\u5b89\u5a1c", "\u6536\u4ef6\u4eba\u5b89\u5a1c"),
    ],
)
def test_a_text_is_seen_without_regard_to_case_spaces_and_quotes(value: str, written: str) -> None:
    assert only(value, told(f"first\n{written}\nlast")).is_proven


@pytest.mark.parametrize(
    ("value", "written"),
    [("Anna", "Annabel"), ("berg", "Bergen"), ("no", "there is no wind"), ("a", "a letter"), ("", "")],
)
def test_a_piece_of_a_word_or_a_short_word_among_others_is_not_seen(value: str, written: str) -> None:
    assert not only(value, told(f"one {written} two")).is_proven


def test_a_truth_value_or_null_is_seen_only_in_a_fact_of_its_name() -> None:
    state = told('{"is_open": true, "owner": null}')
    assert trace({"is_open": True}, state)[0].is_proven
    assert not trace({"is_closed": True}, state)[0].is_proven
    assert not trace({"is_open": False}, state)[0].is_proven
    assert not trace({"owner": None}, told("none"))[0].is_proven


def test_a_source_names_where_the_value_was_seen_with_its_label() -> None:
    source = only(7, told("{}", celsius=7))
    assert source.seen_in == "step 2 celsius"
    assert source.provenance.origins == (Origin("tool", "weather", "c4"),)
    assert not source.provenance.is_trusted
    assert only("Oslo", told("7")).seen_in == "the goal"
    assert only("Oslo", told("7")).provenance == USER
    assert only("far off", told("x " * 300 + "far off")).seen_in == "the result of step 2"


def test_a_fact_of_the_values_own_name_comes_before_others() -> None:
    [low, high] = trace({"low": 7, "high": 7}, told("{}", high=7, low=7))
    assert (low.seen_in, high.seen_in) == ("step 2 low", "step 2 high")


def test_what_a_model_said_or_an_error_quoted_was_not_seen_and_what_the_user_said_was() -> None:
    state = with_note(told("7"), "It is 99.", step=1, model="small", is_trusted=True)
    state = with_error(state, step=1, tool="t", text="no city 98", provenance=CONFIG)
    state = with_user_answer(state, "Is it 97?", "No, 96", step=1, model="small", is_trusted=True)
    assert [only(value, state).is_proven for value in (99, 98, 97, 96)] == [False, False, False, True]
    assert only(99, state).provenance.origins == (Origin("model"),)


def test_every_scalar_has_a_pointer_and_what_the_schema_fixes_says_nothing() -> None:
    schema = {
        "properties": {
            "type": {"const": "Weather"},
            "kind": {"enum": ["one"]},
            "days": {"items": {"properties": {"unit": {"enum": ["C"]}}}},
        }
    }
    value = {"type": "Weather", "kind": "one", "days": [{"unit": "C", "a/b": 1}, {"~": 2}], "gone": []}
    assert [source.path for source in trace(value, told("1"), schema=schema)] == [
        "/days/0/a~1b",
        "/days/1/~0",
    ]
    assert [source.path for source in trace("Oslo", told("1"))] == [""]


def test_numbers_are_read_by_the_place_of_their_comma() -> None:
    assert numbers_in("1,234.50 EUR, 1.234,50 and 7,5; -5 to 55%") == {
        (Decimal("1234.50"), "eur"),
        (Decimal("1234.50"), ""),
        (Decimal("7.5"), ""),
        (Decimal(-5), ""),
        (Decimal(55), "%"),
    }


@given(value=st.integers(-(10**9), 10**9), before=st.text(max_size=5), after=st.text(max_size=5))
def test_a_number_between_blanks_is_always_found(value: int, before: str, after: str) -> None:
    assert value in {int(number) for number, _ in numbers_in(f"{before} \n{value}\n {after}")}
