"""Reads `nebulus.toml`: a table becomes settings, and what is wrong is named with its place and value."""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from nebulus.adapters.mcp.settings import McpServerSettings
from nebulus.adapters.sandboxes.limits import Limits as CommandLimits
from nebulus.adapters.tools.groups import ToolGroups
from nebulus.app.route_settings import RouteSettings
from nebulus.app.serve_settings import ServeSettings
from nebulus.app.settings import (
    FILE_NAME,
    EngineSettings,
    Settings,
    TelemetrySettings,
    TierSettings,
    validate,
)
from nebulus.core.budget import Budget
from nebulus.core.errors import ConfigError
from nebulus.core.limits import Limits
from nebulus.core.text import nearest
from nebulus.recovery.strategy import check_overrides

_Kind = TypeVar("_Kind", bound=Struct)


def load_settings(path: Path | None, folder: Path) -> Settings:
    """Return the settings of `path`, else of `nebulus.toml` in `folder`, else the defaults.

    Raises:
        ConfigError: the file is missing, is not TOML, or contains something impossible.
    """
    found = path or folder / FILE_NAME
    if path is None and not found.exists():
        return Settings()
    return read_settings(read_table(found), source=str(found))


def read_table(path: Path) -> dict[str, Any]:
    """Return the TOML file at `path` as it is written.

    Raises:
        ConfigError: it can't be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def read_settings(data: dict[str, Any], *, source: str) -> Settings:
    """Return the settings in `data`; messages about what is wrong begin with `source`.

    Raises:
        ConfigError: an unknown key, a wrong type, or a value that can't be.
    """
    settings = convert_settings(data, source=source)
    validate(settings, source)
    return settings


def convert_settings(data: dict[str, Any], *, source: str) -> Settings:
    """Return the settings in `data`, each key and value checked, but not whether they go together (`validate`).

    Raises:
        ConfigError: an unknown key, or a wrong type.
    """
    tables = dict(data)
    named: dict[str, type[Struct]] = {"tiers": TierSettings, "mcp": McpServerSettings}
    of_name = {name: _table(tables.pop(name, None), name, source) for name in named}
    known: dict[str, type[Struct]] = {
        "engine": EngineSettings,
        "budget": Budget,
        "limits": Limits,
        "sandbox": CommandLimits,
        "tools": ToolGroups,
        "route": RouteSettings,
        "serve": ServeSettings,
        "telemetry": TelemetrySettings,
    }
    values: dict[str, Any] = {
        name: _struct(_table(tables.pop(name), name, source), kind, f"{source}: {name}")
        for name, kind in known.items()
        if name in tables
    }
    for key, kind in named.items():
        if of_name[key]:
            values[key] = {
                name: _struct(_table(table, f"{key}.{name}", source), kind, f"{source}: {key}.{name}")
                for name, table in of_name[key].items()
            }
    settings = msgspec.structs.replace(_struct(tables, Settings, f"{source}: "), **values)
    wrong = check_overrides(settings.limits)
    if wrong:
        raise ConfigError(f"{source}: limits.strategies: {wrong}")
    return settings


def _table(value: Any, name: str, source: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(
            f"{source}: {name}={value!r} is not a table", fix=f"write [{name}] and settings below it"
        )
    return value


def _struct(table: dict[str, Any], kind: type[_Kind], place: str) -> _Kind:
    """Return `table` as a `kind`, its fields converted one by one so that an error names field and value."""
    fields = {item.name: item for item in msgspec.structs.fields(kind)}
    prefix = place if place.endswith(" ") else f"{place}."
    values = {}
    for key, value in table.items():
        if key not in fields:
            raise ConfigError(f"{prefix}{key} is not a setting", fix=f"{nearest(key, list(fields))}")
        try:
            values[key] = msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{prefix}{key}={value!r}: {error}{_choices(fields[key].type)}") from error
    missing = [item.name for item in fields.values() if item.required and item.name not in values]
    if missing:
        raise ConfigError(f"{prefix}{missing[0]} is missing")
    return kind(**values)


def _choices(wanted: Any) -> str:
    """Return, for a message, which words a setting of the type `wanted` may be; "" if it may be anything."""
    words = sorted(_words_of(wanted))
    return f"; there are {', '.join(map(repr, words))}" if words else ""


def _words_of(wanted: Any) -> set[str]:
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        return {item.value for item in wanted}
    if get_origin(wanted) is Literal:
        return set(map(str, get_args(wanted)))
    return {word for inner in get_args(wanted) for word in _words_of(inner)}
