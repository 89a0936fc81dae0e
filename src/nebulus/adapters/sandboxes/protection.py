"""Keeps the files that govern a run unchanged while a command runs, however the command or its run ends.

Invariants: where a file of the runtime does not exist yet, an empty placeholder takes its name before the
command begins, and a mount protects it like any other file; what no mount can protect is restored, each path by
itself, so that one failure does not stop the others; a process that is killed leaves a record outside of the
workspace, from which the next one restores the rest; what may have changed in spite of all this is trusted only
after its digest was confirmed.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nebulus.adapters.sandboxes.reach import Reach
from nebulus.adapters.trust.ledger import TrustLedger
from nebulus.adapters.trust.private import locked, make_private, user_state_folder
from nebulus.core.errors import ConfigError

_RECORDS = "commands"
_RECORD = ".json"


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to do when a command has ended. Paths are absolute.

    `placeholders` are names that were taken, `links` what no mount protects (with where a link leads, "" for
    nothing), `states` the files of the runtime as they were, "" for one that could not be protected.
    """

    placeholders: tuple[str, ...] = ()
    links: dict[str, str] = {}
    states: dict[str, str] = {}


class Protection:
    """The protection of one command. `changed` are, in the end, the names of what was put back, or may have changed."""

    def __init__(self) -> None:
        self.changed: list[str] = []

    def note(self) -> str:
        """Return what to say of it in the command's output, "" if all is as it was."""
        if not self.changed:
            return ""
        names = ", ".join(sorted(set(self.changed)))
        return f"\n[not for commands, and put back or no longer trusted: {names}]"


def as_known_now(reach: Reach) -> Reach:
    """Note that commands write in a workspace, and return its reach without what has come to govern runs since.

    Raises:
        ConfigError: what is known can't be read, or the workspace can't be noted.
    """
    if reach.is_probe:
        return reach
    ledger = TrustLedger(reach.state)
    ledger.remember_workspace(reach.root, (str(reach.root / path) for path in reach.kept))
    trust = ledger.load()
    known = {*trust.files, *(path for paths in trust.workspaces.values() for path in paths)}
    beneath = {str(Path(path).relative_to(reach.root)) for path in known if reach.root in Path(path).parents}
    return replace(reach, kept=tuple(dict.fromkeys((*reach.kept, *sorted(beneath)))))


@contextmanager
def protecting(reach: Reach, *, is_mounted: bool, spared: Collection[Path] = ()) -> Iterator[Protection]:
    """Protect what `reach` keeps from commands while this block runs, and put back what changed.

    `is_mounted`: names are taken by placeholders for a mount to protect. `spared` are links and hidden paths that
    need not be put back, since nothing can be made there.

    Raises:
        ConfigError: there is no place for the record of what to restore.
        OSError: a name can't be taken.
    """
    state = reach.state or user_state_folder()
    folder = make_private(make_private(state) / _RECORDS)
    links = {str(path): said for path, said in reach.unprotected().items() if path not in spared}
    protection = Protection()
    with locked(folder):
        _mend(folder, state)
        living = _living(folder)
        wanted = _placeholders(reach, living) if is_mounted else ()
        record = Record(placeholders=wanted, links=links, states=_states(reach, wanted) if is_mounted else {})
        place = folder / f"{secrets.token_hex(8)}{_RECORD}"
        handle = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.write(handle, msgspec.json.encode(record))
        try:
            for path in wanted:
                _make_placeholder(Path(path))
        except OSError:
            os.close(handle)  # The next command puts back what was made so far.
            raise
    try:
        yield protection
    finally:
        protection.changed += _end(place, handle, record)


def _end(place: Path, handle: int, record: Record) -> list[str]:
    """Put everything back, and return what was not as it was.

    What can't be done now is left to the next process, with the record: the command has run, and nothing may hide that.
    """
    folder = place.parent
    try:
        with locked(folder):
            others = {
                path
                for other, known in _living(folder).items()
                if other != place
                for path in known.placeholders
            }
            changed = _put_back(record, folder.parent, spared=others)
            place.unlink(missing_ok=True)
    except (OSError, ConfigError) as error:
        return [f"what could not be looked at ({error})"]
    finally:
        os.close(handle)
    return changed


def mend(state: Path | None = None) -> None:
    """Put back what killed processes left behind. Nothing happens where there is nothing.

    Raises:
        ConfigError: what changed can't be noted.
    """
    state = state or user_state_folder()
    folder = state / _RECORDS
    if any(folder.glob(f"*{_RECORD}")):
        with locked(folder):
            _mend(folder, state)


def _mend(folder: Path, state: Path) -> None:
    living = _living(folder)
    others = {path for record in living.values() for path in record.placeholders}
    for place in folder.glob(f"*{_RECORD}"):
        if place in living:
            continue
        with suppress(
            msgspec.DecodeError, FileNotFoundError
        ):  # Killed before it was whole: nothing was taken yet.
            _put_back(msgspec.json.decode(place.read_bytes(), type=Record), state, spared=others)
        place.unlink(missing_ok=True)


def _living(folder: Path) -> dict[Path, Record]:
    """Return the records of commands that still run: the process that runs one has it locked."""
    living = {}
    for place in folder.glob(f"*{_RECORD}"):
        with suppress(FileNotFoundError, msgspec.DecodeError):  # It has just ended.
            handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                living[place] = msgspec.json.decode(place.read_bytes(), type=Record)
            finally:
                os.close(handle)
    return living


def _placeholders(reach: Reach, living: Mapping[Path, Record]) -> tuple[str, ...]:
    """Return the names to take: those without anything, and those that another command has taken."""
    absent = [reach.root / path for path in reach.absent()]
    ours = {str(path) for path in absent if _is_in_place(path) and os.access(path.parent, os.W_OK)}
    theirs = {path for record in living.values() for path in record.placeholders}
    kept = {str(reach.root / path) for path in reach.kept}
    return tuple(sorted(ours | (theirs & kept)))


def _make_placeholder(path: Path) -> None:
    """Take a name: by an empty folder for one without a suffix (.nebulus), else by an empty file."""
    with suppress(FileExistsError):  # Another command has taken it.
        if path.suffix:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        else:
            path.mkdir(mode=0o700)


def _states(reach: Reach, placeholders: tuple[str, ...]) -> dict[str, str]:
    """Return the files of the runtime as they are; a mount is lost where somebody replaces the file below it."""
    states = {}
    for path in reach.kept:
        place = reach.root / path
        if str(place) not in placeholders and not place.is_symlink() and not place.is_dir():
            states[str(place)] = _state(place)
    return states


def _state(path: Path) -> str:
    try:
        found = path.lstat()
    except OSError:
        return ""
    return f"{found.st_ino}:{found.st_ctime_ns}"


def _put_back(record: Record, state: Path, *, spared: set[str]) -> list[str]:
    """Restore everything as far as possible; return the names of what was not restored."""
    changed = [
        path for path in record.placeholders if path not in spared and not _remove_placeholder(Path(path))
    ]
    exposed = [path for path in changed if os.path.lexists(path)]
    for path, said in record.links.items():
        if not _is_in_place(Path(path)):
            exposed.append(path)
        elif said != _said(Path(path)):
            changed.append(path)
            _restore(Path(path), said)
            if said != _said(Path(path)):
                exposed.append(path)
    exposed += [path for path, known in record.states.items() if _state(Path(path)) != known]
    if exposed:
        TrustLedger(state).expose(exposed)
    return [Path(path).name for path in (*changed, *exposed)]


def _is_in_place(path: Path) -> bool:
    """Whether the folder of a path is there, and no link leads to another one: nothing is touched outside."""
    return path.parent.is_dir() and os.path.realpath(path.parent) == str(path.parent)


def _remove_placeholder(path: Path) -> bool:
    """Remove an empty placeholder; False if there is something else by now, which is left alone."""
    if not _is_in_place(path):
        return not os.path.lexists(path)
    try:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        elif path.is_symlink() or path.stat().st_size:
            return False
        else:
            path.unlink()
    except FileNotFoundError:  # Whoever it was, it is gone.
        return True
    except OSError:
        return False
    return True


def _restore(path: Path, said: str) -> None:
    """Put a link back, or nothing; what is in its place and can't be removed is moved aside."""
    with suppress(OSError):  # Then it is moved aside.
        if path.is_dir() and not path.is_symlink():
            _remove_tree(path)
        elif os.path.lexists(path):
            path.unlink()
    with suppress(OSError):  # Then the ledger asks before it governs.
        if os.path.lexists(path):
            path.rename(path.with_name(f"{path.name}.removed-{secrets.token_hex(4)}"))
        if said:
            path.symlink_to(said)


def _remove_tree(path: Path) -> None:
    """Remove a folder with all that is in it, also where a command took away the right to look into it."""
    path.chmod(0o700)
    for folder, names, _ in os.walk(path):
        for name in names:
            below = Path(folder, name)
            if not below.is_symlink():
                below.chmod(0o700)
    shutil.rmtree(path)


def _said(path: Path) -> str | None:
    """Return where a link leads, "" where there is nothing, None where there is something else."""
    if path.is_symlink():
        return str(path.readlink())
    return None if os.path.lexists(path) else ""
