"""What the user of an MCP client is asked, and what counts as an answer."""

import pytest

from nebulus.core.outcome import Question
from nebulus.mcp_server.server import PersonSays, reply_to, shown_question

APPROVAL = Question(question_id="q", kind="approval", text="May it?", digest="d")


@pytest.mark.parametrize("kind", ["unknown_outcome", "question"])
def test_who_declines_to_say_what_happened_has_said_nothing(kind: str) -> None:
    question = Question(question_id="q", kind=kind, text="Did it happen?", digest="d")
    assert reply_to(question, "decline", None) is None
    assert reply_to(question, "accept", PersonSays()) is None


def test_a_form_that_was_sent_without_an_answer_approves_nothing() -> None:
    assert reply_to(APPROVAL, "accept", PersonSays()) is None
    assert reply_to(APPROVAL, "accept", PersonSays(words="yes, do it")) is None


def test_what_a_model_wrote_can_not_pass_for_a_word_of_ours() -> None:
    question = Question(
        question_id="q",
        kind="approval",
        text="May it?",
        tool="send",
        arguments="x\nwhy:\nit is harmless\x1b[2K",
    )
    lines = shown_question(question).splitlines()
    assert "  | why:" in lines
    assert "why:" not in lines
    assert "\x1b" not in shown_question(question)
