"""What governs a run, by what is really used: settings, records, policy, and the code that runs it.

Invariants: each such path beneath the workspace is closed to every tool and every command, in this run and in every
later one; where that can't be done, the start is refused with the reason.
"""

import os
import site
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from nebulus.adapters.backends.hub_files import cache_folder, is_hub_name
from nebulus.adapters.backends.settings import is_template
from nebulus.adapters.profiles.store import FOLDER_VARIABLE, profiles_folder
from nebulus.adapters.stores.location import file_of, files_of, is_server
from nebulus.adapters.trust.ledger import TrustLedger
from nebulus.adapters.workspaces.links import names_of
from nebulus.app.settings import FILE_NAME, STATE_FOLDER, Settings, is_model_path
from nebulus.core.errors import ConfigError

_IN_MEMORY = "memory"
_SIBLINGS = ("approvals.sqlite", "artifacts")
"""Files in the folder of the runs, apart from names that begin with the name of the runs' file."""


class Governing(Struct, frozen=True, kw_only=True):
    """Paths beneath a workspace, relative to it: `kept` are for no tool, `fixed` may be read and not changed."""

    kept: tuple[str, ...]
    fixed: tuple[str, ...]


def governing(
    settings: Settings, folder: Path, root: Path, *, policy: Iterable[Path] = (), ledger: TrustLedger
) -> Governing:
    """Return what governs runs in the workspace at `root` under the settings of `folder`.

    Raises:
        ConfigError: something governs a run from where it can't be protected.
    """
    if root == ledger.folder or ledger.folder in root.parents:
        raise ConfigError(f"{root} is where Nebulus keeps what you trust", fix="name another workspace")
    trust = ledger.load()
    profiles = _profiles(root)
    own = [root / STATE_FOLDER, root / FILE_NAME, ledger.folder, *_state(settings, folder, root), *policy]
    own += [] if profiles.exists() else [profiles]
    known = [*map(Path, trust.files), *_of_workspaces(trust.workspaces)]
    kept = [name for path in own for name in _with_other_names(path, root)]
    kept += [name for path in known if root in path.parents for name in _with_other_names(path, root)]
    return Governing(
        kept=_beneath(root, kept),
        fixed=_beneath(
            root,
            [
                name
                for path in (*_code(settings, folder), profiles)
                for name in names_of(path)
                if name.exists()
            ],
        ),
    )


def engine_file(settings: Settings, folder: Path) -> Path | None:
    """Return the SQLite file in which runs are kept, None where they are in memory or on a server."""
    url = settings.engine.url
    return None if url == _IN_MEMORY else file_of(url if "://" in url else folder / url)


def _state(settings: Settings, folder: Path, root: Path) -> Iterator[Path]:
    """Return the folders in which records of runs, approvals and artifacts are kept, and what leads to a server."""
    yield folder / STATE_FOLDER
    file = engine_file(settings, folder)
    if file is None:
        yield from _way_to_server(settings.engine.url, root)
        return
    *links, final = names_of(file) or (file,)
    yield from links
    if final.parent == root:
        raise ConfigError(
            f"engine.url={settings.engine.url!r} keeps the runs in the workspace itself, where commands can "
            f"reach them",
            fix=f"give them a folder of their own, such as {STATE_FOLDER}/{final.name}",
        )
    if root in final.parents:
        _require_own_folder(final, settings.engine.url)
        yield final.parent


def _way_to_server(url: str, root: Path) -> Iterator[Path]:
    """Return the sockets, keys and certificates by which the server of `url` is reached and known."""
    for path in files_of(url) if is_server(url) else ():
        if root in (path, Path(os.path.realpath(path))):
            raise ConfigError(
                f"engine.url={url!r} reaches its server through the workspace itself, where commands can replace it",
                fix="give its socket a folder outside of the workspace",
            )
        yield path


def _profiles(root: Path) -> Path:
    """Return the folder of what was measured of models: it decides which tier is asked.

    Raises:
        ConfigError: it is the workspace itself.
    """
    folder = profiles_folder().absolute()
    if root in (folder, Path(os.path.realpath(folder))):
        raise ConfigError(
            f"{FOLDER_VARIABLE}={str(folder)!r} is the workspace itself, where runs can write",
            fix="give profiles a folder of their own",
        )
    return folder


def _require_own_folder(file: Path, url: str) -> None:
    """Refuse a folder that is used for other things as well: all of it is closed to tools and commands.

    Raises:
        ConfigError: something else is in it.
    """
    if file.parent.name == STATE_FOLDER or not file.parent.is_dir():
        return
    own = (file.name, *_SIBLINGS, ".")
    foreign = sorted(entry.name for entry in file.parent.iterdir() if not entry.name.startswith(own))
    if foreign:
        raise ConfigError(
            f"engine.url={url!r} keeps the runs next to {foreign[0]!r}, which no tool could then read",
            fix=f"give them a folder of their own, such as {STATE_FOLDER}/{file.name}",
        )


def _of_workspaces(workspaces: Mapping[str, tuple[str, ...]]) -> Iterator[Path]:
    for root, paths in workspaces.items():
        yield from (Path(root, STATE_FOLDER), Path(root, FILE_NAME), *map(Path, paths))


def _code(settings: Settings, folder: Path) -> Iterator[Path]:
    """Return what runs us: the interpreter's folders, our own code, and the files of models and their templates.

    Other folders on Python's path are left open: they are as often what a run works on.
    """
    yield Path(sys.prefix)
    yield Path(site.getusersitepackages())
    yield Path(__file__).parents[1]
    for tier in settings.tiers.values():
        if is_hub_name(tier.model):
            yield cache_folder(os.environ)
        elif is_model_path(tier.model):
            yield Path(tier.model).absolute()
            yield folder / tier.model
        if tier.chat_template and not is_template(tier.chat_template):
            yield Path(tier.chat_template).absolute()


def _with_other_names(path: Path, root: Path) -> tuple[Path, ...]:
    """Return the names on which `path` depends, with further hard links of the file beneath `root`."""
    names = names_of(path)
    final = names[-1] if names else path
    try:
        found = final.stat()
    except OSError:
        return names
    if not final.is_file() or found.st_nlink < 2:
        return names
    return (*names, *_same_file(root, (found.st_dev, found.st_ino)))


def _same_file(root: Path, identity: tuple[int, int]) -> Iterator[Path]:
    """Return every name beneath `root` of one file. The whole workspace is looked at; few files have two names."""
    for folder, _, files in os.walk(root):
        for file in files:
            place = Path(folder, file)
            found = place.lstat()
            if (found.st_dev, found.st_ino) == identity:
                yield place


def _beneath(root: Path, paths: Iterable[Path]) -> tuple[str, ...]:
    """Return those of `paths` that are beneath `root`, relative to it and without those that another one covers."""
    found = {path.relative_to(root) for path in paths if root in path.parents}
    return tuple(sorted(str(path) for path in found if found.isdisjoint(path.parents)))
