"""Notable values in a text: what it labels, its identifiers, addresses, paths, dates and numbers.

Invariants: a value is copied character for character, never computed; each says where it was found; their number
is bounded, and so is the work that any text can cause.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from nebulus.core.text import LOOKED_AT_CHARS
from nebulus.core.tools import Mark
from nebulus.core.unreadable import UNREADABLE

MARKS_KEPT = 16
"""Values kept of one result: enough for a page of fields; the others can be read from the stored result."""
DEEPEST = 12
"""Levels of JSON that are examined."""
WHERE_CHARS = 120
"""How much is kept of the line around a value."""
VALUE_CHARS = 200

_KIND_ORDER = ("label", "id", "email", "url", "date", "path", "number")
_LABEL = re.compile(r"^[ \t>*\-#]{0,8}([A-Za-z][\w./ \-]{0,40}?)[ \t]*(?::[ \t]|=)[ \t]*(\S[^\n]{0,199})$")
_VALUES = re.compile(
    r"""
    (?P<url>https?://[^\s<>"'`)\]]{3,180})
  | (?P<email>\b[\w.+\-]{1,64}@[\w\-]{1,64}(?:\.[\w\-]{1,64}){1,8})
  | (?P<date>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+\-]\d\d:?\d\d)?)?(?![\w\-])
      | \b\d{1,2}[./]\d{1,2}[./]\d{4}\b
      | \b\d{1,2}\ (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\ \d{4}\b)
  | (?P<path>(?<![\w/])(?:~|\.{1,2})?/?(?:[\w.\-]{1,64}/){1,16}[\w.\-]{0,64}\w | \b[A-Za-z_][\w\-]{0,63}\.[a-z][a-z0-9]{1,4}\b)
  | (?P<id>\b(?=[\w\-]{0,40}\d)(?=[\w\-]{0,40}[A-Za-z])[A-Za-z0-9][\w\-]{2,63}\b)
  | (?P<number>(?<![\w.])[\-+]?\d[\d,]{0,20}(?:\.\d{1,20})?(?:\ ?(?:%|EUR|USD|kg|km|ms|KB|MB|GB|s)\b|%)?)
    """,
    re.VERBOSE,
)
_HINT = re.compile(r"[\d@/]|\.[a-z]")
"""What a line must contain if any of these values is in it."""
_SLUG = re.compile(r"[^a-z0-9]+")


def marks_of(text: str, *, most: int = MARKS_KEPT, first: Collection[str] = ()) -> tuple[Mark, ...]:
    """Return at most `most` values of `text`, the most informative first, each once.

    JSON gives its scalars by path; any other text its labelled lines, then identifiers and addresses,
    then plain numbers, in the order of the text. What is labelled with a name in `first` comes before all.
    Of a longer text, only the first `LOOKED_AT_CHARS` are examined.
    """
    text = text[:LOOKED_AT_CHARS]
    names = {slug(name) for name in first}
    kept = _first(_scalars(_decoded(text)), most, names) if _looks_like_json(text) else []
    return _numbered(kept or _first(_in_text(text, most, names), most, names))


def scalars_of(text: str) -> Iterator[Mark]:
    """Return every scalar of a JSON text, named by its path; nothing of a text that is not JSON."""
    yield from _scalars(_decoded(text) if _looks_like_json(text) else None)


def shape_of(text: str) -> str:
    """Return in words what `text` is: JSON of which form, or how many lines."""
    value = _decoded(text) if len(text) <= LOOKED_AT_CHARS and _looks_like_json(text) else None
    match value:
        case dict():
            return f"JSON object with {len(value)} keys: {_listed(value)}"
        case [dict() as first, *_]:
            return f"JSON list of {len(value)} objects with keys {_listed(first)}"
        case list():
            return f"JSON list of {len(value)} items"
        case _:
            lines = text.count("\n") + 1
            return f"{lines} lines" if lines > 1 else "1 line"


def _decoded(text: str) -> Any:
    """The JSON value of `text`, None if it is not JSON."""
    try:
        return msgspec.json.decode(text)
    except UNREADABLE:  # Most texts are not JSON.
        return None


def _first(marks: Iterable[Mark], most: int, names: Collection[str]) -> list[Mark]:
    """The first `most` of different values, those with one of `names` before all others."""
    if names:
        marks = sorted(marks, key=lambda mark: slug(mark.name) not in names)
    kept: dict[str, Mark] = {}
    for mark in marks:
        kept.setdefault(mark.value, mark)
        if len(kept) == most:
            break
    return list(kept.values())


def _looks_like_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")


def _listed(value: dict[str, Any]) -> str:
    names = [str(name)[:30] for name in list(value)[:8]]
    return ", ".join(names) + (f" and {len(value) - 8} more" if len(value) > 8 else "")


def _scalars(value: Any, path: str = "", depth: int = 0) -> Iterator[Mark]:
    """The scalars of a JSON value in its own order, named by their path."""
    match value:
        case dict() | list() if depth == DEEPEST:
            return
        case dict():
            for name, item in value.items():
                yield from _scalars(item, f"{path}.{name}" if path else str(name), depth + 1)
        case list():
            for index, item in enumerate(value):
                yield from _scalars(item, f"{path}[{index}]", depth + 1)
        case bool():
            yield Mark(path, "true" if value else "false")
        case str() | int() | float() if 0 < len(str(value)) <= VALUE_CHARS and "\n" not in str(value):
            yield Mark(path, str(value))


def _in_text(text: str, most: int, names: Collection[str]) -> Iterator[Mark]:
    """The values of a text by kind, those that say most first; of each kind, no more than can be kept."""
    found: dict[str, dict[str, Mark]] = {kind: {} for kind in _KIND_ORDER}
    labels = found["label"]
    for number, line in enumerate(text.split("\n"), start=1):
        labelled = _LABEL.match(line)
        if labelled:
            name, value = slug(labelled[1]), labelled[2].strip()
            if len(labels) < most or name in names:
                labels.setdefault(value, Mark(name, value, f"line {number}"))
        elif len(labels) < most and _HINT.search(line):
            for match in _VALUES.finditer(line):
                kind = match.lastgroup or "number"
                if len(found[kind]) < most and match[0] not in found[kind]:
                    where = f"line {number}: {_around(line, match.start())}"
                    found[kind][match[0]] = Mark(kind, match[0], where, is_labelled=False)
    for kind in _KIND_ORDER:
        yield from found[kind].values()


def _around(line: str, place: int) -> str:
    """The line; of a long one, the part around `place`."""
    start = max(0, place - WHERE_CHARS // 2) if len(line) > WHERE_CHARS else 0
    return line[start : start + WHERE_CHARS].strip()


def _numbered(marks: list[Mark]) -> tuple[Mark, ...]:
    """Names that occur more than once get numbers, so that each names one value."""
    seen: dict[str, int] = {}
    result = []
    for mark in marks:
        count = seen[mark.name] = seen.get(mark.name, 0) + 1
        result.append(replace(mark, name=f"{mark.name} {count}") if count > 1 else mark)
    return tuple(result)


def slug(label: str) -> str:
    """Return the name that a value gets from its label: lower case, words joined by underscores."""
    return _SLUG.sub("_", label.lower()).strip("_")
