"""Replacing a piece of a text, and what is nearest to a piece that is not in it. Pure.

Invariants: only an exact piece is replaced, so a near miss changes nothing and is shown as it is in the text; line
endings stay those of the text; the work that any text can cause is bounded.
"""

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from msgspec import Struct

_LINES_COMPARED = 200_000
_LINES_SCORED = 20
_LINE_CHARS = 300
_LEAST_LIKE = 0.5
_PLACES_SHOWN = 5
_PASSAGE_LINES = 12
_PASSAGE_CHARS = 700
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "`": "'"})
_WORDS = re.compile(r"\w+")


class Passage(Struct, frozen=True):
    """Whole lines of a text, exactly; `start` is the number of the first, from 1."""

    start: int
    lines: tuple[str, ...]

    @property
    def place(self) -> str:
        """Return where it is: `line 7`, `lines 7 to 9`."""
        end = self.start + len(self.lines) - 1
        return f"line {self.start}" if end == self.start else f"lines {self.start} to {end}"

    @property
    def text(self) -> str:
        """Return the lines as one text, its end left out if it is long."""
        return "\n".join(self.lines[:_PASSAGE_LINES])[:_PASSAGE_CHARS]


def with_endings_of(text: str, piece: str) -> str:
    """Return `piece` with the line endings of `text`, if those are all CRLF; else as it is."""
    ends = text.count("\r\n")
    if not ends or ends != text.count("\n"):
        return piece
    return piece.replace("\r\n", "\n").replace("\n", "\r\n")


def lines_of(text: str, piece: str) -> list[int]:
    """Return the number of the line in which each occurrence of `piece` begins, of many the first."""
    numbers: list[int] = []
    at, line = text.find(piece), 1
    before = 0
    while at >= 0 and len(numbers) < _PLACES_SHOWN:
        line += text.count("\n", before, at)
        numbers.append(line)
        before = at
        at = text.find(piece, at + len(piece))
    return numbers


def nearest(text: str, piece: str) -> Passage | None:
    """Return the passage of `text` that is most like `piece`, None if nothing is."""
    lines = text.splitlines()[:_LINES_COMPARED]
    folded = [_folded(line) for line in lines]
    wanted = [_folded(line) for line in piece.splitlines()]
    said = [number for number, line in enumerate(wanted) if line]
    if not said:
        return None
    wanted = wanted[said[0] : said[-1] + 1]
    start = _by_equal_lines(folded, wanted)
    if start is None:
        start = _by_words(folded, wanted)
    if start is None:
        return None
    start = max(0, min(start, len(lines) - 1))
    return Passage(start + 1, tuple(lines[start : start + len(wanted)]))


def difference(passage: Passage, piece: str) -> str:
    """Say what differs between a passage and the piece that was looked for."""
    there, here = "\n".join(passage.lines), "\n".join(piece.splitlines())
    steps: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("white space", lambda text: "".join(text.split())),
        ("quotation marks", lambda text: text.translate(_QUOTES).replace('"', "'")),
        ("upper and lower case", str.casefold),
    )
    for count in range(1, 1 << len(steps)):
        chosen = [step for place, step in enumerate(steps) if count >> place & 1]
        one, other = there, here
        for _, fold in chosen:
            one, other = fold(one), fold(other)
        if other and other in one:
            return " and ".join(name for name, _ in chosen)
    for number, (one, other) in enumerate(zip(passage.lines, here.strip("\n").split("\n"), strict=False)):
        if one != other:
            return f"line {passage.start + number} is not {other[:_LINE_CHARS]!r}"
    return "their number of lines"


def _by_equal_lines(lines: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Where most lines equal those wanted, but for white space, case and quotes; or where one line contains them."""
    places = defaultdict(list)
    for offset, line in enumerate(wanted):
        if line:
            places[line].append(offset)
    votes: Counter[int] = Counter()
    for number, line in enumerate(lines):
        for offset in places.get(line, ())[:_LINES_SCORED]:
            votes[number - offset] += 1
    if votes:
        return max(votes, key=lambda start: (votes[start], -start))
    if len(wanted) == 1:
        return next((number for number, line in enumerate(lines) if wanted[0] in line), None)
    return None


def _by_words(lines: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Where a line is most like the longest of those wanted."""
    offset = max(range(len(wanted)), key=lambda place: len(wanted[place]))
    line = wanted[offset][:_LINE_CHARS]
    words = set(_WORDS.findall(line))

    def shared(number: int) -> int:
        return len(words.intersection(_WORDS.findall(lines[number][:_LINE_CHARS])))

    scored = sorted(range(len(lines)), key=shared, reverse=True)[:_LINES_SCORED]
    matcher = difflib.SequenceMatcher(b=line, autojunk=False)
    best, likeness = None, _LEAST_LIKE
    for number in scored:
        matcher.set_seq1(lines[number][:_LINE_CHARS])
        if matcher.quick_ratio() > likeness and matcher.ratio() > likeness:
            best, likeness = number - offset, matcher.ratio()
    return best


def _folded(line: str) -> str:
    return " ".join(line.split()).translate(_QUOTES).replace('"', "'").casefold()
