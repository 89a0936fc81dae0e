"""A prompt as typed pieces: one value that renders messages, is sized, and knows where its words came from.

Invariant: nothing reads a rendered prompt back. What values may be copied from a prompt, and whether text from
outside is in it, is asked of its pieces.
"""

from enum import StrEnum

from msgspec import Struct

from nebulus.core.answers import Message
from nebulus.core.provenance import CONFIG, Provenance


class PieceKind(StrEnum):
    """What a piece of a prompt is."""

    INSTRUCTIONS = "instructions"
    """What the model is told about its work; rendered as the system message."""
    GOAL = "goal"
    CONSTRAINT = "constraint"
    PROGRESS = "progress"
    """How much of the plan is done."""
    ASIDE = "aside"
    """Lines of somebody else's history that could not be folded into state."""
    FACT = "fact"
    STORED = "stored"
    """A stored result that can be looked into."""
    QUESTION = "question"
    """A question that nobody has answered yet."""
    LESSON = "lesson"
    """What failed before. It may quote a wrong value."""
    RESULT = "result"
    """What a tool returned."""
    ERROR = "error"
    """What a tool said when it failed. It may quote a wrong value."""
    NOTICE = "notice"
    """What the runtime says about the prompt itself, for example what is not shown."""
    STEP = "step"
    """What must be done now."""


NOT_GROUNDABLE = frozenset({PieceKind.INSTRUCTIONS, PieceKind.LESSON, PieceKind.ERROR, PieceKind.NOTICE})
"""Kinds whose text may quote a mistake or is ours: a value that only appears there was not given to the model."""


class Piece(Struct, frozen=True, omit_defaults=True):
    """One part of a prompt: what it is, its text as rendered, and where the text came from.

    `title` begins a section when the piece before belongs to another one; it is part of the rendered text and
    never of what is groundable.
    """

    kind: PieceKind
    text: str
    provenance: Provenance = CONFIG
    title: str = ""


class Prompt(Struct, frozen=True, omit_defaults=True):
    """The pieces of one prompt, in the order in which they are rendered."""

    pieces: tuple[Piece, ...] = ()

    def messages(self) -> tuple[Message, ...]:
        """Render the prompt: the instructions as the system message, everything else as the user's."""
        system = "\n".join(piece.text for piece in self.pieces if piece.kind is PieceKind.INSTRUCTIONS)
        lines: list[str] = []
        title = ""
        for piece in self.pieces:
            if piece.kind is PieceKind.INSTRUCTIONS:
                continue
            if piece.title and piece.title != title:
                lines.append(piece.title)
            title = piece.title
            lines.append(piece.text)
        user = Message("user", "\n".join(lines))
        return (Message("system", system), user) if system else (user,)

    @property
    def size_bytes(self) -> int:
        """The size of the rendered messages, in bytes of UTF-8."""
        return sum(len(message.content.encode()) for message in self.messages())

    def groundable_text(self) -> str:
        """Return the text that values of an answer may be copied from: never what quotes a mistake."""
        return "\n".join(piece.text for piece in self.pieces if piece.kind not in NOT_GROUNDABLE)

    @property
    def is_tainted(self) -> bool:
        """Whether any piece came, even in part, from outside."""
        return any(not piece.provenance.is_trusted for piece in self.pieces)
