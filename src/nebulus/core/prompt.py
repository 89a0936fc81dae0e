"""A prompt as typed pieces: one value that renders messages, has a size, and knows where its text came from.

Invariants: a rendered prompt is never parsed back; its pieces say which values may be copied from it, and whether it
contains text from outside. The text of a piece can't pass for another piece: it can't start a section or a line that
looks like one of ours.
"""

import re
from enum import StrEnum
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.answers import Message, RawCall
from nebulus.core.provenance import CONFIG, USER, Provenance, join


class PieceKind(StrEnum):
    """What a piece of a prompt is."""

    INSTRUCTIONS = "instructions"
    """What the model is told about its work; rendered as the system message."""
    GOAL = "goal"
    CONSTRAINT = "constraint"
    PROGRESS = "progress"
    """How many steps of the plan are done, or which ones."""
    ASIDE = "aside"
    """Lines of a chat history that could not be folded into state."""
    FACT = "fact"
    STORED = "stored"
    """A stored result, parts of which can be read with tools."""
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
    """What must be done or answered now."""


QUOTES_MISTAKES = (PieceKind.LESSON, PieceKind.ERROR)
"""Kinds whose text may quote a wrong value: one that appears only there does not count as shown."""
_ITEMS = (
    PieceKind.CONSTRAINT,
    PieceKind.PROGRESS,
    PieceKind.ASIDE,
    PieceKind.STORED,
    PieceKind.QUESTION,
    PieceKind.LESSON,
)
"""Kinds that are rendered as list items."""
_BREAK = r"(?:\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029])"
_BLANK = r" \t\x1f\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
"""White space within a line, for a character class: with line breaks in it, matching would take quadratic time."""
_LINE_NAMES = (
    "goal|constraints|inputs|files at the start|known arguments|done|done before|said before|facts|stored|open questions|"
    "failed before|that was not done|the goal is not reached yet|last|now|"
    r"not shown for want of room|result of step \d+|failure|answer with these fields"
)
"""The beginnings of lines and sections in our prompts, in lower case."""
_LIKE_OURS = re.compile(rf"({_BREAK})([{_BLANK}>*_#`\-]*(?:{_LINE_NAMES})[{_BLANK}*_`]*:)", re.IGNORECASE)
_ANY_BREAK = re.compile(_BREAK)
_CONTROL = re.compile(
    r"<(?=[|\uff5c][^\s|\uff5c<>]{1,40}[|\uff5c]>|/s>|(?:start|end)_of_turn>)|\[(?=/?INST\])"
)
"""The first character of a control token: servers read such text as the end of a turn or the beginning of another.

Source: the chat templates of Llama 2 and 3, Qwen, Mistral, Gemma, Phi and DeepSeek.
"""


class Source(Struct, frozen=True):
    """A text that a model was shown, and where it came from."""

    text: str
    provenance: Provenance


class PromptSources(Struct, frozen=True, kw_only=True):
    """What the guard is told about the prompt that led to a call."""

    sources: tuple[Source, ...] = ()
    is_tainted: bool = False
    """Whether the prompt contained text from outside."""
    tier: str = ""
    """The tier that was asked."""


class Piece(Struct, frozen=True, omit_defaults=True):
    """One part of a prompt: what it is, somebody's text, and where that text came from."""

    kind: PieceKind
    text: str = ""
    """The content, verbatim: values may be copied from it, and `provenance` says where it came from."""
    provenance: Provenance = CONFIG
    title: str = ""
    """The section's title, shown if the piece before has another one. Written by us, never groundable."""
    label: str = ""
    """Comes before the text, on the same line. Written by us, never groundable."""
    note: str = ""
    """Comes after the text, on its last line. Written by us, never groundable."""
    continues: bool = False
    """Whether it continues the line of the piece before."""
    call: RawCall | None = None
    """The earlier call that returned the text. It is rendered as a turn of its own: the model's call, the tool's result."""

    @property
    def line(self) -> str:
        """The piece as rendered, without its title."""
        text = self._shown
        text = text if text.isprintable() else self._contained(text)
        return f"{self.label}{text}{self.note}"

    @property
    def _shown(self) -> str:
        """The text with the control tokens of chat templates made harmless, unless the user wrote it."""
        return self.text if self.provenance == USER else harmless(self.text)

    def _contained(self, text: str) -> str:
        """The text, changed so that none of its lines can pass for one of ours.

        The user's own text is not changed. A fact becomes one line; further lines of a list item are indented;
        elsewhere only a line that begins like one of ours is quoted, since a model may have to copy the others.
        """
        if self.kind is PieceKind.FACT:
            return _ANY_BREAK.sub(r"\\n", text)
        if self.provenance == USER:
            return text
        if self.kind in _ITEMS:
            return _ANY_BREAK.sub("\n  ", text)
        return _LIKE_OURS.sub(r"\1| \2", text)


class Prompt(Struct, frozen=True, dict=True):
    """The pieces of one prompt, in the order in which they are rendered."""

    pieces: tuple[Piece, ...] = ()

    def messages(self) -> tuple[Message, ...]:
        """Return the rendered prompt: the instructions as the system message, calls as turns, the rest as the user's."""
        return self._rendered

    @property
    def size_bytes(self) -> int:
        """The size of the rendered messages, in bytes of UTF-8."""
        return sum(
            len(message.content.encode()) + sum(len(call.arguments.encode()) for call in message.calls)
            for message in self._rendered
        )

    @cached_property
    def _rendered(self) -> tuple[Message, ...]:
        system = [piece.line for piece in self.pieces if piece.kind is PieceKind.INSTRUCTIONS]
        messages = [Message("system", "\n\n".join(system))] if system else []
        lines: list[str] = []
        title = ""
        for piece in self.pieces:
            if piece.kind is PieceKind.INSTRUCTIONS:
                continue
            if piece.call is not None:
                messages += [*_user(lines), *_turn(piece, piece.call)]
                lines, title = [], ""
                continue
            if piece.continues:
                lines[-1] += piece.line
                continue
            if piece.title and piece.title != title:
                lines.append(piece.title)
            title = piece.title
            lines.append(piece.line)
        return (*messages, *_user(lines))

    def sections(self) -> tuple[tuple[PieceKind, int], ...]:
        """Return the size of each kind of piece in the prompt, in bytes."""
        sizes: dict[PieceKind, int] = {}
        for piece in self.pieces:
            sizes[piece.kind] = sizes.get(piece.kind, 0) + len(piece.line.encode())
        return tuple(sizes.items())

    def groundable_text(self) -> str:
        """Return the text that values of an answer may be copied from.

        Pieces that may quote a mistake are left out, and so are titles, labels and notes.
        """
        texts: list[str] = []
        for piece in self.pieces:
            if piece.continues:
                texts[-1] += piece.text
            elif piece.text and piece.kind not in QUOTES_MISTAKES:
                texts.append(piece.text)
        return "\n".join(texts)

    def sources(self, tier: str = "") -> PromptSources:
        """Return what the guard is told about this prompt, which was sent to `tier`.

        A line of several pieces counts piece by piece, and as a whole only if all of it is trusted. What quotes a
        mistake endorses nothing; if it came from outside, it still counts against a value.
        """
        shown = [
            Source(piece.text, piece.provenance)
            for piece in self.pieces
            if piece.text and not (piece.kind in QUOTES_MISTAKES and piece.provenance.is_trusted)
        ]
        lines: list[list[Piece]] = []
        for piece in self.pieces:
            if piece.continues:
                lines[-1].append(piece)
            else:
                lines.append([piece])
        for line in lines:
            label = join(piece.provenance for piece in line)
            if len(line) > 1 and label.is_trusted:
                shown.append(Source("".join(piece.text for piece in line), label))
        return PromptSources(sources=tuple(shown), is_tainted=self.is_tainted, tier=tier)

    @property
    def is_tainted(self) -> bool:
        """Whether any piece came from outside, even in part."""
        return any(not piece.provenance.is_trusted for piece in self.pieces)


def _user(lines: list[str]) -> tuple[Message, ...]:
    return (Message("user", "\n".join(lines)),) if lines else ()


def _turn(piece: Piece, call: RawCall) -> tuple[Message, Message]:
    """The two messages of an earlier call. In a message of its own, no line of its text can pass for ours."""
    result = f"{piece.label}{piece._shown}{piece.note}"
    made = replace(call, arguments=harmless(call.arguments))
    return Message("assistant", "", (made,)), Message("tool", result, call_id=call.call_id)


def harmless(text: str) -> str:
    """Return `text` from outside with the control tokens of chat templates made harmless."""
    return _CONTROL.sub(_harmless, text)


def _harmless(match: re.Match[str]) -> str:
    return "\u2039" if match[0] == "<" else "("
