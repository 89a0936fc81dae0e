"""Settings come from several sources, and the nearer one overrides the farther.

The order is: defaults, your own file, the workspace's file, the environment, and the flags of a command.

| source | where |
|---|---|
| your own file | `nebulus/nebulus.toml` in your configuration folder: `~/.config` on Linux, `XDG_CONFIG_HOME` if it is set, `~/Library/Application Support` on macOS |
| the workspace's file | `nebulus.toml` in the workspace, or the file that `--config` or `NEBULUS_CONFIG` names |
| the environment | `NEBULUS_MODEL` (one model, or several from small to large with commas between), `NEBULUS_PLANNING`, and so on for each key outside of a table; `NEBULUS_BUDGET__TOKENS` for `budget.tokens` |

Tables are merged key by key, except `[tiers]`: their order matters, so the nearest source that has them decides.
A relative path in your own file starts at that file's folder.

Invariant: a file that is merely found in a workspace does not loosen what your own file sets to guard you: `policy`,
`commands` and each of `secrets` stay as you wrote them, unless a file is named with `--config`. The library reads none of
these sources: an `Agent` has the settings that it is given.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import platformdirs
from msgspec import Struct, field

from nebulus.app.settings import FILE_NAME, Settings, is_model_path, tier_name, validate
from nebulus.app.settings_file import convert_settings, read_table
from nebulus.core.text import nearest

PREFIX = "NEBULUS_"
MODEL_VARIABLE = "NEBULUS_MODEL"
CONFIG_VARIABLE = "NEBULUS_CONFIG"
_BETWEEN = "__"
_NOT_SETTINGS = ("APPROVAL_KEY", "CONFIG", "DATA", "DEBUG", "KEY", "PROFILES", "TEST_", "TOKEN")
"""Beginnings of variables, after the prefix, that mean something else."""
_GUARDING = ("policy", "commands")


class Layer(Struct, frozen=True, kw_only=True):
    """One source and what it sets; `kept_out` names what it says and may not decide."""

    source: str
    values: dict[str, Any]
    kept_out: tuple[str, ...] = ()


class Layered(Struct, frozen=True, kw_only=True):
    """The settings that follow, and the source of each key that is not left at its default."""

    settings: Settings
    layers: tuple[Layer, ...] = ()
    origins: dict[str, str] = field(default_factory=dict)

    def comes_from(self, key: str, source: str) -> bool:
        """Whether `source` decided `key`, or something beneath it."""
        return any(
            name == key or name.startswith(f"{key}.") for name, at in self.origins.items() if at == source
        )


def user_settings_path() -> Path:
    """Return where your own settings are read from, whether or not there is a file."""
    return platformdirs.user_config_path("nebulus", appauthor=False) / FILE_NAME


def load_layered(
    config: Path | None, folder: Path, *, environ: Mapping[str, str] = os.environ, user: Path | None = None
) -> Layered:
    """Return the settings of all sources for work in `folder`; `user` is the user's own file.

    Raises:
        ConfigError: a file is missing or is not TOML, or a source contains something impossible.
    """
    own = user or user_settings_path()
    layers = [_user_layer(own)] if own.is_file() else []
    if config is not None:
        layers.append(Layer(source=str(config), values=read_table(config)))
    elif (folder / FILE_NAME).exists():
        found = Layer(source=str(folder / FILE_NAME), values=read_table(folder / FILE_NAME))
        layers.append(_guarded(found, layers))
    layers += environment_layers(environ)
    return merge(layers)


def merge(layers: Sequence[Layer]) -> Layered:
    """Return the settings that follow from `layers`, of which later ones override earlier ones.

    Raises:
        ConfigError: one contains something impossible; the message names it, or all where only they do together.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        convert_settings(layer.values, source=layer.source)
        values = _merged(values, layer.values)
        if "tiers" in layer.values:
            origins = {key: source for key, source in origins.items() if not key.startswith("tiers.")}
        origins |= dict.fromkeys(_keys(layer.values), layer.source)
    source = " with ".join(layer.source for layer in layers) or "settings"
    settings = convert_settings(values, source=source)
    validate(settings, source)
    return Layered(settings=settings, layers=tuple(layers), origins=origins)


def environment_layers(environ: Mapping[str, str]) -> list[Layer]:
    """Return a layer for each variable that is a setting, in the order of their names."""
    return [
        Layer(source=f"${name}", values=values)
        for name in sorted(environ)
        if name.startswith(PREFIX) and environ[name] and (values := _variable(name, environ[name]))
    ]


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that look like settings and are none, each with the setting nearest to it."""
    known = [MODEL_VARIABLE, *(f"{PREFIX}{key.upper()}" for key in _top_keys())]
    return {
        name: nearest(name, known)
        for name in sorted(environ)
        if name.startswith(PREFIX)
        and not name.removeprefix(PREFIX).startswith(_NOT_SETTINGS)
        and not _variable(name, environ[name])
    }


def _variable(name: str, text: str) -> dict[str, Any]:
    """Return what a variable sets as a table of settings; empty where it is not a setting."""
    if name == MODEL_VARIABLE:
        models = [model.strip() for model in text.split(",") if model.strip()]
        return {"tiers": {tier_name(model): {"model": model} for model in models}}
    table, mark, key = name.removeprefix(PREFIX).lower().partition(_BETWEEN)
    if table not in _top_keys():
        return {}
    return {table: {key: _value(text)}} if mark else {table: _value(text)}


def _top_keys() -> frozenset[str]:
    return frozenset(item.name for item in msgspec.structs.fields(Settings)) - {"tiers"}


def _value(text: str) -> Any:
    """Return `text` as the TOML value that it is, else as itself: `off` is a word, `500` a number."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _user_layer(path: Path) -> Layer:
    """Return the user's own file, its relative paths made absolute."""
    values = read_table(path)
    policy, tiers = values.get("policy"), values.get("tiers")
    if isinstance(policy, str) and policy:
        values["policy"] = _absolute(policy, path.parent)
    for tier in tiers.values() if isinstance(tiers, dict) else ():
        model = tier.get("model") if isinstance(tier, dict) else None
        if isinstance(model, str) and is_model_path(model):
            tier["model"] = _absolute(model, path.parent)
    return Layer(source=str(path), values=values)


def _absolute(path: str, folder: Path) -> str:
    return str(folder.absolute() / Path(path).expanduser())


def _guarded(found: Layer, own: Sequence[Layer]) -> Layer:
    """Return what was found in a workspace without what the user's own file set to guard them."""
    mine = own[0].values if own else {}
    values, kept_out = dict(found.values), []
    for key in _GUARDING:
        if key in values and key in mine:
            del values[key]
            kept_out.append(key)
    theirs, granted = values.get("secrets"), mine.get("secrets")
    if isinstance(theirs, dict) and isinstance(granted, dict):
        values["secrets"] = {name: tools for name, tools in theirs.items() if name not in granted}
        kept_out += [f"secrets.{name}" for name in theirs if name in granted]
    return Layer(source=found.source, values=values, kept_out=tuple(kept_out))


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with `above` over it, table by table; tiers are taken whole."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        is_merged = key != "tiers" and isinstance(old, dict) and isinstance(value, dict)
        result[key] = _merged(old, value) if is_merged and isinstance(old, dict) else value
    return result


def _keys(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict) and prefix != "tiers.":
            yield from _keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
