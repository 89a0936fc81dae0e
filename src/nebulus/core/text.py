"""Rules about text that several parts share: whole values in a text, what can be recorded, what names a secret.

Invariants: every function is total, pure, and takes time linear in its text.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

LOOKED_AT_CHARS = 1 << 20
"""The most of one text that rules examine: far more than any prompt contains, and milliseconds of work."""
KEPT_CHARS = 4 << 20
"""The most of one tool result that is kept; how much was left out is said at its end."""
ERROR_CHARS = 500
"""The most of an exception's message that is kept."""
HIDDEN = "[redacted]"
"""Replaces a value that only its name or its form shows to be a secret."""

_NAMED = re.compile(
    r"(?:passw(?:or)?d|passphrase|secret|api[ _-]?key|access[_-]?key|auth[_-]?token|access[_-]?token"
    r"|private[_-]?key|client[_-]?secret)\\{0,3}[\"']?\s*[:=]\s*\\{0,3}[\"']?"
    r"(?P<value>(?:[^\s\"',;(){}\[\]<>\\]|\\(?![\"'\\])){8,})",
    re.IGNORECASE,
)
"""A name that says secret, and the value that follows it."""
_SHAPED = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]|-(?!-{4}))*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
    r"|\b(?:sk|rk|pk)-[A-Za-z0-9_-]{20,}"
    r"|\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}|\bglpat-[A-Za-z0-9_-]{20,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{35}|\b(?:hf|npm|gsk)_[A-Za-z0-9]{30,}"
    r"|\bxox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
    r"|\bBearer\s+[\w.~+/-]{16,}=*"
)
"""Source: the documented forms of PEM keys (RFC 7468), of keys of OpenAI, Anthropic, Stripe, GitHub, GitLab,
AWS, Google, Hugging Face, npm, Groq and Slack, of RFC 7519 tokens, and of RFC 6750 credentials."""
_NAMES = ("passw", "passphrase", "secret", "api", "access", "auth", "private", "client")
_SHAPES = (
    *(
        "-----BEGIN ",
        "sk-",
        "rk-",
        "pk-",
        "sk_",
        "rk_",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
    ),
    *("glpat-", "AKIA", "ASIA", "AIza", "hf_", "npm_", "gsk_", "xox", "eyJ", "Bearer"),
)
"""How everything begins that the two patterns match: a search for words is a hundred times faster."""
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def bounded(text: str, most_chars: int) -> str:
    """Return `text`, or its first `most_chars` characters and how many are not shown."""
    if len(text) <= most_chars:
        return text
    return f"{text[:most_chars]}… [{len(text) - most_chars} more characters not shown]"


def clean(text: str) -> str:
    """Return `text` with what is not Unicode (lone surrogates, raw bytes of a file name) escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def message_of(error: BaseException) -> str:
    """Return what an exception says of itself, clean and bounded; it may be unable to say anything."""
    try:
        said = str(error)
    except Exception as failed:  # noqa: BLE001 - foreign code; what it raises is reported in the text
        said = f"(its message can't be read: {type(failed).__name__})"
    return bounded(clean(said), ERROR_CHARS)


def without_keys(text: str) -> str:
    """Return `text` with each value hidden whose name or whose form shows that it is a secret."""
    lowered = text.translate(_LOWER)
    found = [(place, _NAMED) for name in _NAMES if name in lowered for place in _positions(name, lowered)]
    found += [(place, _SHAPED) for shape in _SHAPES if shape in text for place in _positions(shape, text)]
    parts: list[str] = []
    read = words_end = 0
    for place, pattern in sorted(found, key=lambda pair: pair[0]):
        is_name = pattern is _NAMED
        match = pattern.match(text, place) if place >= (words_end if is_name else read) else None
        if match is None:
            continue
        start, end = match.span("value" if is_name else 0)
        words_end = max(words_end, end)
        if not is_name or _is_telling(match):
            parts += (text[read:start], HIDDEN)
            read = end
    return "".join((*parts, text[read:])) if parts else text


def _positions(word: str, text: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + len(word))


def _is_telling(match: re.Match[str]) -> bool:
    """Whether the value that follows a telling name is plainly not a word of code or of prose."""
    value = match["value"]
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value))


# Whole values in a text -------------------------------------------------------------------------------------

Scalar: TypeAlias = str | int | float | bool | None

_JOINING = frozenset("_@/\\+-=&#%~")
"""Characters that make one word of what is on both sides of them."""
_PUNCTUATION = frozenset(".,:;'\u2019!?")
"""Characters that end a word, unless a letter or digit follows at once."""
_INTRODUCING = frozenset("=:,;#")
"""Characters that introduce a value: `path=a.txt`, `to:Oslo`, `a,b`, `#123`. Between two digits they join."""
_POSSESSIVE = re.compile(r"['\u2019]s(?!\w)")
_NUMBER = re.compile(r"(?<![\w.,])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w%]|[.,]\d)")
_EDGE_CHARS = 3
"""How far beyond a value its edge is decided."""
_COMPARED_CHARS = 4_000_000
"""The most characters that are compared for one value, so that a text which repeats itself costs no more."""


def stands_in(value: Scalar, text: str) -> bool:
    """Return whether `text` contains `value` as a whole, not as a piece of a longer word, path or address.

    A string must match exactly, except that any run of white space in `text` counts as one blank. A number
    matches any way to write the same number. Null, a truth value and blank text are never contained.
    """
    match value:
        case None | bool():
            return False
        case str():
            if not value.strip() or value != value.strip():
                return False
            return _contains(text, value) or _contains(" ".join(text.split()), value)
        case _:
            wanted = _decimal(str(value))
            return wanted is not None and any(wanted == _decimal(found) for found in _NUMBER.findall(text))


def _decimal(number: str) -> Decimal | None:
    try:
        return Decimal(number.replace(",", ""))
    except InvalidOperation:  # Not a number, so it equals none.
        return None


def _contains(text: str, wanted: str) -> bool:
    return any(
        _starts_word(text[max(0, at - _EDGE_CHARS) : at], wanted[0])
        and _ends_word(text[at + len(wanted) : at + len(wanted) + _EDGE_CHARS], wanted[-1])
        for at in _places(text, wanted)
    )


def _places(text: str, wanted: str) -> Iterator[int]:
    at = -1
    for _ in range(1 + _COMPARED_CHARS // len(wanted)):
        at = text.find(wanted, at + 1)
        if at < 0:
            return
        yield at


def _starts_word(before: str, first: str) -> bool:
    """Return whether a word may start with `first` behind the text `before`."""
    if before[-1:] in _INTRODUCING and before:
        return not (first.isdigit() and before[-2:-1].isdigit())
    return _is_edge(before[::-1])


def _ends_word(after: str, last: str) -> bool:
    """Return whether a word may end with `last` in front of the text `after`."""
    if _POSSESSIVE.match(after):
        return True
    if after[:1] in (",", ";") and after:
        return not (last.isdigit() and after[1:2].isdigit())
    return _is_edge(after)


def _is_edge(beyond: str) -> bool:
    """Return whether a word ends where `beyond` begins, read away from the word."""
    if not beyond:
        return True
    if beyond[0].isalnum() or beyond[0] in _JOINING:
        return False
    return not (beyond[0] in _PUNCTUATION and beyond[1:2].isalnum())


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: "1 step", "2 steps"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names) or 'none'}"
