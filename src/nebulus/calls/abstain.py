"""What looks like a call and is not meant as one: quoted, hypothetical, taken back, or an echo.

Laws: only what stands right around a call is heard, so that a sentence far away can't hide one; what is
taken back after it was made is doubtful, and said to be.
"""

import re

from nebulus.calls.dialect import Block
from nebulus.calls.scan import is_in_code

NEAR = 160
"""How many characters on each side of a call are heard: about two lines."""

_LEADS = re.compile(
    r"(?:\bexamples?\b|\be\.?g\b|\bfor instance\b|\bsuch as\b|\bhypothetical\w*|\binstead of\b|\brather than\b"
    r"|\b(?:do not|don't|never|won't|will not|can't|cannot|must not|mustn't|should not|shouldn't|not to)\b"
    r"(?:\s+\w+){0,3}"
    r"|\bwould(?:\s+(?:have|be|look|write|call|use|run|send|say|like|been))*\b"
    r"|\bcould(?:\s+(?:have|be|look|write|call|use|run|send))*\b"
    r"|\b(?:the|this|following|correct|right|proper)\s+(?:\w+\s+)?(?:syntax|format|template)(?:\s+(?:is|looks|like|this))*"
    r"|\blooks? like(?: this)?"
    r"|\b(?:says?|said|reads?|contains?|quotes?|wrote|returned))"
    r"[\s:(\"'*_-]*\Z",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[.!?;,\n](?=\s)")
_RETRACTION = re.compile(
    r"\b(?:never mind|on second thought|scratch that|ignore (?:that|this|the above)|just an example|only an example"
    r"|for illustration|is an example|was an example"
    r"|(?:do not|don't|did not|didn't|won't|will not|not going to|should not|shouldn't|not to be)"
    r" (?:actually )?(?:run|execute|call|send|make|do)\w*(?: (?:that|this|it))?)\b|\(example\)",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb", "`": "`"}


def is_quoted(text: str, block: Block) -> bool:
    """Whether a block stands in quotes, in inline code, in a quotation, or behind words that say so."""
    before = text[max(block.start - NEAR, 0) : block.start]
    after = text[block.end : block.end + 1]
    last = before[-1:]
    if last in _QUOTES and after == _QUOTES[last]:
        return True
    line = before[before.rfind("\n") + 1 :]
    if line.lstrip().startswith(">") or is_in_code(text, block.start):
        return True
    return is_led_in(before)


def is_led_in(before: str) -> bool:
    """Whether the clause before a call says that it is an example, a format, a quotation, or not to be made."""
    clause = _CLAUSE.split(before.rstrip()[-NEAR:] + " ")
    said = next((part for part in reversed(clause) if part.strip()), "")
    return _LEADS.search(said) is not None


def is_retracted(text: str, block: Block) -> bool:
    """Whether the words right behind a block take it back."""
    return _RETRACTION.search(text[block.end : block.end + NEAR]) is not None


def is_echo(text: str, block: Block, shown: str) -> bool:
    """Whether a block stands word for word in what the model was shown."""
    piece = text[block.start : block.end].strip()
    return bool(shown) and len(piece) > 8 and piece in shown
