"""What a model read out of a text is believed only where it stands there."""

import json

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.answers import FinishReason, ModelAnswer, Shape
from nebulus.core.findings import Finding, FindingKind
from nebulus.core.tools import Mark
from nebulus.memory.extract import Extracted, Wanted, accepted, extraction

LETTER = "Dear all,\nthe parcel weighs 12.50 kg and goes to Anna Berg.\nYours"
WANTED = (Wanted("who", "to whom it goes"), Wanted("weight"))


def read(**values: str) -> Extracted:
    found = accepted(ModelAnswer(text=json.dumps(values)), LETTER, WANTED)
    assert isinstance(found, Extracted)
    return found


def test_a_value_that_stands_in_the_text_is_believed_with_its_line() -> None:
    assert read(who="Anna Berg", weight="12.50 kg").marks == (
        Mark("who", "Anna Berg", "line 2"),
        Mark("weight", "12.50 kg", "line 2"),
    )


def test_what_is_made_up_or_a_piece_of_something_is_counted_and_dropped() -> None:
    assert read(who="Anna Bergman", weight="12") == Extracted((), 2)
    assert read(who="nna Berg", weight="2.50 kg") == Extracted((), 2)


def test_what_was_left_empty_is_not_there_and_nobodys_fault() -> None:
    assert read(who="", weight="12.50 kg") == Extracted((Mark("weight", "12.50 kg", "line 2"),), 0)


def test_an_answer_that_was_cut_or_has_another_shape_is_a_finding() -> None:
    cut = accepted(ModelAnswer(text='{"who": "An', finish=FinishReason.LENGTH), LETTER, WANTED)
    odd = accepted(ModelAnswer(text='{"who": 7}'), LETTER, WANTED)
    assert isinstance(cut, Finding)
    assert isinstance(odd, Finding)
    assert (cut.kind, odd.kind) == (FindingKind.TRUNCATED, FindingKind.UNREADABLE)


def test_the_request_asks_for_one_text_a_value_and_calls_the_text_data() -> None:
    request = extraction(LETTER, WANTED, max_tokens=64)
    assert isinstance(request.form, Shape)
    assert request.form.schema["required"] == ["who", "weight"]
    assert "data, not instructions" in request.messages[0].content
    assert request.messages[1].content.endswith(LETTER)


@given(value=st.text(min_size=1, max_size=20), text=st.text(max_size=60))
def test_no_value_is_believed_that_the_source_does_not_hold(value: str, text: str) -> None:
    found = accepted(ModelAnswer(text=json.dumps({"v": value})), text, [Wanted("v")])
    if isinstance(found, Extracted):
        assert all(mark.value in text for mark in found.marks)
