"""Files that belong to the user alone, in a folder that no run can write: mode 0600 in folders of mode 0700."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nebulus.core.errors import ConfigError

FOLDER_MODE = 0o700


def user_state_folder() -> Path:
    """Return where state of the user is kept that is not part of any workspace; it may not exist yet.

    Source: XDG Base Directory Specification 0.8, XDG_STATE_HOME; a relative path there is ignored.
    """
    named = os.environ.get("XDG_STATE_HOME", "")
    home = Path(named) if named.startswith("/") else Path(os.path.expanduser("~/.local/state"))  # noqa: PTH111
    return home / "nebulus"


def make_private(folder: Path) -> Path:
    """Make `folder` if need be, let nobody else in, and return it.

    Raises:
        ConfigError: it can't be made, or it belongs to somebody else.
    """
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_mode & 0o077:
            folder.chmod(FOLDER_MODE)
    except OSError as error:
        raise ConfigError(
            f"state can't be kept in {folder}: {error.strerror}",
            fix="set XDG_STATE_HOME to a folder that you can write",
        ) from error
    return folder


def write_private(path: Path, content: bytes) -> None:
    """Replace the file at `path` as a whole, readable for its owner alone. Its folder exists.

    Raises:
        OSError: it can't be written; what was there is still there.
    """
    handle, draft = tempfile.mkstemp(prefix=".draft-", dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time into this block, among all that name the same existing folder.

    Raises:
        OSError: the lock can't be taken.
    """
    handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
