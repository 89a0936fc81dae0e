"""The settings files of other programs: written as a whole, and put back as they were.

Invariants: what a file was before is kept where no run can write; a link that somebody may have put into a folder of a
project is not followed; a file is replaced as a whole or not at all.
"""

import hashlib
import stat
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from nebulus.adapters.trust.private import make_private, user_state_folder, write_private
from nebulus.core.errors import ConfigError
from nebulus.core.unreadable import UNREADABLE

MOST_BYTES = 4 << 20
"""The largest settings file that is read."""


class _Kept(Struct, frozen=True):
    """How a file was, None if there was none, and what was written into it."""

    path: str
    before: str | None
    written: str


def place_of(name: str) -> Path:
    """Return the file that a client calls `name`: in the home folder if it begins with ~, else in the folder of the project.

    The user may have linked files in the home folder; in a project a link may have come with it.

    Raises:
        ConfigError: it is a link, or leads through one, or is not a regular file.
    """
    is_own = name.startswith("~")
    path = Path(name).expanduser()
    if is_own:
        path = path.resolve()
    else:
        folder = Path.cwd()
        for part in Path(name).parts:
            folder /= part
            if folder.is_symlink():
                raise ConfigError(f"{folder} is a link; set the file that it leads to by hand")
        path = folder
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise ConfigError(f"{path} is not a file; set it by hand")
    return path


def text_of(path: Path) -> str | None:
    """Return the text of a settings file, None if there is none.

    Raises:
        ConfigError: it can't be read, is not text, or is too large to be one.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:  # there is none
        return None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path} is larger than {MOST_BYTES} bytes; set it by hand")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8; set it by hand") from error


def write(path: Path, text: str) -> None:
    """Write a settings file, once how it was is kept; what was kept before is kept on.

    Raises:
        ConfigError: it can't be written; it is as it was.
    """
    kept = _kept(path)
    before = text_of(path) if kept is None else kept.before
    make_private(_folder())
    try:
        write_private(_record(path), msgspec.json.encode(_Kept(str(path), before, text)))
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}") from error


def put_back(path: Path) -> None:
    """Put a settings file back as it was before the first `write`, unless somebody has changed it since.

    Raises:
        ConfigError: nothing was written, or the file has changed.
    """
    kept = _kept(path)
    if kept is None:
        raise ConfigError(f"nothing was written into {path}, or it was undone already")
    if text_of(path) != kept.written:
        raise ConfigError(
            f"{path} was changed since; take the settings out by hand, how it was is in {_record(path)}"
        )
    try:
        if kept.before is None:
            path.unlink()
        else:
            _replace(path, kept.before)
        _record(path).unlink()
    except OSError as error:
        raise ConfigError(f"{path} can't be put back: {error.strerror}") from error


def _folder() -> Path:
    return user_state_folder() / "connect"


def _record(path: Path) -> Path:
    """Return where it is kept how `path` was."""
    return _folder() / f"{hashlib.sha256(str(path).encode()).hexdigest()[:32]}.json"


def _kept(path: Path) -> _Kept | None:
    record = _record(path)
    try:
        return msgspec.json.decode(record.read_bytes(), type=_Kept)
    except FileNotFoundError:  # there is none
        return None
    except (*UNREADABLE, OSError) as error:
        raise ConfigError(f"{record}, which says how {path} was, can't be read: {error}") from error


def _replace(path: Path, text: str) -> None:
    """Put a new file in the place of `path`, with its permissions."""
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=".nebulus-", delete=False
    ) as file:
        draft = Path(file.name)
        try:
            file.write(text)
            file.close()
            draft.chmod(mode)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
