"""Files in one folder, reached from its descriptor, part by part.

Invariants: no link is ever followed, so a path that was judged is the path that is touched, whatever was
swapped in between; a file is replaced whole or not at all; nothing is overwritten by a move.
"""

import ctypes
import errno
import os
import secrets
import stat
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

from nebulus.adapters.workspaces.paths import owned, unchangeable
from nebulus.adapters.workspaces.refusals import refused
from nebulus.core.errors import ToolError
from nebulus.core.failure import Failure, FailureKind

Entry: TypeAlias = tuple[str, bool]
"""A name in a folder, and whether it names a folder."""
Place: TypeAlias = tuple[int, str]
"""The descriptor of a folder, and a name in it."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_REPLACE = 1
"""RENAME_NOREPLACE. Source: linux/include/uapi/linux/fs.h."""
_DRAFT = ".nebulus-draft-"


class Tree:
    """The folder at `root` and everything in it. Paths are relative, with `/` and without `..`."""

    def __init__(self, root: Path, *, kept: Collection[str] = (), fixed: Collection[str] = ()) -> None:
        """Take the folder; nobody may touch what is in `kept`, nor change what is in `fixed`."""
        self._root, self._kept = root, frozenset(kept)
        self._unchanged = self._kept | frozenset(fixed)

    def kind(self, path: str) -> str:
        """Return "file", "folder", "other" (a link, a device, a socket) or "" if nothing is there.

        Raises:
            ToolError: a folder on the way can't be entered.
        """
        with refused(path):
            try:
                with self._parent(path) as (parent, name):
                    return _kind(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
            except (FileNotFoundError, NotADirectoryError):
                return ""

    @contextmanager
    def reading(self, path: str) -> Iterator[BinaryIO]:
        """Open a regular file for reading.

        Raises:
            ToolError: there is none, or it is a folder, a link, a pipe or a device.
        """
        with refused(path):
            with self._parent(path) as (parent, name):
                opened = os.open(name, _READ, dir_fd=parent)
            kind = _kind(os.fstat(opened).st_mode)
            if kind != "file":
                os.close(opened)
            if kind == "folder":
                raise IsADirectoryError(errno.EISDIR, "is a folder", path)
            if kind == "other":
                raise ToolError("this is not a regular file", kind=FailureKind.INVALID_ARGUMENTS, value=path)
            with os.fdopen(opened, "rb") as file:
                yield file

    def entries(self, path: str) -> list[Entry]:
        """List a folder, by name; drafts of ours and what belongs to the runtime are left out.

        Raises:
            ToolError: there is no such folder.
        """
        with refused(path), self._folder(self._parts(path)) as folder, os.scandir(folder) as found:
            listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        below = "" if path == "." else f"{path}/"
        return sorted(
            entry
            for entry in listed
            if not entry[0].startswith(_DRAFT) and owned(below + entry[0], self._kept) is None
        )

    def files(self, path: str, *, has_hidden: bool = True) -> Iterator[str]:
        """Walk the regular files below a folder (or the file itself), in the order of their names.

        Folders that can't be listed are left out; without `has_hidden`, so are hidden files, and hidden folders are not
        entered.
        """
        if self.kind(path) == "file":
            yield path
            return
        entries: list[Entry] = []
        with suppress(ToolError):  # A walk goes on past a folder that is closed to us.
            entries = self.entries(path)
        for name, is_folder in entries:
            below = name if path == "." else f"{path}/{name}"
            if name.startswith(".") and not has_hidden:
                continue
            if is_folder:
                yield from self.files(below, has_hidden=has_hidden)
            elif self.kind(below) == "file":
                yield below

    def write(self, path: str, content: bytes) -> None:
        """Put a file with this content at `path`, whole and on the disk; folders are made as needed.

        Raises:
            ToolError: it can't be written; what was there is unchanged.
            OSError: it was written, and the disk did not confirm it.
        """
        with ExitStack() as stack:
            with refused(path):
                self._require_changeable(path)
                parent, name = stack.enter_context(self._parent(path, is_made=True))
                self._replace(parent, name, content)
            os.fsync(parent)

    def move(self, source: str, target: str) -> None:
        """Rename a file or folder; folders on the way to `target` are made as needed.

        Raises:
            ToolError: there is no `source`, or `target` exists already; nothing was moved.
            OSError: it was moved, and the disk did not confirm it.
        """
        with ExitStack() as stack:
            with refused(source):
                self._require_changeable(source)
                self._require_changeable(target)
                source_folder, source_name = stack.enter_context(self._parent(source))
                _require_plain(source_folder, source_name)
            with refused(target):
                target_folder, target_name = stack.enter_context(self._parent(target, is_made=True))
                _rename((source_folder, source_name), (target_folder, target_name))
            os.fsync(source_folder)
            os.fsync(target_folder)

    def remove(self, path: str) -> None:
        """Remove a file, or a link as such.

        Raises:
            ToolError: there is none, or it is a folder; nothing was removed.
            OSError: it was removed, and the disk did not confirm it.
        """
        with ExitStack() as stack:
            with refused(path):
                self._require_changeable(path)
                parent, name = stack.enter_context(self._parent(path))
                if _kind(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode) == "folder":
                    raise IsADirectoryError(errno.EISDIR, "is a folder", path)
                os.unlink(name, dir_fd=parent)
            os.fsync(parent)

    def _replace(self, parent: int, name: str, content: bytes) -> None:
        mode = _mode_of(parent, name)
        draft = f"{_DRAFT}{secrets.token_hex(8)}"
        opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=parent)
        try:
            with os.fdopen(opened, "wb") as file:
                file.write(content)
                file.flush()
                if mode is not None:
                    os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            os.unlink(draft, dir_fd=parent)
            raise

    @contextmanager
    def _parent(self, path: str, *, is_made: bool = False) -> Iterator[Place]:
        """Open the folder that contains `path`; yield its descriptor, and the name of `path` in it."""
        parts = self._parts(path)
        if not parts:
            with self._folder(()) as folder:
                yield folder, "."
            return
        with self._folder(parts[:-1], is_made=is_made) as folder:
            yield folder, parts[-1]

    def _parts(self, path: str) -> tuple[str, ...]:
        parts = tuple(part for part in path.split("/") if part not in ("", "."))
        if path.startswith("/") or ".." in parts or "\0" in path:
            raise ToolError(
                "the path is not relative to the workspace",
                kind=FailureKind.PERMISSION,
                value=ascii(path),
                fix="give it without a leading / and without ..",
            )
        _raise(owned("/".join(parts), self._kept))
        return parts

    def _require_changeable(self, path: str) -> None:
        _raise(unchangeable("/".join(self._parts(path)), self._unchanged))

    @contextmanager
    def _folder(self, parts: tuple[str, ...], *, is_made: bool = False) -> Iterator[int]:
        current = os.open(self._root, _FOLDER)
        try:
            for part in parts:
                below = _enter(current, part, is_made=is_made)
                os.close(current)
                current = below
            yield current
        finally:
            os.close(current)


def _raise(reserved: Failure | None) -> None:
    if reserved is not None:
        raise ToolError(reserved.what, kind=reserved.kind, value=reserved.value, fix=reserved.fix)


def _enter(folder: int, name: str, *, is_made: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, "is a link", name) from None
        raise
    except FileNotFoundError:
        if not is_made:
            raise
    with suppress(FileExistsError):  # Somebody may be faster; the next line tells whether it is a folder.
        os.mkdir(name, dir_fd=folder)
    return os.open(name, _FOLDER, dir_fd=folder)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"


def _mode_of(parent: int, name: str) -> int | None:
    """Return the permissions of the file that will be replaced, None if there is none."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:  # A new file gets the permissions of every new file.
        return None
    match _kind(found):
        case "folder":
            raise IsADirectoryError(errno.EISDIR, "is a folder", name)
        case "other":
            raise OSError(errno.ELOOP, "is a link", name)
        case _:
            return stat.S_IMODE(found) & 0o777


def _require_plain(parent: int, name: str) -> None:
    if name == ".":
        raise OSError(errno.EINVAL, "it is the workspace itself", name)
    if _kind(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode) == "other":
        raise OSError(errno.ELOOP, "is a link", name)


def _rename(source: Place, target: Place) -> None:
    """Rename without overwriting, in one stroke where the file system can do it."""
    (source_folder, source_name), (target_folder, target_name) = source, target
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        names = os.fsencode(source_name), os.fsencode(target_name)
        if not libc.renameat2(source_folder, names[0], target_folder, names[1], _NO_REPLACE):
            return
        code = ctypes.get_errno()
        if code not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(code, os.strerror(code), target_name)
    os.link(
        source_name, target_name, src_dir_fd=source_folder, dst_dir_fd=target_folder, follow_symlinks=False
    )
    try:
        os.unlink(source_name, dir_fd=source_folder)
    except OSError:
        os.unlink(target_name, dir_fd=target_folder)
        raise
