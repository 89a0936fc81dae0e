"""Where a command works: the folder, its settings, and the models it was given instead.

Invariant: what was chosen by flags is remembered with the run, so that `resume` needs none of them.
"""

import re
from pathlib import Path

import msgspec
from msgspec import Struct

from nebulus.app.bootstrap import MEMORY
from nebulus.app.settings import Settings, TierSettings, load_settings
from nebulus.core.errors import ConfigError, RunUnknownError

_SHELL_SAFE = re.compile(r"[\w@%+=:,./-]+")


class Choice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the flags said; empty where they said nothing."""

    config: str = ""
    tiers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    def remembered(self) -> dict[str, str]:
        """Return this as it stands in a run's request."""
        return {"choice": msgspec.json.encode(self).decode()} if self != Choice() else {}


def recalled(place: dict[str, str]) -> Choice:
    """Return the choice that a run's request remembers."""
    return msgspec.json.decode(place.get("choice", "{}"), type=Choice)


def settings_of(folder: Path, choice: Choice) -> Settings:
    """Return the settings of `folder` under `choice`.

    Raises:
        ConfigError: there is no such folder, or a file or a flag can't be meant.
    """
    if not folder.is_dir():
        raise ConfigError(f"the workspace {str(folder)!r} is no folder; create it, or name another")
    if choice.models and choice.tiers:
        raise ConfigError(
            "--model and --tier exclude each other; --tier picks among the tiers of nebulus.toml"
        )
    settings = load_settings(Path(choice.config) if choice.config else None, folder)
    if choice.models:
        tiers = {_tier_name(model): TierSettings(model=model) for model in choice.models}
        for tier in tiers.values():
            tier.backend()
        return msgspec.structs.replace(settings, tiers=tiers)
    return settings.only(choice.tiers) if choice.tiers else settings


def require_runs(settings: Settings, folder: Path) -> None:
    """Refuse to look for a run where none was ever kept, instead of making an empty store.

    Raises:
        RunUnknownError: nothing was ever kept there.
    """
    if not has_runs(settings, folder):
        raise RunUnknownError(
            f"no run was ever kept in {folder / settings.engine.url}; name the folder of the run with --workspace"
        )


def has_runs(settings: Settings, folder: Path) -> bool:
    """Whether there is a store to look into; one on a server is taken to be there."""
    url = settings.engine.url
    return "://" in url or (url != MEMORY and (folder / url).exists())


def again(run_id: str, folder: Path, *, verb: str = "resume") -> str:
    """Return the command that takes a run up, as it would be typed in the current folder."""
    where = "" if folder.resolve() == Path.cwd() else f" --workspace {_quoted(str(folder))}"
    return f"nebulus {verb} {_quoted(run_id)}{where}"


def _quoted(word: str) -> str:
    return word if _SHELL_SAFE.fullmatch(word) else "'" + word.replace("'", "'\\''") + "'"


def _tier_name(model: str) -> str:
    """Return a short name for a model that came without one: its last part."""
    return re.split(r"[/#]", model.rstrip("/"))[-1].removesuffix(".gguf") or model
