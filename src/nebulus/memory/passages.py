"""The passages of a text that say most about what is wanted, for a text that does not fit whole.

Invariants: a passage is copied character for character and never begins or ends inside a word; a run of characters
that can't be divided (an image, a key) is left out whole; the amount left out is known.
"""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from nebulus.core.provenance import Provenance
from nebulus.core.state import Fact
from nebulus.core.text import LOOKED_AT_CHARS
from nebulus.core.tools import Passage
from nebulus.memory.recall import Index

PASSAGE_CHARS = 400
"""A few sentences: long enough to explain a value, short enough that several fit a small window."""
RECORDED_CHARS = 6000
"""What is recorded of a long text for its reading: more than a window of 4,096 tokens can be shown of it."""
WANTED_SHARE = 0.75
"""The share that the wanted words may select; the beginning of the text takes the rest."""
_BREAK = re.compile(r"""[\s"{}\[\];|<>()&]""")
_DIVIDERS = ("\n", ". ", " ", '"', "}", "]", ";", ">", ")", "|", "&")


class Shown(Struct, frozen=True):
    """What a reader is shown of a text, in its order; `left_out_bytes` is how much more there is."""

    passages: tuple[Passage, ...]
    left_out_bytes: int = 0


def passages_of(text: str, wanted: str, *, most_chars: int = RECORDED_CHARS) -> tuple[Passage, ...]:
    """Return the passages of `text` that share most words with `wanted`, best first, and then its beginning.

    Of a longer text, only the first `LOOKED_AT_CHARS` are examined.
    """
    pieces = tuple(_pieces(text[:LOOKED_AT_CHARS]))
    ranked = _ranked(pieces, wanted) if len(text) > most_chars else ()
    kept: dict[int, Passage] = {}
    left = most_chars
    for some, floor in ((ranked, (1 - WANTED_SHARE) * most_chars), (pieces, 0.0)):
        for piece in some:
            if piece.start not in kept and left - len(piece.text) >= floor:
                kept[piece.start] = piece
                left -= len(piece.text)
    return tuple(kept.values())


def shown_of(passages: Sequence[Passage], *, size_bytes: int, room_bytes: int) -> Shown:
    """Return as many of `passages`, given best first, as have room, at least one; adjacent ones are joined again."""
    kept: list[Passage] = []
    left = room_bytes
    for piece in passages:
        left -= len(piece.text.encode()) + 1
        if kept and left < 0:
            break
        kept.append(piece)
    joined: list[Passage] = []
    for piece in sorted(kept, key=lambda each: each.start):
        last = joined[-1] if joined else None
        if last is not None and last.start + len(last.text) == piece.start:
            joined[-1] = Passage(last.text + piece.text, last.start, last.line)
        else:
            joined.append(piece)
    shown_bytes = sum(len(piece.text.encode()) for piece in kept)
    return Shown(tuple(joined), max(0, size_bytes - shown_bytes))


def _ranked(pieces: Sequence[Passage], wanted: str) -> tuple[Passage, ...]:
    facts = tuple(
        Fact(step=place, value=piece.text, provenance=Provenance()) for place, piece in enumerate(pieces)
    )
    found = Index().covering(facts).closest(wanted, most=len(pieces))
    return tuple(pieces[fact.step] for fact in found)


def _pieces(text: str) -> Iterator[Passage]:
    """Yield all of `text` in order, except for what can't be divided."""
    start, line, counted = 0, 1, 0
    while start < len(text):
        end = _end_of_piece(text, start)
        if end > start:
            line, counted = line + text.count("\n", counted, start), start
            yield Passage(text[start:end], start, line)
            start = end
            continue
        after = _BREAK.search(text, start + PASSAGE_CHARS)
        start = after.end() if after else len(text)


def _end_of_piece(text: str, start: int) -> int:
    """Where a piece from `start` ends: after a line, a sentence or a word; `start` itself if nothing divides it."""
    most = start + PASSAGE_CHARS
    if most >= len(text):
        return len(text)
    ends = [
        text.rfind(divider, start, most) + len(divider)
        for divider in _DIVIDERS
        if divider in text[start:most]
    ]
    late = (end for end in ends if end - start > PASSAGE_CHARS // 2)
    return next(late, max(ends, default=start))
