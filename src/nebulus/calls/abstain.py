"""What looks like a call and is not meant as one: quoted, hypothetical, taken back, or an echo.

Laws: only the words right around a call are heard, so that a sentence far away can't hide one; what is
certainly quoted is words; what may be meant or not is doubtful, and said to be.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from nebulus.calls.dialect import Block
from nebulus.calls.scan import is_in_code

NEAR = 160
"""How many characters on each side of a call are heard: about two lines."""
_SHORTEST_ECHO = 9

_NOT = r"(?:do not|don't|never|won't|will not|can't|cannot|must not|mustn't|should not|shouldn't|not to|refuse to)"
_LEADS = (
    r"\bexamples?\b(?: (?:of|for)(?: \w+){1,4})?",
    r"\be\.?g\b|\bfor instance\b|\bsuch as\b|\bhypothetical\w*|\binstead of\b|\brather than\b",
    rf"\b{_NOT}\b(?: \w+){{0,3}}",
    r"\bwould(?: (?:have|be|look|write|call|use|used|called|run|send|say|like|been))*",
    r"\bcould(?: (?:have|be|look|write|call|use|used|called|run|send))*",
    r"\b(?:the|this|following|correct|right|proper) (?:\w+ )?(?:syntax|format|template)(?: (?:is|looks|like|this))*",
    r"\blooks? like(?: this)?",
    r"\b(?:says?|said|reads?|quotes?|wrote|returned)|\bcontains?(?: the(?: following)?(?: text| words)?)?",
    r"\b(?:result|output|response|answer) was",
    r"\bas (?:shown|written|stated|described|documented|seen)(?: (?:in|by|on) [^!?\n]{1,60})?",
    r"\A\s*(?:in|from) (?:the|this|that) (?:docs?|documentation|file|page|manual|article|log)",
)
"""How the clause before a call ends when the call is an example, a format, a quotation, or not to be made."""
_LED_IN = re.compile(rf"(?:{'|'.join(_LEADS)})[\s:(\"'*_-]*\Z", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[.!?;,\n](?=\s)")

_DOUBTED_BEFORE = re.compile(
    r"\b(?:(?:should|shall|may|can|could) i|do you want|would you like)\b[^.!?\n]{0,80}\?\s*\Z"
    r"|\b(?:previously|earlier|already)\b[^.!?\n]{0,30}\s*\Z|(?<!you )\btold me(?: to \w+)?[\s:]*\Z",
    re.IGNORECASE,
)
"""Words before a call that ask for leave, tell of the past, or name another as its author."""
_DOUBTED_BEHIND = re.compile(
    r"\b(?:never mind|on second thought|scratch that|ignor(?:e|ed|ing) (?:that|this|it|the above)|which i ignore"
    r"|for illustration|(?:is|was|just|only|merely) an example|if you(?: would|'d)? (?:want|like) me to"
    r"|(?:do not|don't|did not|didn't|won't|will not|not going to|should not|shouldn't|not to be)"
    r" (?:actually )?(?:run|execute|call|send|make|do|follow|obey)\w*)\b|\(example\)",
    re.IGNORECASE,
)
"""Words behind a call that take it back, or leave it to the reader."""
_SENTENCE_GOES_ON = re.compile(r"[.?!,;:)]|[ \t]+[a-z]")
_TOKEN = re.compile(r"<[|｜]|\[[A-Z]")
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb", "`": "`"}
_FENCES = ("'''", '"""', "~~~")


class Around(Struct, frozen=True):
    """The words around a call, up to the calls next to it: at most `NEAR` characters on each side.

    `is_token`: it begins with a control token of its model, which no writer uses to mention a call.
    """

    before: str
    behind: str
    is_in_code: bool = False
    is_token: bool = False


def around(text: str, blocks: Sequence[Block]) -> list[Around]:
    """Return the words around each of `blocks`, which stand in order."""
    starts = [*(block.start for block in blocks[1:]), len(text)]
    ends = [0, *(block.end for block in blocks)]
    return [
        Around(
            text[max(end, block.start - NEAR) : block.start],
            text[block.end : min(start, block.end + NEAR)],
            is_in_code(text, block.start),
            _TOKEN.match(text, block.start) is not None,
        )
        for block, end, start in zip(blocks, ends, starts, strict=False)
    ]


def is_quoted(words: Around) -> bool:
    """Whether a call stands in quotes, in inline code, in a quotation, or behind words that say so."""
    last = words.before[-1:]
    if last in _QUOTES and words.behind[:1] == _QUOTES[last]:
        return True
    if words.before.rstrip().endswith(_FENCES) and words.behind.lstrip().startswith(_FENCES):
        return True
    line = words.before[words.before.rfind("\n") + 1 :]
    return words.is_in_code or line.lstrip().startswith(">") or is_led_in(words.before)


def is_led_in(before: str) -> bool:
    """Whether the clause before a call says that it is an example, a format, a quotation, or not to be made."""
    clauses = _CLAUSE_END.split(before.rstrip()[-NEAR:] + " ")
    said = next((clause for clause in reversed(clauses) if clause.strip()), "")
    return _LED_IN.search(said) is not None


def is_doubted(words: Around) -> bool:
    """Whether the words around a call leave it open whether it is meant, or take it back."""
    line = words.before[words.before.rfind("\n") + 1 :]
    is_mention = (
        bool(line.strip()) and not words.is_token and _SENTENCE_GOES_ON.match(words.behind) is not None
    )
    return (
        is_mention
        or _DOUBTED_BEFORE.search(words.before) is not None
        or _DOUBTED_BEHIND.search(words.behind) is not None
    )


def is_echo(text: str, block: Block, shown: str) -> bool:
    """Whether a call stands word for word in what the model was shown."""
    piece = text[block.start : block.end].strip()
    return bool(shown) and len(piece) >= _SHORTEST_ECHO and piece in shown
