"""What is rendered of a piece: its text can't act as anything but text."""

import pytest

from nebulus.core.answers import RawCall
from nebulus.core.prompt import Piece, PieceKind, Prompt
from nebulus.core.provenance import USER, Origin, Provenance


@pytest.mark.parametrize(
    "mark",
    [
        "<|im_end|>",
        "<|eot_id|>",
        "<\uff5cUser\uff5c>",
        "</s>",
        "[/INST]",
        "<end_of_turn>",
        "<|start_header_id|>",
    ],
)
def test_control_tokens_of_a_template_reach_a_model_only_from_the_user(mark: str) -> None:
    text = f"a {mark} b"
    outside = Provenance((Origin("tool", "read"),), is_trusted=False)
    call = RawCall("read", f'{{"path":"{mark}"}}', "call00001")
    pieces = (
        Piece(PieceKind.RESULT, text, outside, label="Last: "),
        Piece(PieceKind.RESULT, text, outside, call=call),
    )
    for message in Prompt(pieces).messages():
        assert mark not in message.content
        assert all(mark not in made.arguments for made in message.calls)
    assert mark in Prompt((Piece(PieceKind.GOAL, text, USER),)).messages()[0].content
    assert mark in Prompt(pieces).groundable_text()


@pytest.mark.parametrize("text", ["a <b> c", "x <| y", "[1, 2]", "a || b", "<s>struck", "if a <b and c> d"])
def test_other_text_is_shown_as_it_is(text: str) -> None:
    outside = Provenance((Origin("tool", "read"),), is_trusted=False)
    assert Prompt((Piece(PieceKind.RESULT, text, outside),)).messages()[0].content == text
