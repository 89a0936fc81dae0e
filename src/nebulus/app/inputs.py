"""Data that is handed over with a goal, as named inputs."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from nebulus.core.errors import ConfigError
from nebulus.core.plan import Input
from nebulus.core.unreadable import UNREADABLE

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def inputs_of(values: Mapping[str, Any]) -> tuple[Input, ...]:
    """Return `values` as inputs: a text as it is, anything else as JSON.

    Raises:
        ConfigError: a name is not a plain word, or a value can't be written as JSON.
    """
    return tuple(Input(_checked(name), _text(name, value)) for name, value in values.items())


def read_inputs(given: Iterable[str]) -> dict[str, str]:
    """Return inputs that are written NAME=VALUE, or NAME=@FILE for the text of a file.

    Raises:
        ConfigError: one is written otherwise or given twice, or a file can't be read.
    """
    found: dict[str, str] = {}
    for text in given:
        name, is_given, value = text.partition("=")
        if not is_given:
            raise ConfigError(f"the input {text!r} has no value", fix="write NAME=VALUE, or NAME=@FILE")
        if _checked(name) in found:
            raise ConfigError(f"the input {name!r} is given twice", fix="give it once")
        found[name] = _file(name, Path(value[1:])) if value.startswith("@") else value
    return found


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} can't be the name of an input", fix="take letters, digits, _ and -, not a digit first"
        )
    return name


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, *UNREADABLE) as error:
        raise ConfigError(f"the input {name!r} can't be written as JSON: {error}", fix="give text") from error


def _file(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the input {name!r}: {path} can't be read: {error.strerror}", fix="name a text file"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the input {name!r}: {path} is not UTF-8 text", fix="name a text file") from error
