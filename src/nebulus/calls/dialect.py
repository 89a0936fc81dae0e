"""What a dialect is: the markers that open a call in it, and how to take one call there.

Invariants: a dialect finds where a call is and what is written there; whether it is meant, on offer and valid is
not its business. What it can't read it hands back as a problem, with the place where it stopped, and
nothing before that place is read again.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Struct

from nebulus.calls.candidate import Candidate
from nebulus.calls.literal import UnreadableError
from nebulus.core.tools import ToolSpec


class Source:
    """The text that is read, and the tools on offer."""

    def __init__(self, text: str, offered: Mapping[str, ToolSpec]) -> None:
        self.text = text
        self.offered = offered
        self.taken = 0
        """What is before this place was read already: no block may begin there."""
        self._found: dict[str, tuple[int, int]] = {}
        self._matched: dict[re.Pattern[str], tuple[int, re.Match[str] | None]] = {}

    def find(self, needle: str, start: int) -> int:
        """Return where `needle` is at or after `start`, the length of the text if nowhere.

        Asked in rising order, all searches for one needle together look at the text once.
        """
        asked, found = self._found.get(needle, (0, -1))
        if asked <= start <= found:
            return found
        place = self.text.find(needle, start)
        self._found[needle] = (start, len(self.text) if place < 0 else place)
        return self._found[needle][1]

    def search(self, pattern: re.Pattern[str], start: int) -> re.Match[str] | None:
        """Return the first match of `pattern` at or after `start`; as cheap as `find` in rising order."""
        asked, match = self._matched.get(pattern, (len(self.text) + 1, None))
        if asked <= start and (match is None or start <= match.start()):
            return match
        match = pattern.search(self.text, start)
        self._matched[pattern] = (start, match)
        return match

    def after_first(self, needles: tuple[str, ...], start: int) -> int:
        """Return where the first of `needles` at or after `start` ends; the length of the text if none does."""
        places = [(self.find(needle, start), needle) for needle in needles]
        place, needle = min(places, default=(len(self.text), ""))
        return min(place + len(needle), len(self.text))


class Block(Struct, frozen=True, kw_only=True):
    """A piece of text that a dialect took: from `start` to before `end`.

    It holds calls, or what made them unreadable, or (`is_message`) words or reasoning that the dialect
    marks as such; or nothing.
    """

    start: int
    end: int
    dialect: str = ""
    candidates: tuple[Candidate, ...] = ()
    is_message: bool = False
    words: str = ""
    reasoning: str = ""
    problem: UnreadableError | None = None
    is_marked: bool = True
    """Its dialect has marks of its own; without, it is JSON or Python like any other."""


Take: TypeAlias = Callable[[Source, int, int], Block | None]
"""Takes the block whose opener goes from the first to the second place; None for no block after all."""


class Dialect(Struct, frozen=True, kw_only=True):
    """One family's way of writing calls.

    `openers` are the literal markers at which `take` is asked; `noise` are markers that wrap calls and
    say nothing themselves.
    """

    name: str
    openers: tuple[str, ...]
    take: Take
    noise: tuple[str, ...] = ()
