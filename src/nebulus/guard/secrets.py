"""Secrets stay out of prompts, journals and logs: redacted by value and by name.

Laws: what a run records is redacted first, and the machine goes on from what was recorded, so that no
prompt can hold what the journal does not; a secret is handed only to a tool that it was granted to, in
place of its mark, at the last moment.
"""

import base64
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.events import Event, ToolFailed, ToolReturned
from nebulus.core.journal import decode_event, encode_event

LEAST_CHARS = 8
"""Shortest value that can be told from ordinary text."""

_HIDDEN = "[redacted]"
_NAMED = re.compile(
    r"(?i)(?P<name>[\"']?\b[\w.-]*(?:passw(?:or)?d|passphrase|secret|api[_-]?key|access[_-]?key|auth[_-]?token"
    r"|access[_-]?token|private[_-]?key|client[_-]?secret)[\"']?\s*[:=]\s*[\"']?)"
    r"(?P<value>[^\s\"',;(){}\[\]<>]{8,})"
)
"""A name that says secret, and what is written behind it."""
_SHAPED = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:sk|rk|pk)-[A-Za-z0-9_-]{20,}|\bgh[pousr]_[A-Za-z0-9]{30,}|\bAKIA[0-9A-Z]{16}\b"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}|\bBearer\s+[\w.~+/-]{16,}=*"
)
"""Source: the documented forms of PEM keys, of keys of OpenAI, GitHub, AWS and Slack, and RFC 7519 tokens."""


class Secret(Struct, frozen=True):
    """One secret: the name that it goes by, its value, and the tools that it is granted to."""

    name: str
    value: str
    tools: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """What stands in its place wherever it can be read."""
        return f"[secret {self.name}]"

    def __repr__(self) -> str:
        """Show the name alone."""
        return f"Secret({self.name})"


class Secrets(Struct, frozen=True):
    """All secrets of an application."""

    known: tuple[Secret, ...] = ()

    def hide(self, text: str) -> str:
        """Return `text` with each known value, plain or encoded, replaced by its mark."""
        for secret in self.known:
            for spelling in _spellings(secret.value):
                if spelling in text:
                    text = text.replace(spelling, secret.mark)
        return text

    def hide_all(self, text: str) -> str:
        """Return `text` without known values, and without what a name or a form says is a secret."""
        return _SHAPED.sub(_HIDDEN, _NAMED.sub(_named, self.hide(text)))

    def without(self, event: Event) -> Event:
        """Return `event` as it may be recorded; what came from outside is also searched by name."""
        match event:
            case ToolReturned(result=result):
                fields = {
                    name: self.hide_all(value) if isinstance(value, str) else value
                    for name, value in result.fields.items()
                }
                event = replace(event, result=replace(result, text=self.hide_all(result.text), fields=fields))
            case ToolFailed(failure=failure):
                hidden = replace(
                    failure, what=self.hide_all(failure.what), value=self.hide_all(failure.value)
                )
                event = replace(event, failure=hidden)
            case _:
                pass
        if not self.known:
            return event
        encoded = encode_event(event).decode()
        hidden_text = self.hide(encoded)
        return event if hidden_text == encoded else decode_event(hidden_text)

    def revealed(self, arguments: dict[str, Any], tool: str) -> dict[str, Any]:
        """Return `arguments` with the marks of secrets that `tool` was granted replaced by their values."""
        granted = [secret for secret in self.known if tool in secret.tools]
        return (
            {name: _replaced(value, granted) for name, value in arguments.items()} if granted else arguments
        )


def _replaced(value: Any, granted: list[Secret]) -> Any:
    match value:
        case str():
            for secret in granted:
                value = value.replace(secret.mark, secret.value)
            return value
        case list():
            return [_replaced(inner, granted) for inner in value]
        case dict():
            return {key: _replaced(inner, granted) for key, inner in value.items()}
        case _:
            return value


@lru_cache(maxsize=256)
def _spellings(value: str) -> tuple[str, ...]:
    """Return the ways in which `value` may stand in a text, longest first."""
    encoders: tuple[Callable[[str], str], ...] = (
        lambda text: text,
        _json,
        lambda text: _json(_json(text)),
        lambda text: quote(text, safe=""),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
        lambda text: text.encode().hex(),
    )
    return tuple(sorted({encode(value) for encode in encoders}, key=len, reverse=True))


def _json(text: str) -> str:
    return msgspec.json.encode(text).decode()[1:-1]


def _named(match: re.Match[str]) -> str:
    """Hide what stands behind a telling name, unless it is plainly a word of code or of prose."""
    value = match["value"]
    is_telling = any(character.isdigit() for character in value) and any(map(str.isalpha, value))
    is_marked = "[secret" in match[0]
    return f"{match['name']}{_HIDDEN}" if is_telling and not is_marked else match[0]
