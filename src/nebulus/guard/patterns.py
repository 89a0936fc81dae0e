"""Patterns for paths and hosts, matched against canonical forms.

Invariants: a path is relative to the workspace, with links and `..` resolved; a host is parsed and not searched
for in text. What can't be read matches every rule that restricts, and none that allows.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from unicodedata import normalize
from urllib.parse import urlsplit

from nebulus.core.findings import Call
from nebulus.core.tools import ToolSpec

UNKNOWN = ""
"""A path or host that is not given or can't be read."""

_PIECES = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*|[0-9a-f.]*:[0-9a-f:.]*")
"""Source: RFC 1123 section 2.1 with the underscore that is met in practice, or an IPv6 address."""
_MAILBOX = re.compile(r"[\w.+'=&~^-]+")
"""The part of one address before the @; no character that separates a list, a header or a URL."""
_HOST_PATTERN = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\*")


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    translated = {"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
    return re.compile(
        "".join(translated.get(piece, re.escape(piece)) for piece in _PIECES.findall(pattern)), re.DOTALL
    )


@lru_cache(maxsize=1024)
def _fixed(pattern: str) -> str:
    """Return the part before the first wildcard."""
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


@lru_cache(maxsize=8192)
def matches_path(pattern: str, path: str) -> bool:
    """Whether `path` is one that `pattern` means: `*` stays within a folder, `**` crosses folders."""
    return _compiled(pattern).fullmatch(path) is not None


@lru_cache(maxsize=8192)
def reaches_path(pattern: str, path: str) -> bool:
    """Whether `pattern` matches `path`, or `path` is a folder that is known to contain such paths."""
    if path in (UNKNOWN, ".") or matches_path(pattern, path):
        return True
    fixed = _fixed(pattern)
    return fixed.startswith(f"{path}/") or (fixed == f"{path}/" and pattern != fixed)


def matches_host(pattern: str, host: str) -> bool:
    """Whether `host` is the one that `pattern` names; `*.example.com` means every host below it."""
    if pattern == "*":
        return host != UNKNOWN
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and host != pattern[2:]
    return host == pattern


def wrong_path_pattern(pattern: str) -> str:
    """Return why no canonical path can match `pattern`, "" if one can."""
    if not pattern.strip():
        return "it is empty"
    if pattern.startswith(("/", "~")):
        return "paths are relative to the workspace"
    if any(part in {"", ".", ".."} for part in pattern.split("/")) and pattern != ".":
        return "paths are canonical: no empty part, no `.` and no `..`"
    return ""


def wrong_host_pattern(pattern: str) -> str:
    """Return why no host can match `pattern`, "" if one can."""
    if _HOST_PATTERN.fullmatch(pattern):
        return ""
    return "a host is written in lower case, without scheme, port or path: example.com, *.example.com or *"


def given_paths(call: Call, spec: ToolSpec) -> tuple[str, ...]:
    """Return the paths that `call` is about; one that is left out is its default, else unknown."""
    return tuple(_given(call, spec, name) for name in spec.paths)


def given_hosts(call: Call, spec: ToolSpec) -> tuple[str, ...]:
    """Return the hosts that `call` sends to; one that can't be read is unknown."""
    return tuple(host_of(text) for name in host_arguments(spec) for text in _texts(call.arguments.get(name)))


def host_arguments(spec: ToolSpec) -> tuple[str, ...]:
    """Return the arguments of a tool that name a host: declared so, or of a format that says so."""
    formats = {"uri", "iri", "email", "idn-email", "hostname", "idn-hostname"}
    properties: dict[str, Any] = spec.parameters.get("properties", {})
    by_format = (
        name
        for name, schema in properties.items()
        if isinstance(schema, dict) and schema.get("format") in formats
    )
    return tuple(dict.fromkeys((*spec.hosts, *by_format)))


def host_of(text: str) -> str:
    """Return the host of a URL, an address of mail or a bare host: lower case, ASCII, no dot at the end.

    What parsers are known to read differently (blanks, control characters, backslashes, letters in
    compatibility forms, a second @, several addresses in one text) is not read.
    """
    is_odd = any(not character.isprintable() or character in " \\\u3002" for character in text)
    if is_odd or normalize("NFKC", text) != text:
        return UNKNOWN
    try:
        host = _bare_host(text)
        ascii_host = host if ":" in host else host.rstrip(".").encode("idna").decode()
    except ValueError:
        return UNKNOWN
    lowered = ascii_host.lower()
    return lowered if _HOST.fullmatch(lowered) else UNKNOWN


def _bare_host(text: str) -> str:
    text = text.removeprefix("mailto:")
    if "@" in text and "/" not in text:
        name, host = text.split("@", 1)
        return host if _MAILBOX.fullmatch(name) else ""
    parts = urlsplit(text if "://" in text else f"//{text}")
    return (parts.hostname or "") if parts.netloc.count("@") <= 1 else ""


def _given(call: Call, spec: ToolSpec, name: str) -> str:
    value = call.arguments.get(name)
    if value is None:
        schema = spec.parameters.get("properties", {}).get(name, {})
        value = schema.get("default") if isinstance(schema, dict) else None
    return value if isinstance(value, str) else UNKNOWN


def _texts(value: Any) -> Iterator[str]:
    match value:
        case None:
            return
        case str():
            yield value
        case list():
            for inner in value:
                yield from _texts(inner)
        case _:
            yield UNKNOWN


def any_reached(patterns: Iterable[str], paths: tuple[str, ...]) -> bool:
    """Whether one of `patterns` matches one of `paths`, or something in it."""
    return any(reaches_path(pattern, path) for pattern in patterns for path in paths)


def all_within(patterns: tuple[str, ...], paths: tuple[str, ...]) -> bool:
    """Whether there are `paths`, and each is one that one of `patterns` means."""
    return bool(paths) and all(
        path != UNKNOWN and any(matches_path(pattern, path) for pattern in patterns) for path in paths
    )


def any_host(patterns: Iterable[str], hosts: tuple[str, ...]) -> bool:
    """Whether one of `hosts` is unknown, or named by one of `patterns`."""
    return any(host == UNKNOWN or matches_host(pattern, host) for pattern in patterns for host in hosts)


def all_hosts(patterns: tuple[str, ...], hosts: tuple[str, ...]) -> bool:
    """Whether there are `hosts`, and each is named by one of `patterns`."""
    return bool(hosts) and all(any(matches_host(pattern, host) for pattern in patterns) for host in hosts)
