"""A mention of an earlier result means its value, character for character, or stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.provenance import Provenance
from nebulus.core.state import Fact
from nebulus.memory.references import (
    INLINE_CHARS,
    is_mention,
    mentioned_steps,
    referenced,
    resolve,
    unresolved,
)

LABEL = Provenance()


def fact(step: int, value: str, field: str = "") -> Fact:
    return Fact(step=step, field=field, value=value, provenance=LABEL)


@pytest.mark.parametrize(
    "text",
    [
        "put the result of step 3 there",
        "put result of step 3 there",
        "put the output from step 3 there",
        "put step 3's value there",
        "put {{step 3}} there",
        "put {{ step 3.result }} there",
        "put what step 3 returned there",
    ],
)
def test_every_way_to_say_it_is_resolved(text: str) -> None:
    assert resolve(text, [fact(3, "kuma17"), fact(30, "wrong")]) == "put kuma17 there"
    assert mentioned_steps(text) == {3}


def test_a_field_is_looked_up_by_name_and_a_generic_word_means_the_only_one() -> None:
    facts = [fact(2, "a/b.md", "path"), fact(2, "7", "bytes"), fact(4, "x.md", "path")]
    assert resolve("the path of step 2 has bytes of step 2", facts) == "a/b.md has 7"
    assert resolve("the result of step 4", facts) == "x.md"
    assert resolve("the result of step 2", facts) == "the result of step 2", "two fields: not certain which"
    assert resolve("the colour of step 2", facts) == "the colour of step 2"


def test_what_is_unknown_long_or_of_several_lines_stays_a_mention() -> None:
    for value in ("", "two\nlines", "x" * (INLINE_CHARS + 1)):
        assert resolve("the result of step 1", [fact(1, value)]) == "the result of step 1"
    assert resolve("the result of step 12", [fact(1, "a")]) == "the result of step 12"


@given(value=st.text(st.characters(exclude_characters="\n"), min_size=1, max_size=INLINE_CHARS))
def test_a_value_is_put_in_character_for_character(value: str) -> None:
    assert resolve("<the result of step 1>", [fact(1, value)]) == f"<{value}>"


@given(text=st.text(max_size=200))
def test_text_without_mentions_is_untouched(text: str) -> None:
    if not mentioned_steps(text):
        assert resolve(text, [fact(1, "a"), fact(2, "b")]) == text


def test_the_values_that_references_refer_to_are_known() -> None:
    facts = [fact(2, "a/b.md", "path"), fact(4, "kuma17"), fact(5, "unused")]
    assert referenced("the path of step 2 and step 4's value", facts) == {"a/b.md", "kuma17"}
    assert referenced("the colour of step 2, the result of step 9, no more", facts) == set()


def test_a_value_that_was_found_in_a_longer_text_is_not_the_result_of_its_step() -> None:
    only = Fact(step=1, field="total", value="7", where="line 3: total 7", provenance=LABEL)
    assert resolve("the result of step 1", [only]) == "the result of step 1"
    assert resolve("the total of step 1", [only]) == "7"


def test_only_mentions_that_can_not_be_written_into_the_text_are_left() -> None:
    facts = [fact(1, "seven"), fact(2, "two\nlines")]
    left = unresolved("the result of step 1, {{step 2}} and the colour of step 3", facts)
    assert {(each.words, each.step, each.is_whole) for each in left} == {
        ("{{step 2}}", 2, True),
        ("the colour of step 3", 3, False),
    }


@pytest.mark.parametrize(
    "value",
    ["the result of step 2", "{{step 2}}", "Result of step 2.", "the result of call 3", "last result"],
)
def test_words_that_only_name_a_result_are_recognised(value: str) -> None:
    assert is_mention(value)


@pytest.mark.parametrize(
    "value",
    ["", "see the result of step 2", "the colour of step 2", "step 2", "7", "the result", "a last result"],
)
def test_other_words_are_a_text_of_their_own(value: str) -> None:
    assert not is_mention(value)
