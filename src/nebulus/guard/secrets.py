"""Secrets stay out of prompts, journals and logs: redacted by value, by name and by form.

Invariants: what a run records is redacted first, and the machine goes on from what was recorded, so that no
prompt can contain what the journal does not; only strings that somebody wrote are redacted, never encoded JSON
and never the names of fields; a secret is handed only to a tool that it was granted to, in place of its mark,
at the last moment.
"""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.events import Event, ToolFailed, ToolReturned
from nebulus.core.text import without_keys
from nebulus.guard.encodings import spans_by_value

LEAST_CHARS = 8
"""Shortest value that can be told from ordinary text."""


class Secret(Struct, frozen=True):
    """One secret: the name that it goes by, its value, and the tools that it is granted to."""

    name: str
    value: str
    tools: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """What replaces it wherever it can be read."""
        return f"[secret {self.name}]"

    def __repr__(self) -> str:
        """Show the name alone."""
        return f"Secret({self.name})"


class Secrets(Struct, frozen=True):
    """All secrets of an application."""

    known: tuple[Secret, ...] = ()

    def hide(self, text: str) -> str:
        """Return `text` with each known value, plain or encoded, replaced by its mark; linear in `text`."""
        if not self.known or len(text) < LEAST_CHARS:
            return text
        marks = {secret.value: secret.mark for secret in self.known}
        found = spans_by_value(tuple(marks), text)
        spans = ((*span, marks[value]) for value, spans in found.items() for span in spans)
        return _replaced_spans(text, spans)

    def hide_all(self, text: str) -> str:
        """Return `text` without known values, and without what a name or a form says is a secret."""
        return without_keys(self.hide(text))

    def without(self, event: Event) -> Event:
        """Return `event` as it may be recorded; what a tool wrote is also searched by name and form."""
        is_of_tool = isinstance(event, ToolReturned | ToolFailed)
        if not is_of_tool and not self.known:
            return event
        hidden: Event = _walked(event, self.hide_all if is_of_tool else self.hide)
        return hidden

    def revealed(self, arguments: dict[str, Any], tool: str) -> dict[str, Any]:
        """Return `arguments` with the marks of secrets that `tool` was granted replaced by their values."""
        granted = [secret for secret in self.known if tool in secret.tools]

        def reveal(text: str) -> str:
            for secret in granted:
                text = text.replace(secret.mark, secret.value)
            return text

        return {name: _walked(value, reveal) for name, value in arguments.items()} if granted else arguments


def _replaced_spans(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """Return `text` with each span replaced by its mark; of spans that overlap, the first mark is shown."""
    parts: list[str] = []
    read = 0
    for start, end, mark in sorted(spans):
        if start >= read:
            parts += (text[read:start], mark)
        read = max(read, end)
    return "".join((*parts, text[read:]))


def _walked(value: Any, change: Callable[[str], str]) -> Any:
    """Return `value` with each string in it changed; the same object where nothing changes.

    Names of struct fields and words of enumerations stay; keys of dictionaries are data, and are changed. So
    is a whole number in a dictionary, if the text that it is written as is changed.
    """
    match value:
        case Struct():
            changed = _changes(((name, getattr(value, name)) for name in value.__struct_fields__), change)
            return replace(value, **changed) if changed else value
        case dict():
            return _walked_dict(value, change)
        case list() | tuple():
            items = [_walked(item, change) for item in value]
            is_same = all(new is old for new, old in zip(items, value, strict=True))
            return value if is_same else type(value)(items)
        case _ if type(value) is str:
            shown = change(value)
            return value if shown == value else shown
        case _:
            return value


def _changes(pairs: Iterable[tuple[str, Any]], change: Callable[[str], str]) -> dict[str, Any]:
    walked = ((name, value, _walked(value, change)) for name, value in pairs)
    return {name: new for name, old, new in walked if new is not old}


def _walked_dict(value: dict[Any, Any], change: Callable[[str], str]) -> dict[Any, Any]:
    """Return a dictionary with keys and values changed; two keys that become one are numbered."""
    changed: dict[Any, Any] = {}
    is_same = True
    for key, item in value.items():
        new_key, new = _walked(key, change), _walked(item, change)
        if type(item) is int and change(str(item)) != str(item):
            new = change(str(item))
        is_same = is_same and new_key is key and new is item
        number = 2
        while new_key in changed:
            new_key = f"{_walked(key, change)} {number}"
            number += 1
        changed[new_key] = new
    return value if is_same else changed
