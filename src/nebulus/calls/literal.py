"""One value read from text: JSON as it should be, or one that slipped and can be mended without loss.

Laws: time is linear in what is read; an open string is never closed; nothing is invented, cut or
guessed; every change is a named edit with its place.
"""

import json
import re
from json.decoder import JSONDecodeError, scanstring
from typing import Any, NoReturn

from nebulus.core.findings import Edit

MAX_DEPTH = 64
"""Containers inside each other. No tool schema that a small model can fill comes near; Source: facts of use."""
MAX_DIGITS = 300
"""Longer whole numbers are refused: converting them takes quadratic time."""

MISSING_CLOSER = "missing closer"


class Unreadable(Exception):
    """The text is no value: which rule it breaks, where, by what, and how far it was read."""

    def __init__(
        self, rule: str, *, where: str = "", value: str = "", reached: int = 0, is_open: bool = False
    ):
        super().__init__(rule)
        self.rule = rule
        self.where = where
        self.value = value
        self.reached = reached
        self.is_open = is_open
        """The text ended inside the value: it may have been cut."""


class BareWord(str):
    """A word without quotes where a value belongs; the schema says whether it may be a string."""


class RawText(str):
    """Text that a dialect writes without quotes for every type; the schema says what it is."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Unreadable("a key stands twice in one object", value=twice)
    return result


def _no_constant(name: str) -> NoReturn:
    raise Unreadable("JSON has no such number", value=name)


_strict = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def read_value(text: str, start: int = 0, end: int = -1, *, is_python: bool = False) -> "Value":
    """Return the value that starts at `start`, reading no further than `end` (-1 for all of `text`).

    `is_python` also admits what Python spells its own way: tuples, bare names, and call-like keywords
    are left to the caller.

    Raises:
        Unreadable: no value stands there that can be read without loss.
    """
    if end < 0 or end == len(text):
        try:
            value, stop = _strict.raw_decode(text, start)
            return Value(value, stop, [])
        except (JSONDecodeError, Unreadable, RecursionError, ValueError):
            pass
    return _read_tolerantly(text, start, len(text) if end < 0 else end, is_python=is_python)


def _read_tolerantly(text: str, start: int, end: int, *, is_python: bool) -> "Value":
    scanner = Scanner(text, end, is_python=is_python)
    value, stop = scanner.value(scanner.skip(start), 0)
    return Value(value, stop, scanner.edits)


class Value:
    """What was read: the value, where it ended, and the edits that it took."""

    __slots__ = ("edits", "end", "value")

    def __init__(self, value: Any, end: int, edits: list[Edit]):
        self.value = value
        self.end = end
        self.edits = edits


_SPACE = re.compile(r"[ \t\r\n\u00a0\ufeff]*+")
_ESCAPED_SPACE = re.compile(r"(?:\\[nrt])++")
_LINE_COMMENT = re.compile(r"(?://|#)[^\n]*+")
_WORD = re.compile(r"[A-Za-z_$][\w$\-]*+")
_NAME = re.compile(r"[A-Za-z_][\w.]*+")
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*+\.?+[\d_]*+|\.\d++)(?:[eE][+-]?\d++)?+")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*+)(\.\d++)?+([eE][+-]?\d++)?+\Z")
_PYTHON_NUMBER = re.compile(r"[+-]?(?:\d++(?:_\d++)*+(?:\.\d*+)?+|\.\d++)(?:[eE][+-]?\d++)?+\Z")
_CONSTANTS = {"true": True, "false": False, "null": None}
_PYTHON_CONSTANTS = {"True": True, "False": False, "None": None}
_CLOSERS = {"{": "}", "[": "]", "(": ")"}
_QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019"}
_BODIES = {
    '"': re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL),
    "'": re.compile(r"[^'\\]*+(?:\\.[^'\\]*+)*+", re.DOTALL),
    "\u201d": re.compile(r"[^\u201d\\]*+(?:\\.[^\u201d\\]*+)*+", re.DOTALL),
    "\u2019": re.compile(r"[^\u2019\\]*+(?:\\.[^\u2019\\]*+)*+", re.DOTALL),
}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_SELF_ESCAPES = frozenset("\"'\\/")
_KEPT_ESCAPES = frozenset("dwsDWS.()[]{}+*?|^-")
_CONTROL = re.compile(r"[\x00-\x1f]")


class Scanner:
    """Reads one value from left to right, and records each edit; never looks at a character twice."""

    def __init__(self, text: str, end: int, *, is_python: bool):
        self.text = text
        self.end = end
        self.is_python = is_python
        self.edits: list[Edit] = []
        self.path: list[str] = []

    @property
    def where(self) -> str:
        """The JSON pointer to what is being read."""
        return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in self.path)

    def edit(self, name: str, before: str = "", after: str = "") -> None:
        """Record a change at the current place; pieces are shown in at most 40 characters."""
        self.edits.append(Edit(name, self.where, before[:40], after[:40]))

    def fail(self, rule: str, position: int, *, is_open: bool = False) -> Unreadable:
        """Return the complaint about what stands at `position`."""
        seen = self.text[position : min(position + 24, self.end)]
        return Unreadable(rule, where=self.where, value=seen, reached=max(position, 0), is_open=is_open)

    def at(self, position: int) -> str:
        """Return the character at `position`, "" at the end."""
        return self.text[position] if position < self.end else ""

    def skip(self, position: int) -> int:
        """Return where the next token starts, after blanks and comments."""
        while True:
            match = _SPACE.match(self.text, position, self.end)
            position = match.end() if match else position
            head = self.at(position)
            if head == "\\" and (blank := _ESCAPED_SPACE.match(self.text, position, self.end)):
                self.edit("escaped blank between tokens", blank.group())
                position = blank.end()
            elif head in ("/", "#") and (comment := _LINE_COMMENT.match(self.text, position, self.end)):
                self.edit("comment", comment.group())
                position = comment.end()
            elif head == "/" and self.text.startswith("/*", position):
                closed = self.text.find("*/", position + 2, self.end)
                if closed < 0:
                    raise self.fail("a comment is open", self.end, is_open=True)
                self.edit("comment", self.text[position : closed + 2])
                position = closed + 2
            else:
                return position

    def value(self, position: int, depth: int) -> tuple[Any, int]:
        """Return the value at `position` and where it ended."""
        head = self.at(position)
        if depth > MAX_DEPTH:
            raise self.fail(f"more than {MAX_DEPTH} containers stand inside each other", position)
        if head == "{":
            return self.object(position + 1, depth)
        if head == "[" or (head == "(" and self.is_python):
            return self.array(position + 1, depth, _CLOSERS[head])
        if head in _QUOTES:
            return self.string(position)
        if head == "":
            raise self.fail("the text ends where a value belongs", position, is_open=True)
        if head.isdigit() or head in "+-.":
            return self.number(position)
        return self.word(position)

    def object(self, position: int, depth: int) -> tuple[dict[str, Any], int]:
        """Return the object whose first member starts at `position`."""
        result: dict[str, Any] = {}
        position = self.skip(position)
        while (head := self.at(position)) != "}":
            if head in ("", "]", ")"):
                return result, self.close("}", position)
            key, position = self.key(position)
            if key in result:
                raise self.fail(f"the key {key!r} stands twice in one object", position)
            self.path.append(key)
            result[key], position = self.value(self.skip(position), depth + 1)
            self.path.pop()
            position = self.separator(position, "}")
        return result, position + 1

    def array(self, position: int, depth: int, closer: str) -> tuple[list[Any], int]:
        """Return the list whose first item starts at `position`; a tuple is a list."""
        result: list[Any] = []
        position = self.skip(position)
        while (head := self.at(position)) != closer:
            if head in ("", "}", "]", ")"):
                return result, self.close(closer, position)
            self.path.append(str(len(result)))
            item, position = self.value(position, depth + 1)
            self.path.pop()
            result.append(item)
            position = self.separator(position, closer)
        if closer == ")":
            self.edit("tuple as list")
        return result, position + 1

    def close(self, closer: str, position: int) -> int:
        """Supply a closer that is missing at the end, or before one that closes something outside."""
        if self.path_ended_in_number:
            raise self.fail("the text ends in a number that may be cut", position, is_open=True)
        self.edit(MISSING_CLOSER, "", closer)
        return position

    path_ended_in_number = False

    def key(self, position: int) -> tuple[str, int]:
        """Return the key at `position`, and where its value may start."""
        if self.at(position) in _QUOTES:
            key, position = self.string(position)
        elif match := _WORD.match(self.text, position, self.end):
            key, position = match.group(), match.end()
            self.edit("key without quotes", key)
        else:
            raise self.fail("a key belongs here", position)
        position = self.skip(position)
        if self.at(position) == ":":
            return key, position + 1
        if self.at(position) == "=":
            self.edit("equals sign for colon", "=", ":")
            return key, position + (2 if self.text.startswith("=>", position) else 1)
        raise self.fail(f"a colon belongs after the key {key!r}", position, is_open=self.at(position) == "")

    def separator(self, position: int, closer: str) -> int:
        """Return where the next member starts: after a comma, or at the closer."""
        ended = position
        position = self.skip(position)
        head = self.at(position)
        if head == ",":
            position = self.skip(position + 1)
            self.path_ended_in_number = False
            if self.at(position) == closer:
                self.edit("trailing comma", ",")
            return position
        if head == "":
            self.path_ended_in_number = ended == self.end and self.text[ended - 1].isdigit()
            return position
        if head in "}])":
            return position
        if (
            position > ended
            and not self.is_python
            and head in '"{['
            and self.text[ended - 1] in '"}]0123456789el'
        ):
            self.edit("missing comma", "", ",")
            return position
        raise self.fail("a comma or a closer belongs here", position)

    def string(self, position: int) -> tuple[str, int]:
        """Return the string at `position`."""
        opener = self.text[position]
        if opener == '"':
            try:
                value, stop = scanstring(self.text, position + 1, True)
            except (JSONDecodeError, ValueError):
                pass
            else:
                if stop <= self.end:
                    return value, stop
        if opener in "\"'" and self.text.startswith(opener * 3, position):
            return self.block_string(position, opener * 3)
        closer = _QUOTES[opener]
        body = _BODIES[closer].match(self.text, position + 1, self.end)
        stop = body.end() if body else self.end
        if self.at(stop) != closer or body is None:
            raise Unreadable("a string is open at the end", where=self.where, reached=self.end, is_open=True)
        if opener != '"':
            self.edit("single quotes" if opener == "'" else "typographic quotes", opener, '"')
        return self.unescaped(body.group(), position), stop + 1

    def block_string(self, position: int, quote: str) -> tuple[str, int]:
        """Return the triple-quoted string at `position`."""
        stop = self.text.find(quote, position + 3, self.end)
        if stop < 0:
            raise Unreadable("a string is open at the end", where=self.where, reached=self.end, is_open=True)
        self.edit("triple quotes", quote, '"')
        return self.unescaped(self.text[position + 3 : stop], position), stop + 3

    def unescaped(self, body: str, position: int) -> str:
        """Return what `body` spells.

        A backslash that JSON does not know stays where no other escape makes it doubtful whether
        backslashes were escaped at all.
        """
        if _CONTROL.search(body):
            self.edit("raw control character in a string")
        if "\\" not in body:
            return body
        kinds = {escape[0] for escape in _ESCAPE.findall(body)}
        kept = kinds - _PLAIN_ESCAPES.keys() - _SELF_ESCAPES - {"u", "x"}
        unknown = kept - _KEPT_ESCAPES
        if unknown or (kept and kinds & _PLAIN_ESCAPES.keys()):
            raise self.fail("a backslash in a string has more than one meaning", position)
        if kept:
            self.edit("backslash kept", "\\" + min(kept))
        joined = _ESCAPE.sub(_spelled, body)
        try:
            return joined.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self.fail("half a surrogate pair in a string", position) from None

    def number(self, position: int) -> tuple[int | float, int]:
        """Return the number at `position`."""
        match = _NUMBER.match(self.text, position, self.end)
        spelled = match.group() if match else ""
        stop = position + len(spelled)
        if not _PYTHON_NUMBER.match(spelled) or len(spelled) > MAX_DIGITS or self.at(stop).isalnum():
            raise self.fail("this is no number", position)
        plain = _JSON_NUMBER.match(spelled)
        if not plain:
            if spelled.lstrip("+-")[:1] == "0" and spelled.lstrip("+-")[1:2].isdigit():
                raise self.fail("a number starts with a zero", position)
            self.edit("number spelled as in Python", spelled)
        is_whole = not any(sign in spelled for sign in ".eE")
        value: int | float = int(spelled) if is_whole else float(spelled)
        if value in (float("inf"), float("-inf")):
            raise self.fail("this number is too large", position)
        return value, stop

    def word(self, position: int) -> tuple[Any, int]:
        """Return the constant, or in Python the bare name, at `position`."""
        match = _NAME.match(self.text, position, self.end)
        if match is None:
            raise self.fail("a value belongs here", position)
        word, stop = match.group(), match.end()
        if word in _CONSTANTS:
            return _CONSTANTS[word], stop
        if word in _PYTHON_CONSTANTS:
            self.edit("Python constant", word)
            return _PYTHON_CONSTANTS[word], stop
        if self.is_python and self.at(self.skip(stop)) not in ("(", "[", '"', "'"):
            return BareWord(word), stop
        raise self.fail("a word without quotes is no value", position)


def _spelled(match: re.Match[str]) -> str:
    escape = match.group(1)
    if escape in _PLAIN_ESCAPES:
        return _PLAIN_ESCAPES[escape]
    if escape in _SELF_ESCAPES:
        return escape
    if len(escape) > 1:
        return chr(int(escape[1:], 16))
    return match.group()
