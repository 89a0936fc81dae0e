"""The tolerant reader of one value: JSON, JavaScript's and Python's spellings of it, and small slips.

Invariants: it looks at no character twice; what it can't read without loss it refuses, with the place.
"""

import re
from typing import Any

from nebulus.calls.arithmetic import computed, follows_sign
from nebulus.calls.literal import MAX_DEPTH, MISSING_CLOSER, UnreadableError, Value, finite, strict_value
from nebulus.calls.quoted import CLOSING_QUOTES, read_string
from nebulus.core.findings import Edit

MAX_DIGITS = 300
"""Longer numbers are refused: no float holds them, and converting them takes quadratic time."""

_SPACE = re.compile(r"[ \t\r\n\u00a0\ufeff]*+")
_ESCAPED_SPACE = re.compile(r"(?:\\[nrt])+")
_LINE_COMMENT = re.compile(r"(?://|#)[^\n]*+")
_KEY = re.compile(r"[A-Za-z_$][\w$\-]*+")
_WORD = re.compile(r"[A-Za-z_][\w.]*+")
_NUMBER = re.compile(r"[+-]?[0-9.][0-9_.]*+(?:[eE][+-]?[0-9]++)?")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][+-]?[0-9]++)?\Z")
_PYTHON_NUMBER = re.compile(
    r"[+-]?(?:(?:0|[1-9][0-9]*+(?:_[0-9]++)*)(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?\Z"
)
_CONSTANTS = {"true": True, "false": False, "null": None}
_PYTHON_CONSTANTS = {"True": True, "False": False, "None": None}
_CLOSERS = {"{": "}", "[": "]", "(": ")"}
_STRICT_HEADS = ("{", "[", '"')
_TERMINATORS = "<`"
"""Between tokens these begin a tag or a fence, never a value."""


def read_value(text: str, start: int = 0, *, is_python: bool = False) -> Value:
    """Return the value that is at `start`, after blanks.

    `is_python` also admits tuples, and bare names as text.

    Raises:
        UnreadableError: no value is there that can be read without loss.
    """
    scanner = Scanner(text, is_python=is_python)
    position = scanner.skip(start)
    if (
        not is_python
        and text.startswith(_STRICT_HEADS, position)
        and (strict := strict_value(text, position))
    ):
        return strict
    value, end = scanner.value(position)
    return scanner.result(value, end)


class Scanner:
    """Reads values from left to right and records each edit, formatting ones once a name."""

    def __init__(self, text: str, *, is_python: bool) -> None:
        self.text = text
        self.end = len(text)
        self.is_python = is_python
        self.is_terminated = False
        self.edits: list[Edit] = []
        self.path: list[str] = []
        self.closers: list[str] = []

    def result(self, value: Any, end: int) -> Value:
        """Return `value` with what was recorded on the way to it."""
        return Value(value, end, tuple(self.edits), self.is_terminated)

    @property
    def where(self) -> str:
        """The JSON pointer to what is being read."""
        return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in self.path)

    def edit(self, name: str, before: str = "", after: str = "") -> None:
        """Record a change at the current place; pieces are kept to 40 characters."""
        if name == MISSING_CLOSER or all(known.name != name for known in self.edits):
            self.edits.append(Edit(name, self.where, before[:40], after[:40]))

    def refusal(self, rule: str, position: int) -> UnreadableError:
        """Return the complaint about what is at `position`."""
        seen = self.text[position : position + 24]
        is_open = position >= self.end and not self.is_terminated
        return UnreadableError(rule, where=self.where, value=seen, reached=position, is_open=is_open)

    def at(self, position: int) -> str:
        """Return the character at `position`, "" at the end."""
        return self.text[position] if position < self.end else ""

    def skip(self, position: int) -> int:
        """Return where the next token starts, after blanks and comments."""
        while True:
            position = _SPACE.match(self.text, position).end()  # type: ignore[union-attr]
            head = self.at(position)
            if head == "" or head not in "\\/#<`":
                return position
            after = self._skipped(position, head)
            if after == position:
                return position
            position = after

    def _skipped(self, position: int, head: str) -> int:
        if head in _TERMINATORS:
            self.end = position
            self.is_terminated = True
            return position
        if blank := _ESCAPED_SPACE.match(self.text, position):
            self.edit("escaped blank between tokens", blank.group())
            return blank.end()
        if comment := _LINE_COMMENT.match(self.text, position):
            self.edit("comment", comment.group())
            return comment.end()
        if not self.text.startswith("/*", position):
            return position
        closed = self.text.find("*/", position + 2)
        if closed < 0:
            raise UnreadableError(
                "a comment is open at the end", where=self.where, reached=self.end, is_open=True
            )
        self.edit("comment", self.text[position : closed + 2])
        return closed + 2

    def value(self, position: int) -> tuple[Any, int]:
        """Return the value at `position` and where it ended."""
        head = self.at(position)
        if head == "(" and self.is_python and (found := computed(self.text, position)):
            self.edit("arithmetic computed", self.text[position : found[1]], str(found[0]))
            return found
        if head in ("{", "[") or (head == "(" and self.is_python):
            return self._container(position, head)
        if head in CLOSING_QUOTES:
            return self.string(position)
        if head.isdigit() or (head and head in "+-."):
            return self.number(position)
        if head == "":
            raise self.refusal("the text ends where a value belongs", position)
        return self.word(position)

    def _container(self, position: int, head: str) -> tuple[Any, int]:
        if len(self.closers) >= MAX_DEPTH:
            raise self.refusal(f"more than {MAX_DEPTH} containers are inside each other", position)
        self.closers.append(_CLOSERS[head])
        read = self.object(position + 1) if head == "{" else self.array(position + 1, _CLOSERS[head])
        self.closers.pop()
        return read

    def object(self, position: int) -> tuple[dict[str, Any], int]:
        """Return the object whose first member starts at `position`."""
        result: dict[str, Any] = {}
        position = self.skip(position)
        while (head := self.at(position)) != "}":
            if head == "" or head in "])":
                return result, self.close(position)
            key, position = self.key(position)
            if key in result:
                raise self.refusal(f"the key {key!r} appears twice in one object", position)
            self.path.append(key)
            result[key], position = self.value(self.skip(position))
            self.path.pop()
            position = self.separator(position)
        return result, position + 1

    def array(self, position: int, closer: str) -> tuple[list[Any], int]:
        """Return the list whose first item starts at `position`; a tuple is a list."""
        result: list[Any] = []
        position = self.skip(position)
        while (head := self.at(position)) != closer:
            if head == "" or head in "}])":
                return result, self.close(position)
            self.path.append(str(len(result)))
            item, ended = self.value(position)
            self.path.pop()
            result.append(item)
            position = self.separator(ended)
        if closer == ")":
            if len(result) == 1 and self.skip(ended) == position:
                raise self.refusal("a value in parentheses is not a tuple", position)
            self.edit("tuple as list")
        return result, position + 1

    def close(self, position: int) -> int:
        """Supply the innermost closer, where the text ends or a container further out is closed."""
        head = self.at(position)
        if head and head not in self.closers[:-1]:
            raise self.refusal(f"{head!r} closes nothing that is open", position)
        self.edit(MISSING_CLOSER, head, self.closers[-1])
        return position

    def key(self, position: int) -> tuple[str, int]:
        """Return the key at `position`, and where its value may start."""
        if self.at(position) in CLOSING_QUOTES:
            key, position = self.string(position)
        elif match := _KEY.match(self.text, position):
            key, position = match.group(), match.end()
            self.edit("key without quotes", key)
        else:
            raise self.refusal("a key belongs here", position)
        position = self.skip(position)
        if self.at(position) == ":":
            return key, position + 1
        if self.at(position) == "=":
            self.edit("equals sign for colon", "=", ":")
            return key, position + (2 if self.text.startswith("=>", position) else 1)
        raise self.refusal(f"a colon belongs after the key {key[:40]!r}", position)

    def separator(self, position: int) -> int:
        """Return where the next member starts: after a comma, or at a closer."""
        ended = position
        position = self.skip(position)
        head = self.at(position)
        if head == ",":
            position = self.skip(position + 1)
            if self.at(position) and self.at(position) in "}])":
                self.edit("trailing comma", ",")
            return position
        if head == "" or head in "}])":
            return position
        if position > ended and not self.is_python and head in '"{[':
            self.edit("missing comma", "", ",")
            return position
        raise self.refusal("a comma or a closer belongs here", position)

    def string(self, position: int) -> tuple[str, int]:
        """Return the string at `position`."""
        text, end, edits = read_string(self.text, position, self.where)
        for name in edits:
            self.edit(name)
        return text, end

    def number(self, position: int) -> tuple[int | float, int]:
        """Return the number at `position`."""
        match = _NUMBER.match(self.text, position)
        spelled = match.group() if match else ""
        after = self.text[position + len(spelled) : position + len(spelled) + 1]
        if len(spelled) > MAX_DIGITS or not _PYTHON_NUMBER.match(spelled) or after.isalnum():
            raise self.refusal("this is not a number", position)
        if not _JSON_NUMBER.match(spelled):
            self.edit("number spelled as in Python", spelled)
        end = position + len(spelled)
        if follows_sign(self.text, end):
            return self.sum(position)
        try:
            is_whole = not any(sign in spelled for sign in ".eE")
            return (int(spelled) if is_whole else finite(spelled)), end
        except UnreadableError as problem:
            raise self.refusal(problem.rule, position) from problem

    def sum(self, position: int) -> tuple[int | float, int]:
        """Return the value of the arithmetic at `position`, where it is exact."""
        found = computed(self.text, position)
        if found is None:
            raise self.refusal("this is arithmetic without an exact value", position)
        self.edit("arithmetic computed", self.text[position : found[1]], str(found[0]))
        return found

    def word(self, position: int) -> tuple[Any, int]:
        """Return the constant, or in Python the bare name, at `position`."""
        match = _WORD.match(self.text, position)
        if match is None:
            raise self.refusal("a value belongs here", position)
        word, end = match.group(), match.end()
        if word in _CONSTANTS:
            return _CONSTANTS[word], end
        if word in _PYTHON_CONSTANTS:
            self.edit("Python constant", word)
            return _PYTHON_CONSTANTS[word], end
        if self.is_python and (after := self.at(self.skip(end))) and after in ",)]}":
            self.edit("bare name as text", word)
            return word, end
        raise self.refusal("a word without quotes is not a value", position)
