"""Where a command works: the folder, its settings once they are trusted, and the models it was given instead.

Invariant: what was chosen by flags is remembered with the run, so that `resume` needs none of them.
"""

import re
from pathlib import Path

import msgspec
from msgspec import Struct

from nebulus.adapters.trust.ledger import TrustLedger
from nebulus.app.bootstrap import MEMORY
from nebulus.app.settings import FILE_NAME, Settings, TierSettings, tier_name
from nebulus.app.settings_file import load_settings
from nebulus.app.trust import contacts_in_doubt, file_in_doubt, protect_from_now_on
from nebulus.cli.trusting import require_trust
from nebulus.core.errors import ConfigError, RunUnknownError
from nebulus.core.plan import PlanMode

_SHELL_SAFE = re.compile(r"[\w@%+=:,./-]+")


class Choice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the flags said; empty where they said nothing."""

    config: str = ""
    tiers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    planning: PlanMode | None = None
    votes: int | None = None

    def remembered(self) -> dict[str, str]:
        """Return this as a run's request keeps it."""
        return {"choice": msgspec.json.encode(self).decode()} if self != Choice() else {}


def recalled(place: dict[str, str]) -> Choice:
    """Return the choice that a run's request remembers."""
    return msgspec.json.decode(place.get("choice", "{}"), type=Choice)


def settings_of(folder: Path, choice: Choice, *, only_looks: bool = False, asks: bool = True) -> Settings:
    """Return the settings of `folder` under `choice`, once they are trusted.

    `only_looks`: no model will be contacted. `asks`: somebody at the terminal may be asked.

    Raises:
        ConfigError: there is no such folder, a file or a flag can't be meant, or something is not trusted.
    """
    if not folder.is_dir():
        raise ConfigError(f"the workspace {str(folder)!r} is not a folder", fix="create it, or name another")
    if choice.models and choice.tiers:
        raise ConfigError(
            "--model and --tier exclude each other", fix="--tier picks among the tiers of nebulus.toml"
        )
    path, ledger, command = settings_path(folder, choice), TrustLedger(), trust_command(folder, choice)
    require_trust(file_in_doubt(path, ledger), ledger, asks=asks, command=command)
    settings = chosen(load_settings(Path(choice.config) if choice.config else None, folder), choice)
    contacted = msgspec.structs.replace(settings, tiers={}) if only_looks or choice.models else settings
    contacted = msgspec.structs.replace(contacted, mcp={}) if only_looks else contacted
    doubts = contacts_in_doubt(contacted, path, folder, ledger=ledger)
    require_trust(doubts, ledger, asks=asks, command=command)
    protect_from_now_on(path, folder, ledger)
    return settings


def settings_path(folder: Path, choice: Choice) -> Path:
    """Return where the settings of `folder` are read from, whether or not there is a file."""
    return Path(choice.config) if choice.config else folder / FILE_NAME


def chosen(settings: Settings, choice: Choice) -> Settings:
    """Return `settings` with the models and tiers that the flags chose.

    Raises:
        ConfigError: a flag can't be meant.
    """
    if choice.planning is not None:
        settings = msgspec.structs.replace(settings, planning=choice.planning)
    if choice.votes is not None:
        settings = msgspec.structs.replace(settings, votes=choice.votes)
    if choice.models:
        tiers = {tier_name(model): TierSettings(model=model) for model in choice.models}
        for tier in tiers.values():
            tier.backend()
        return msgspec.structs.replace(settings, tiers=tiers)
    return settings.only(choice.tiers) if choice.tiers else settings


def trust_command(folder: Path, choice: Choice) -> str:
    """Return the command that confirms what the settings of `folder` need, as it would be typed here."""
    where = "" if folder.resolve() == Path.cwd() else f" --workspace {_quoted(str(folder))}"
    return f"nebulus trust{where}" + (f" --config {_quoted(choice.config)}" if choice.config else "")


def require_runs(settings: Settings, folder: Path) -> None:
    """Refuse to look for a run where none was ever kept, instead of making an empty store.

    Raises:
        RunUnknownError: nothing was ever kept there.
    """
    if not has_runs(settings, folder):
        raise RunUnknownError(
            f"no run was ever kept in {folder / settings.engine.url}",
            fix="name the folder of the run with --workspace",
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
