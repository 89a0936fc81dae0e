"""What a conversation remembers: the newest turns, in bounded room, as data and never as the goal."""

from nebulus.cli.chat import EARLIER_BYTES, Conversation
from nebulus.core.plan import Exchange, Goal
from nebulus.core.prompt import PieceKind
from nebulus.core.state import State
from nebulus.memory.pieces import head_pieces


def test_the_oldest_turns_are_forgotten_first_and_the_newest_never() -> None:
    conversation = Conversation()
    for number in range(20):
        conversation.add(f"question {number}", "x" * 700)
    assert conversation.turns[-1].said == "question 19"
    assert len(conversation.turns) > 1
    assert sum(len(turn.said + turn.found) for turn in conversation.turns) <= EARLIER_BYTES
    conversation.forget()
    assert conversation.turns == ()


def test_what_was_found_before_is_shown_as_text_from_outside_and_what_the_user_said_is_not() -> None:
    goal = Goal(text="And when?", earlier=(Exchange("Where?", "It is in may.md"),))
    said, found, asked = head_pieces(State(goal=goal))
    assert (said.kind, said.provenance.is_trusted) == (PieceKind.ASIDE, True)
    assert (found.kind, found.provenance.is_trusted) == (PieceKind.ASIDE, False)
    assert asked.text == "And when?"
