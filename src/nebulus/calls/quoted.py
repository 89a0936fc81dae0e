"""Strings, in every kind of quotes that models write.

Invariants: a string ends at its own closing quote or not at all; a backslash whose meaning is in doubt is
refused; content is never trimmed.
"""

import re
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]

from nebulus.calls.literal import UnreadableError, is_encodable

CLOSING_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019"}
"""Opening quotes and what closes them."""

_BODIES = {
    closer: re.compile(rf"[^{closer}\\]*+(?:\\.[^{closer}\\]*+)*", re.DOTALL)
    for closer in CLOSING_QUOTES.values()
}
_ESCAPE = re.compile(
    r"\\(u[0-9a-fA-F]{4}|U000[0-9a-fA-F]{5}|U0010[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL
)
_CONTROL_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_SELF_ESCAPES = frozenset("\"'\\/")
_CODES = frozenset("uxU")
_BROKEN_CODE = re.compile(
    r"(?<!\\)(?:\\\\)*\\(?:u(?![0-9a-fA-F]{4})|x(?![0-9a-fA-F]{2})|U(?!000[0-9a-fA-F]{5}|0010[0-9a-fA-F]{4}))"
)
"""A character code with too few digits, or beyond Unicode."""
_KEPT_ESCAPES = frozenset("dwsDWS.()[]{}+*?|^-")
"""Escapes of regular expressions, which JSON does not know: the backslash is meant."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f]")


def read_string(text: str, position: int, where: str) -> tuple[str, int, tuple[str, ...]]:
    """Return the string whose opening quote is at `position`, where it ended, and names of edits.

    Raises:
        UnreadableError: it is open at the end, or a backslash in it has more than one meaning.
    """
    opener = text[position]
    plain = _plain_string(text, position) if opener == '"' else None
    if plain is not None:
        return *plain, ()
    body, end, edits = _body(text, position, opener, where=where)
    value, more = _unescaped(body, where, position)
    if not is_encodable(value):
        raise UnreadableError("half a surrogate pair in a string", where=where, reached=end)
    return value, end, (*edits, *more)


def _plain_string(text: str, position: int) -> tuple[str, int] | None:
    """Return the JSON string at `position` and where it ended; None if it is none."""
    body = _BODIES['"'].match(text, position + 1)
    if body is None:
        return None
    end = body.end() + 1
    try:
        value, _ = scanstring(text[position + 1 : end], 0, True)
    except (JSONDecodeError, ValueError):  # not JSON: the tolerant way is asked next
        return None
    is_block = not value and text.startswith('"""', position)
    return None if is_block or not is_encodable(value) else (value, end)


def _body(text: str, position: int, opener: str, *, where: str) -> tuple[str, int, tuple[str, ...]]:
    """Return what is between the quotes, where they ended, and names of edits."""
    closer = CLOSING_QUOTES[opener]
    if opener in "\"'" and text.startswith(opener * 3, position):
        end = text.find(opener * 3, position + 3)
        if end < 0:
            raise UnreadableError("a string is open at the end", where=where, reached=len(text), is_open=True)
        return text[position + 3 : end], end + 3, ("triple quotes",)
    match = _BODIES[closer].match(text, position + 1)
    end = match.end() if match else len(text)
    if match is None or not text.startswith(closer, end):
        raise UnreadableError("a string is open at the end", where=where, reached=len(text), is_open=True)
    names = {'"': (), "'": ("single quotes",)}
    return match.group(), end + 1, names.get(opener, ("typographic quotes",))


def _unescaped(body: str, where: str, position: int) -> tuple[str, tuple[str, ...]]:
    """Return the text of `body`, and names of edits.

    A backslash that JSON does not know stays where no other escape makes it doubtful whether
    backslashes were escaped at all.
    """
    edits = ("raw control character in a string",) if _CONTROL.search(body) else ()
    if "\\" not in body:
        return body, edits
    kinds = {escape[0] for escape in _ESCAPE.findall(body)}
    kept = kinds - _CONTROL_ESCAPES.keys() - _SELF_ESCAPES - _CODES
    has_broken_code = kinds & _CODES and _BROKEN_CODE.search(body)
    if has_broken_code or kept - _KEPT_ESCAPES or (kept and kinds & _CONTROL_ESCAPES.keys()):
        raise UnreadableError(
            "a backslash in a string has more than one meaning", where=where, reached=position
        )
    if kept:
        edits = (*edits, "backslash kept")
    elif "\\\\" not in body and not kinds & {"x", "U"}:
        return _by_json(body), edits
    return _joined(_ESCAPE.sub(_spelled, body)), edits


def _by_json(body: str) -> str:
    """Return what `body`, whose escapes are JSON's or escaped quotes, means: the quick way."""
    plain = body.replace("\\'", "'").replace('\\"', '"').replace('"', '\\"')
    value: str = scanstring(plain + '"', 0, False)[0]
    return value


def _joined(text: str) -> str:
    """Return `text` with surrogates in pairs made one character."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _spelled(match: re.Match[str]) -> str:
    escape = match.group(1)
    if escape in _CONTROL_ESCAPES:
        return _CONTROL_ESCAPES[escape]
    if escape in _SELF_ESCAPES:
        return escape
    if len(escape) > 1:
        return chr(int(escape[1:], 16))
    return match.group()
