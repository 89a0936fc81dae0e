"""How much evidence there is that a call is meant: by where it is, by its marks, and by the words around it.

Invariants: only structure refutes a call for certain (quotation marks, code, comments, tags, another role's
mark); words can only leave a doubt; two calls with nothing but a joint between them share their words.
"""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from nebulus.calls.dialect import Block
from nebulus.calls.names import words_of
from nebulus.calls.scan import is_in_code
from nebulus.calls.wording import doubt_before, doubt_behind
from nebulus.core.findings import CallEvidence

_JOINT = re.compile(r"(?:[\s,;+&|`*.)-]|\band\b|\bthen\b|\balso\b|\bnext\b|\d{1,2}[.)])*\Z", re.IGNORECASE)
_QUOTES = {
    '"': '"',
    "'": "'",
    "\u201c": "\u201d",
    "\u2018": "\u2019",
    "\u00ab": "\u00bb",
    "`": "`",
    "\u201e": "\u201c",
}
_BLOCK_QUOTES = ("'''", '"""', "~~~", "~~")
_TAG = re.compile(r"<([A-Za-z][\w:.-]{0,40})[^<>]{0,80}>\s*\Z")
_COMMENTS = (("<!--", "-->"), ("/*", "*/"))
_ROLE = re.compile(
    r"<\|(?:im_start|start_header_id)\|>\s*(?!assistant)\w+|<start_of_turn>\s*user|<\|(?:user|system|observation|tool)\|>"
    r"|\[/?INST\]|<</?SYS>>|^[ \t>*#]*(?:user|human|system|instruction|observation|output|result|tool (?:result|output|response))s?"
    r"\b[^\n:]{0,20}:|^[ \t]*(?:\"\"\"|\'\'\'|<jupyter_\w+>|\#[ ]?[\w/]+\.py\b)",
    re.IGNORECASE | re.MULTILINE,
)
"""What begins another role's turn, or another file: nothing behind it is the model's own answer."""
_NEXT_TURN = re.compile(
    r"^[ \t]*#{2,}\s*(?:response|end\b|inst)|^(?:import \w+|from [\w.]+ import |def \w+\()",
    re.IGNORECASE | re.MULTILINE,
)
_SHORTEST_ECHO = 9
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_SPOKEN = 200
"""So much of a value may be repeated by words around its call."""
_BLANKS = " \t\r\n`*"


class Graded(Struct, frozen=True):
    """A block of calls with the evidence that they are meant, and what speaks against more."""

    block: Block
    evidence: CallEvidence
    why: str = ""


class _Group(Struct):
    """Blocks with nothing but joints between them, and the words on both sides."""

    blocks: list[Block]
    before: str = ""
    behind: str = ""


def graded(parts: Sequence[str | Block], text: str, shown: str) -> list[Graded]:
    """Return the blocks among `parts` of `text`, in order, each with its evidence."""
    grades: list[Graded] = []
    is_foreign = False
    for group in _groups(parts):
        is_foreign = is_foreign or _ROLE.search(group.before) is not None
        ends = [found.start() for turn in (_ROLE, _NEXT_TURN) if (found := turn.search(group.behind))]
        behind = group.behind[: min(ends, default=len(group.behind))]
        refuted = "it is behind the mark of another role" if is_foreign else _refuted(group, text)
        if refuted:
            grades.extend(Graded(block, CallEvidence.REFUTED, refuted) for block in group.blocks)
        else:
            grades.extend(_worded(group, behind, text, shown=shown))
        is_foreign = is_foreign or bool(ends)
    return grades


def _groups(parts: Sequence[str | Block]) -> Iterator[_Group]:
    group, pieces = _Group([]), [""]
    for part in parts:
        if isinstance(part, str):
            pieces.append(part)
            continue
        if part.is_message:
            continue  # the dialect itself says that these words are apart from calls
        words = "".join(pieces)
        if group.blocks and not _JOINT.match(words):
            yield _Group(group.blocks, group.before, words)
            group = _Group([], words)
        elif not group.blocks:
            group.before = words
        group.blocks.append(part)
        pieces = [""]
    if group.blocks:
        yield _Group(group.blocks, group.before, "".join(pieces))


def _refuted(group: _Group, text: str) -> str:
    """Return by what structure calls are refuted, "" for none."""
    before, behind = group.before, group.behind
    last = before[-1:]
    if last in _QUOTES and behind[:1] == _QUOTES[last]:
        return "it is in quotation marks"
    if before.rstrip().endswith(_BLOCK_QUOTES) and behind.lstrip().startswith(_BLOCK_QUOTES):
        return "it is in quotation marks"
    if is_in_code(text, group.blocks[0].start):
        return "it is in inline code"
    if before[before.rfind("\n") + 1 :].lstrip().startswith(">"):
        return "it is in a quotation"
    if any(before.rfind(opener) > before.rfind(closer) for opener, closer in _COMMENTS):
        return "it is in a comment"
    tag = _TAG.search(before[-200:])
    return f"it is inside of <{tag[1]}>" if tag and f"</{tag[1]}" in behind else ""


def _worded(group: _Group, behind: str, text: str, *, shown: str) -> Iterator[Graded]:
    """Yield the evidence of calls that no structure refutes: their marks, and the words around them."""
    has_before, has_behind = bool(group.before.strip(_BLANKS)), bool(behind.strip(_BLANKS))
    why = ""
    if has_before or has_behind:
        own = _own_words(group.blocks)
        why = doubt_before(group.before, own) or doubt_behind(behind, own)
    for block in group.blocks:
        doubt = why or ("it is word for word in what was shown" if _is_echo(block, text, shown) else "")
        if doubt:
            yield Graded(block, CallEvidence.MARKED if block.is_marked else CallEvidence.UNMARKED, doubt)
        elif has_behind or (has_before and not block.is_marked):
            yield Graded(block, CallEvidence.OPENS)
        else:
            yield Graded(block, CallEvidence.ANNOUNCED if has_before else CallEvidence.WHOLE)


def _own_words(blocks: Sequence[Block]) -> frozenset[str]:
    """The words of the names of tools and parameters, and of the texts that they are given."""
    found: set[str] = set()
    for candidate in (each for block in blocks for each in block.candidates):
        found.update(words_of(candidate.name))
        given = candidate.arguments if isinstance(candidate.arguments, dict) else {}
        for name, value in given.items():
            found.update(words_of(name))
            found.update(_LETTERS.findall(str(value)[:_SPOKEN].lower()))
    return frozenset(found)


def _is_echo(block: Block, text: str, shown: str) -> bool:
    """Whether a call is word for word in what the model was shown."""
    if not shown:
        return False
    piece = text[block.start : block.end].strip()
    return len(piece) >= _SHORTEST_ECHO and piece in shown
