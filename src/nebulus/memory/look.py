"""Reads parts of a stored result: lines, the end, a literal search, a JSON path.

Invariants: what is shown is bounded, and every answer says how much there is and what it left out.
"""

import re
from typing import Any

import msgspec
from msgspec import Struct

from nebulus.core.unreadable import UNREADABLE

SHOWN_CHARS = 1000
"""What one read shows: less than an observation may contain, so that all of it reaches the model."""
LINE_CHARS = 300
AROUND_CHARS = 120
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(-?\d+)\]")


class Look(Struct, frozen=True, kw_only=True):
    """What to read: the lines that contain `find`, or the value at `json_path`, or lines from `start_line` on.

    `from_end` takes the last `line_count` lines (or matches). Lines count from 1.
    """

    find: str = ""
    json_path: str = ""
    start_line: int = 1
    line_count: int = 40
    from_end: bool = False


class LookError(ValueError):
    """The path or line does not exist; the message says what does."""


def look(text: str, wanted: Look) -> str:
    """Return what `wanted` shows of `text`, bounded, with a last line that says what it is.

    Raises:
        LookError: the path or the line does not exist.
    """
    if wanted.json_path:
        text = as_text(value_at(text, wanted.json_path))
        wanted = Look(find=wanted.find, line_count=wanted.line_count, from_end=wanted.from_end)
    lines = text.split("\n")
    if wanted.find:
        return _matches(lines, wanted)
    return _lines(lines, wanted)


def value_at(text: str, path: str) -> Any:
    """Return the value at a path such as `items[0].name` of a JSON text.

    Raises:
        LookError: the text is not JSON, or the path does not exist.
    """
    return _at(_json(text), path)


def as_text(value: Any) -> str:
    """Return a JSON value as text: a string as it is, any other value as JSON."""
    return (
        value
        if isinstance(value, str)
        else msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
    )


def _lines(lines: list[str], wanted: Look) -> str:
    count = len(lines)
    start = max(count - wanted.line_count, 0) if wanted.from_end else wanted.start_line - 1
    if start >= count:
        raise LookError(f"it has {count} lines, and line {start + 1} is none of them")
    numbered = [
        (number, lines[number - 1]) for number in range(start + 1, min(start + wanted.line_count, count) + 1)
    ]
    shown = _fitting([_cut(line) for _, line in numbered], is_tail=wanted.from_end)
    first = numbered[-1][0] - len(shown) + 1 if wanted.from_end else start + 1
    return "\n".join([*shown, f"(lines {first} to {first + len(shown) - 1} of {count})"])


def _matches(lines: list[str], wanted: Look) -> str:
    found = [(number, line) for number, line in enumerate(lines, start=1) if wanted.find in line]
    kept = found[-wanted.line_count :] if wanted.from_end else found[: wanted.line_count]
    written = [f"line {number}: {_around(line, wanted.find)}" for number, line in kept]
    shown = _fitting(written, is_tail=wanted.from_end)
    return "\n".join([*shown, f"({len(shown)} of {len(found)} matching lines, of {len(lines)} lines)"])


def _fitting(lines: list[str], *, is_tail: bool) -> list[str]:
    """Return as many whole lines as may be shown, at least one, from the start or from the end."""
    kept: list[str] = []
    left = SHOWN_CHARS
    for line in reversed(lines) if is_tail else lines:
        left -= len(line) + 1
        if kept and left < 0:
            break
        kept.append(line)
    return kept[::-1] if is_tail else kept


def _cut(line: str) -> str:
    if len(line) <= LINE_CHARS:
        return line
    return f"{line[:LINE_CHARS]}… [{len(line) - LINE_CHARS} more characters in this line; use find]"


def _around(line: str, find: str) -> str:
    """The line, or the part around the first match in a long one."""
    if len(line) <= LINE_CHARS:
        return line
    place = line.index(find)
    start, end = max(0, place - AROUND_CHARS), min(len(line), place + len(find) + AROUND_CHARS)
    before = f"[{start} characters] …" if start else ""
    after = f"… [{len(line) - end} characters]" if end < len(line) else ""
    return f"{before}{line[start:end]}{after}"


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except UNREADABLE as error:
        raise LookError("it is not JSON; use find or start_line") from error


def _at(value: Any, path: str) -> Any:
    """The value at a path such as `items[0].name`."""
    walked = ""
    for match in _STEP.finditer(path.removeprefix("$")):
        name, index = match[1], match[2]
        try:
            value = value[int(index)] if index is not None else _member(value, name)
        except (LookupError, TypeError) as error:
            raise LookError(f"there is no {match[0]} at {walked or 'the top'}; {_offered(value)}") from error
        walked += match[0]
    return value


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        raise TypeError(name)
    return value[name]


def _offered(value: Any) -> str:
    match value:
        case dict():
            return f"there are the keys {', '.join(list(value)[:20])}"
        case list():
            return f"there is a list of {len(value)} items"
        case _:
            return "there is a single value"
