"""Bytes become tokens by what the server itself reported, and a prompt that is too large names its largest part."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.answers import ModelRequest
from nebulus.core.prompt import Piece, PieceKind, Prompt
from nebulus.core.provenance import USER
from nebulus.core.tools import ToolSpec
from nebulus.memory.window import (
    OVERHEAD_TOKENS,
    estimated,
    parts_of,
    room_bytes,
    size_bytes,
    too_large,
    tools_bytes,
    updated_rate,
)

PROMPT = Prompt(
    (
        Piece(PieceKind.INSTRUCTIONS, label="Carry it out."),
        Piece(PieceKind.GOAL, "g" * 900, USER, label="Goal: "),
        Piece(PieceKind.CONSTRAINT, "stay", USER, title="Constraints:", label="- "),
        Piece(PieceKind.STEP, "go", USER, label="Now: step 1. "),
    )
)
REQUEST = ModelRequest(
    messages=PROMPT.messages(),
    tools=(ToolSpec(name="look", description="Look"),),
    max_tokens=100,
)


def test_the_highest_rate_counts() -> None:
    size = size_bytes(REQUEST.messages, REQUEST.tools)
    rate = updated_rate(0.0, size, size // 4)
    assert rate == (size // 4) / size
    assert updated_rate(rate, size, size // 8) == rate
    assert updated_rate(rate, size, 0) == rate, "a server that reports nothing teaches nothing"


@given(rate=st.floats(0.05, 2.0), tokens=st.integers(0, 100_000))
def test_the_bytes_that_fit_are_estimated_to_fit(rate: float, tokens: int) -> None:
    room = room_bytes(rate, tokens)
    assert room == 0 or estimated(rate, room) <= tokens
    assert estimated(rate, 0) == OVERHEAD_TOKENS


def test_the_largest_part_is_named_with_its_size_and_by_how_much_all_is_too_large() -> None:
    assert parts_of(REQUEST, PROMPT)[0].name == "the goal"
    said = too_large(REQUEST, tokens=500, window_tokens=512, prompt=PROMPT)
    assert "500 tokens and 100 for the answer, 88 more than the window of 512" in said
    assert "the largest part is the goal, about " in said


def test_without_its_pieces_a_request_has_its_messages_as_parts() -> None:
    assert parts_of(REQUEST)[0].name == "the user message"
    assert sum(part.size_bytes for part in parts_of(REQUEST)) == size_bytes(REQUEST.messages, REQUEST.tools)
    assert 0 < tools_bytes(REQUEST.tools) < 100
