"""Where thoughts are opened and closed in a prompt, and what a text tells of one."""

import pytest

from nebulus.adapters.backends.thinking import (
    THINK,
    THINKINGS,
    Thinking,
    closes_unopened,
    known_to,
    opened_by,
)
from nebulus.calls.scan import REASONING


@pytest.mark.parametrize("each", THINKINGS)
def test_a_thought_that_was_begun_is_open_and_one_that_was_ended_is_not(each: Thinking) -> None:
    begun = each.begun("<assistant>")
    assert opened_by(begun) is each
    assert each.begun(begun) == begun
    assert each.begun(begun.rstrip()) == begun.rstrip()
    for thought in ("", "so be it", "cut in the mid\n"):
        ended = each.ended(begun, thought)
        assert opened_by(ended) is None
        assert ended.startswith(begun + thought.rstrip())


@pytest.mark.parametrize("each", THINKINGS)
def test_the_marks_of_a_template_are_its_model_s(each: Thinking) -> None:
    assert known_to(f"{{{{ '{each.opener}' + thought + '{each.closer}' }}}}") is each


def test_a_template_that_speaks_of_no_thoughts_gets_the_most_common_marks() -> None:
    assert known_to("<|start_header_id|>assistant<|end_header_id|>") is THINK


@pytest.mark.parametrize("each", THINKINGS[:4])
def test_the_reader_knows_the_marks_that_thoughts_are_given(each: Thinking) -> None:
    assert REASONING[each.opener if each.opener in REASONING else each.opener.rstrip()] == each.stop


@pytest.mark.parametrize(
    ("text", "is_unopened"),
    [
        ("hm</think>done", True),
        ("<think>hm</think>done", False),
        ("done", False),
        ("", False),
        ("hm[/THINK]done", True),
        ("a message<|end|>", False),
    ],
)
def test_a_text_that_ends_a_thought_which_it_did_not_begin_was_begun_inside_one(
    text: str, is_unopened: bool
) -> None:
    assert closes_unopened(text) is is_unopened
