"""Copies of a workspace, and digests of its files.

Invariants: a copy contains nothing that governs a run; nothing in it leads back to the workspace, so what is done in a
copy is done to the copy alone.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.adapters.workspaces.tree import Tree
from nebulus.core.errors import ConfigError, ToolError
from nebulus.voting.ends import digest_of

MOST_FILES = 20_000
MOST_BYTES = 256 << 20
"""A larger workspace is not copied: it would take longer than the tries in it."""
_WHOLE_BYTES = 4 << 20
"""A larger file is compared byte by byte."""
_CHUNK_BYTES = 1 << 20


@contextmanager
def copied(workspace: FolderWorkspace) -> Iterator[Path]:
    """Copy a workspace into a new folder of the same name, and remove the copy at the end.

    Links that lead to an absolute path are left out.

    Raises:
        ConfigError: the workspace is too large, or a part of it can't be copied.
    """
    _require_small(workspace)
    with TemporaryDirectory(prefix="nebulus-try-", ignore_cleanup_errors=True) as folder:
        target = Path(folder, workspace.root.name or "workspace")
        try:
            _copy(workspace.tree, workspace.root, target, path=".")
        except (OSError, ToolError) as error:
            raise ConfigError(
                f"the workspace can't be copied: {error}", fix="make all of it readable, or leave votes at 1"
            ) from error
        yield target


def digests_of(workspace: FolderWorkspace) -> dict[str, str]:
    """Return the digest of every file of a workspace that tools may read, by its path."""
    found = {}
    for path in workspace.tree.files("."):
        with suppress(ToolError):  # a file that is closed to us is closed to the run as well
            found[path] = digest_at(workspace.tree, path)
    return found


def digest_at(tree: Tree, path: str) -> str:
    """Return the digest of a file.

    Raises:
        ToolError: there is none, or it can't be read.
    """
    with tree.reading(path) as file:
        if os.fstat(file.fileno()).st_size <= _WHOLE_BYTES:
            return digest_of(path, file.read())
        hashed = hashlib.sha256()
        while chunk := file.read(_CHUNK_BYTES):
            hashed.update(chunk)
        return hashed.hexdigest()


def _require_small(workspace: FolderWorkspace) -> None:
    size = 0
    for count, path in enumerate(workspace.tree.files("."), start=1):
        with suppress(OSError):  # it went away meanwhile
            size += (workspace.root / path).lstat().st_size
        if count > MOST_FILES or size > MOST_BYTES:
            raise ConfigError(
                f"the workspace has more than {MOST_FILES:,} files or {MOST_BYTES >> 20} MB, too much to copy for "
                "tries",
                fix="name a smaller folder, or leave votes at 1",
            )


def _copy(tree: Tree, root: Path, target: Path, *, path: str) -> None:
    """Copy a folder and what is in it."""
    here = target if path == "." else target / path
    here.mkdir()
    for name, is_folder in tree.entries(path):
        below = name if path == "." else f"{path}/{name}"
        if is_folder:
            _copy(tree, root, target, path=below)
            continue
        link = root / below
        if tree.kind(below) == "file":
            _copy_file(tree, below, target / below)
        elif link.is_symlink() and not link.readlink().is_absolute():
            (target / below).symlink_to(link.readlink())


def _copy_file(tree: Tree, path: str, target: Path) -> None:
    with tree.reading(path) as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy)
        found = os.fstat(source.fileno())
        copy.flush()
        os.utime(copy.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
        os.fchmod(copy.fileno(), found.st_mode & 0o777)
