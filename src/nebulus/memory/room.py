"""The room of a prompt, filled by rank until it is used up, and what had to be left out.

Invariant: what is left out is counted, and the prompt says so.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from nebulus.core.prompt import Piece, PieceKind
from nebulus.core.state import Observation
from nebulus.memory.pieces import chars_in, observation_piece, size_of

LEAST_OBSERVATION_BYTES = 200
"""If less room than this is left, an observation is left out."""

_T = TypeVar("_T")


class Room:
    """The rest of `room_bytes`; items take room in the order in which they come."""

    def __init__(self, room_bytes: int) -> None:
        self.left = room_bytes
        self._missing: dict[str, int] = {}

    def fits(self, *pieces: Piece) -> bool:
        """Take the room for all of `pieces` if there is enough, and return whether there was."""
        size = sum(size_of(piece.line) for piece in pieces)
        if size > self.left:
            return False
        self.left -= size
        return True

    def taken(
        self, kind: str, items: Iterable[_T], piece_of: Callable[[_T], Piece]
    ) -> list[tuple[_T, Piece]]:
        """Return the items that fit, each with its piece; the others are missed as `kind`."""
        taken = []
        for item in items:
            piece = piece_of(item)
            if self.fits(piece):
                taken.append((item, piece))
            else:
                self.miss(kind, 1)
        return taken

    def observed(
        self,
        seen: Observation,
        *,
        most_chars: int,
        most_bytes: int,
        name: str = "Last",
        has_arguments: bool = False,
    ) -> Piece | None:
        """Return the piece of an observation, as much of it as there is room for, or None if that is too little."""
        shown = partial(observation_piece, name=name, has_arguments=has_arguments)
        piece = shown(seen, most_chars)
        room = min(most_bytes, self.left)
        if size_of(piece.line) > room:
            most = room - size_of(shown(seen, 0).line)
            if most < LEAST_OBSERVATION_BYTES:
                self.miss("results", 1)
                return None
            piece = shown(seen, chars_in(seen.text, most))
            over = size_of(piece.line) - room  # what was quoted in it takes more than its own bytes
            if over > 0:
                piece = shown(seen, chars_in(seen.text, most - over))
        self.left -= size_of(piece.line)
        return piece

    def miss(self, kind: str, count: int) -> None:
        """Count what is not shown."""
        if count:
            self._missing[kind] = self._missing.get(kind, 0) + count

    def notice(self) -> Iterator[Piece]:
        """Yield the line that says what is not shown, if anything is missing."""
        missing = ", ".join(f"{count} {kind}" for kind, count in self._missing.items())
        if missing:
            yield Piece(PieceKind.NOTICE, label=f"Not shown for want of room: {missing}")
