"""How much of a window a prompt takes, and which part of it is too large.

Invariants: bytes become tokens by a rate learnt from what the model's own server reported, the highest seen, so
that a prompt is estimated too long rather than too short; a request is refused only by an exact count.
"""

from math import ceil

import msgspec
from msgspec import Struct

from nebulus.core.answers import Message, ModelRequest
from nebulus.core.prompt import PieceKind, Prompt
from nebulus.core.tools import ToolSpec

FIRST_RATE = 0.5
"""Tokens per byte before a server has reported any: above every vocabulary in use on prose, code or JSON.

Source: current vocabularies take 3.2 to 4.7 bytes a token; the nano model's 512 entries take 2.2.
"""
OVERHEAD_TOKENS = 32
"""What a chat template may add between two prompts of the same sizes. Source: ChatML, five tokens a turn."""

_encoder = msgspec.json.Encoder()
_NAMES = {
    PieceKind.INSTRUCTIONS: "the instructions",
    PieceKind.GOAL: "the goal",
    PieceKind.CONSTRAINT: "the constraints",
    PieceKind.PROGRESS: "what is done",
    PieceKind.ASIDE: "the history",
    PieceKind.FACT: "the facts",
    PieceKind.STORED: "the stored results",
    PieceKind.QUESTION: "the open questions",
    PieceKind.LESSON: "what failed before",
    PieceKind.RESULT: "what a tool returned",
    PieceKind.ERROR: "the error of a tool",
    PieceKind.NOTICE: "the notices",
    PieceKind.STEP: "the step",
}


class Part(Struct, frozen=True):
    """One part of a request in words, and its size."""

    name: str
    size_bytes: int


def size_bytes(messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> int:
    """Return the size of a request, without the chat template."""
    return sum(len(message.content.encode()) for message in messages) + tools_bytes(tools)


def tools_bytes(tools: tuple[ToolSpec, ...]) -> int:
    """Return the size of what a template shows of `tools`: names, descriptions, parameters."""
    return sum(
        len(tool.name) + len(tool.description.encode()) + len(_encoder.encode(tool.parameters))
        for tool in tools
    )


def updated_rate(rate: float, size: int, prompt_tokens: int) -> float:
    """Return tokens per byte after a server reported `prompt_tokens` for `size` bytes; 0.0 means not known yet."""
    return max(rate, prompt_tokens / size) if size and prompt_tokens else rate


def estimated(rate: float, size: int) -> int:
    """Return the tokens of `size` bytes at `rate`, rounded up."""
    return ceil(size * (rate or FIRST_RATE)) + OVERHEAD_TOKENS


def room_bytes(rate: float, tokens: int) -> int:
    """Return how many bytes certainly fit `tokens`, 0 if none do."""
    return max(0, int((tokens - OVERHEAD_TOKENS) / (rate or FIRST_RATE)) - 1)  # one less: fractions round up


def parts_of(request: ModelRequest, prompt: Prompt | None = None) -> tuple[Part, ...]:
    """Return the parts of a request, the largest first: the sections of `prompt`, or the messages without one."""
    parts = [Part(f"the schemas of {len(request.tools)} tools", tools_bytes(request.tools))]
    if prompt is None:
        parts += [
            Part(f"the {message.role} message", len(message.content.encode())) for message in request.messages
        ]
    else:
        parts += [Part(_NAMES[kind], size) for kind, size in prompt.sections()]
    return tuple(sorted(parts, key=lambda part: -part.size_bytes))


def too_large(request: ModelRequest, *, tokens: int, window_tokens: int, prompt: Prompt | None = None) -> str:
    """Return in words by how much `request` is too large for its window, and which part is the largest.

    `tokens` is what its prompt was counted to be; its own `most_tokens` are the reserve for thought and answer.
    """
    over = tokens + request.most_tokens - window_tokens
    largest = parts_of(request, prompt)[0]
    share = largest.size_bytes / max(1, size_bytes(request.messages, request.tools))
    return (
        f"the prompt needs {tokens} tokens and {request.most_tokens} for the answer, {over} more than the window "
        f"of {window_tokens}; the largest part is {largest.name}, about {ceil(share * tokens)} tokens"
    )
