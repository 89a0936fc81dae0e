"""Finds a known value in a text that contains it encoded.

Escapes (percent, backslash, HTML, quoted-printable) may nest, and may cover some of the characters only, so
they are decoded, level by level, and each level knows which part of the text it came from. Encodings of whole
values (base64, hex and their relatives) are computed once for each value and searched for at every level.

Invariants: time is linear in the text; a span that is found is given in the original text.
"""

import base64
import html
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, quote_plus

LEVELS = 3
"""How often escapes are decoded: percent in JSON in JSON. Each level is at most as long as the one before."""
LEAST_FORM_CHARS = 8
"""A shorter form of a value would be found in texts that do not contain the value."""

_X = "[0-9a-fA-F]"


def _utf8(prefix: str) -> str:
    """The pattern of one character as escaped bytes: a whole UTF-8 sequence, else a single byte."""
    one, more = prefix + _X, f"{prefix}[89abAB]{_X}"
    lead = f"{prefix}[cCdD]{_X}{more}|{prefix}[eE]{_X}{more}{more}|{prefix}[fF][0-7]{more}{more}{more}"
    return f"{lead}|{one}{_X}"


_PERCENT, _BACKSLASH_X, _EQUALS = _utf8("%"), _utf8(r"\\x"), _utf8("=")
_ESCAPE = re.compile(
    rf"%u{_X}{{4}}|{_PERCENT}"
    rf"|\\u[dD][89abAB]{_X}{{2}}\\u[dD][c-fC-F]{_X}{{2}}|\\u{_X}{{4}}|\\u\{{{_X}{{1,6}}\}}|\\U{_X}{{8}}"
    rf"|{_BACKSLASH_X}|\\[0-3][0-7]{{2}}|\\\r?\n|\\[^A-Za-z0-9\r\n]|\\[nrtbfe]"
    r"|&(?:\#[0-9]{1,8}|\#[xX][0-9a-fA-F]{1,7}|[A-Za-z][A-Za-z0-9]{1,31});"
    r"|[\uff01-\uff5e]"
)
_QUOTED_PRINTABLE = re.compile(rf"=\r?\n|{_EQUALS}")
_FILLER = re.compile(r"\r?\n[ \t]{0,80}|[\0\u00ad\u200b-\u200f\u2060\ufeff]|\x1b\[[0-9;]{0,16}m")
"""What may divide a value without being seen: the end of a line, characters without width, colours."""
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "e": "\x1b"}


class Span(NamedTuple):
    """Characters `start` up to `end` of a text."""

    start: int
    end: int


class _Level:
    """A text as it reads once some of its tokens are decoded, with the way back to the text itself.

    `places` are where the decoded tokens begin in `text`; `tokens` are how many characters each gives here,
    and where it begins and ends one level below.
    """

    def __init__(
        self,
        text: str,
        *,
        places: Sequence[int] = (),
        tokens: Sequence[tuple[int, int, int]] = (),
        below: "_Level | None" = None,
    ) -> None:
        self.text, self._places, self._tokens, self._below = text, places, tokens, below

    def origin(self, span: Span) -> Span:
        """Return the part of the original text that `span` of this level was decoded from."""
        if self._below is None:
            return span
        return self._below.origin(Span(self._source(span.start).start, self._source(span.end - 1).end))

    def _source(self, place: int) -> Span:
        index = bisect_right(self._places, place) - 1
        if index < 0:
            return Span(place, place + 1)
        length, start, end = self._tokens[index]
        past = place - self._places[index] - length
        return Span(start, end) if past < 0 else Span(end + past, end + past + 1)


def _decoded(level: _Level, pattern: re.Pattern[str], decode: Callable[[str], str]) -> _Level | None:
    """Return `level` with each token of `pattern` decoded, None if that changes nothing."""
    text = level.text
    parts: list[str] = []
    places: list[int] = []
    tokens: list[tuple[int, int, int]] = []
    read = place = 0
    for match in pattern.finditer(text):
        token = match[0]
        shown = decode(token)
        if shown == token:
            continue
        start, end = match.span()
        parts += (text[read:start], shown)
        place += start - read
        places.append(place)
        tokens.append((len(shown), start, end))
        place += len(shown)
        read = end
    if not tokens:
        return None
    return _Level("".join((*parts, text[read:])), places=places, tokens=tokens, below=level)


@lru_cache(maxsize=4096)
def _unescaped(token: str) -> str:
    """Return the character that one escape means."""
    match token[0], token[1:2]:
        case "&", _:
            return html.unescape(token)
        case "%", "u":
            return chr(int(token[2:], 16))
        case ("%", _) | ("\\", "x"):
            return _of_bytes(token)
        case "\\", ("u" | "U"):
            return _of_code(token)
        case "\\", digit if digit and digit in "01234567":  # isdigit() is true of ¹ too
            return chr(int(token[1:], 8))
        case "\\", ("\r" | "\n"):
            return ""
        case "\\", letter:
            return _CONTROL.get(letter, letter)
        case _:
            return chr(ord(token) - 0xFEE0)


def _of_code(token: str) -> str:
    if len(token) == 12:
        return bytes.fromhex(token[2:6] + token[8:]).decode("utf-16-be", "replace")
    code = int(token[2:].strip("{}"), 16)
    return chr(code) if code <= 0x10FFFF else token


def _of_bytes(token: str) -> str:
    raw = bytes.fromhex(re.sub(r"[%=]|\\x", "", token))
    try:
        return raw.decode()
    except UnicodeDecodeError:  # A single byte of another character set.
        return raw.decode("latin-1")


def _unquoted(token: str) -> str:
    return "" if token.endswith("\n") else _of_bytes(token)


def _levels(text: str) -> Iterator[_Level]:
    """Yield the text, and what it reads as with escapes decoded, each as it is and without fillers."""
    level: _Level | None = _Level(text)
    quoted = _decoded(_Level(text), _QUOTED_PRINTABLE, _unquoted)
    if quoted is not None:
        yield quoted
    for _ in range(LEVELS + 1):
        if level is None:
            break
        yield level
        joined = _decoded(level, _FILLER, lambda _: "")
        if joined is not None:
            yield joined
        level = _decoded(level, _ESCAPE, _unescaped)


def spans_by_value(values: tuple[str, ...], text: str) -> dict[str, list[Span]]:
    """Return where `text` contains each of `values`, in any known encoding; spans may overlap.

    The text is decoded once for all of them.
    """
    found: dict[str, list[Span]] = {value: [] for value in values}
    for level in _levels(text):
        for value in values:
            for form in forms_of(value):
                start = level.text.find(form)
                while start >= 0:
                    found[value].append(level.origin(Span(start, start + len(form))))
                    start = level.text.find(form, start + len(form))
    return found


@lru_cache(maxsize=256)
def forms_of(value: str) -> tuple[str, ...]:
    """Return the forms under which `value` may be found once escapes are decoded, each once."""
    forms = {value, value[::-1], value.upper(), value.lower(), value.swapcase(), _FILLER.sub("", value)}
    forms |= {value.replace("'", "''"), value.replace('"', '""'), value.replace("'", "'\"'\"'")}
    forms |= {value.replace("'", "'\\''"), quote_plus(value), quote(value), value.translate(_ROT13)}
    forms |= {_lower_percents(form) for form in (quote_plus(value), quote(value, safe=""))}
    forms |= {value.translate(_LDAP), value.encode("utf-7").decode("ascii"), value.replace(" ", "_")}
    for raw in _raw_forms(value):
        forms |= {*_base64_forms(raw), *_base32_forms(raw), *_digit_forms(raw)}
        forms |= {base64.b85encode(raw).decode(), base64.a85encode(raw).decode(), _base58(raw)}
    for escaped in (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], quote(value)):
        forms |= {*_base64_forms(escaped.encode())}
    return tuple(form for form in sorted(forms) if len(form) >= min(len(value), LEAST_FORM_CHARS))


def _raw_forms(value: str) -> set[bytes]:
    """The bytes of a value: UTF-8, as Windows and PowerShell write it, and Latin-1 where that differs."""
    forms = {value.encode(), value.encode("utf-16-le")}
    is_latin = all(ord(character) < 256 for character in value)
    return forms | {value.encode("latin-1")} if is_latin else forms


def _lower_percents(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), text)


_ROT13 = {
    **{ord("a") + i: ord("a") + (i + 13) % 26 for i in range(26)},
    **{ord("A") + i: ord("A") + (i + 13) % 26 for i in range(26)},
}
_LDAP = {ord(character): f"\\{ord(character):02x}" for character in "\\*()\0"}
"""Source: RFC 4515 section 3."""
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SISTERS = tuple(
    str.maketrans(_ALPHABET, sister)
    for sister in (
        _ALPHABET[:62] + "-_",  # URL-safe, RFC 4648 section 5
        _ALPHABET[:62] + "+,",  # mailboxes of IMAP, RFC 3501 section 5.1.3
        "".join(map(chr, range(32, 96))),  # uuencode, POSIX
        "`" + "".join(map(chr, range(33, 96))),  # the same, without blanks
        "./0123456789" + _ALPHABET[:52],  # crypt(3)
    )
)
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BASE32_HEX = str.maketrans(_BASE32, "0123456789ABCDEFGHIJKLMNOPQRSTUV")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def _base64_forms(raw: bytes) -> Iterator[str]:
    """The value in base64 at each of three offsets, in sister alphabets, and in base64 twice."""
    for core in _cores(raw, base64.b64encode, group=3):
        yield core
        yield from (core.translate(sister) for sister in _SISTERS)
        yield from _cores(core.encode(), base64.b64encode, group=3)
    yield base64.b64encode(raw).decode()
    yield base64.urlsafe_b64encode(raw).decode()


def _base32_forms(raw: bytes) -> Iterator[str]:
    for core in (*_cores(raw, base64.b32encode, group=5), base64.b32encode(raw).decode()):
        yield from (core, core.lower(), core.translate(_BASE32_HEX), core.translate(_BASE32_HEX).lower())


def _cores(raw: bytes, encode: Callable[[bytes], bytes], *, group: int) -> Iterator[str]:
    """The characters of an encoding that `raw` alone decides, wherever in a group of bytes it begins.

    A group of 3 bytes is 4 characters of base64, one of 5 bytes 8 characters of base32.
    """
    bits = {3: 6, 5: 5}[group]
    for offset in range(group):
        text = encode(bytes(offset) + raw).decode()
        first = -(-offset * 8 // bits)
        last = (offset + len(raw)) * 8 // bits
        yield text[first:last]


def _digit_forms(raw: bytes) -> Iterator[str]:
    """The bytes as numbers: hex as programs print it, decimal lists, bits."""
    for form in (raw.hex(), raw.hex().upper()):
        pairs = [form[i : i + 2] for i in range(0, len(form), 2)]
        yield form
        yield from (between.join(pairs) for between in (" ", ":", "-", ",", ", ", "  "))
        yield from (between.join(f"0x{pair}" for pair in pairs) for between in (", ", ",", " "))
        fours = [form[i : i + 4] for i in range(0, len(form), 4)]
        yield " ".join(fours)
        yield " ".join([form[:2], *(form[i : i + 4] for i in range(2, len(form), 4))])
    numbers = [str(byte) for byte in raw]
    yield from (between.join(numbers) for between in (", ", ",", " "))
    bits = [f"{byte:08b}" for byte in raw]
    yield from (between.join(bits) for between in ("", " "))
    yield " ".join(f"{byte:03o}" for byte in raw)


def _base58(raw: bytes) -> str:
    """Source: the alphabet of Bitcoin's base58."""
    number, text = int.from_bytes(raw), ""
    while number:
        number, rest = divmod(number, 58)
        text = _BASE58[rest] + text
    return text
