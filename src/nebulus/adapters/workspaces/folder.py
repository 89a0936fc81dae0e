"""A folder on this machine as a workspace."""

import errno
import os
from collections.abc import Collection
from itertools import islice
from pathlib import Path

from nebulus.adapters.workspaces.links import followed
from nebulus.adapters.workspaces.paths import looping, malformed, outside, owned
from nebulus.adapters.workspaces.tree import Tree
from nebulus.core.errors import ConfigError, ToolError
from nebulus.core.failure import Failure, FailureKind, Fault


class FolderWorkspace:
    """An existing, writable folder.

    `canonical` says where a path leads now. An effect goes through `tree`, which follows no link, so
    that it lands where the judged path said or nowhere. `kept` are paths in it that no tool may touch,
    `fixed` those that no tool may change, both with all that is in them; the runtime's own names are added.

    Raises:
        ConfigError: there is no such folder, or it can't be read and written.
    """

    def __init__(self, root: str | Path, *, kept: Collection[str] = (), fixed: Collection[str] = ()) -> None:
        given = Path(root)
        if not given.is_dir():
            raise ConfigError(f"workspace {str(given)!r} is not a folder", fix="create it, or name another")
        if not os.access(given, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(
                f"workspace {str(given)!r} can't be read and written", fix="change its permissions"
            )
        self._root = given.resolve(strict=True)
        self._kept = frozenset(kept)
        self._tree = Tree(self._root, kept=self._kept, fixed=fixed)

    @property
    def root(self) -> Path:
        """The canonical path of the folder."""
        return self._root

    @property
    def tree(self) -> Tree:
        """The files in the folder."""
        return self._tree

    def canonical(self, path: str) -> str | Failure:
        """Return `path` relative to the root, with links and `..` resolved; a failure if it leads outside.

        What does not exist is resolved as far as it does. The root itself is ".".
        """
        wrong = malformed(path)
        if wrong is not None:
            return wrong
        try:
            real = followed(str(self._root / path), _link_at)
        except OSError as error:
            return _unreachable(error, path)
        if real is None:
            return looping(path)
        if not Path(real).is_relative_to(self._root):
            return outside(path)
        canonical = Path(real).relative_to(self._root).as_posix()
        return owned(canonical, self._kept) or canonical

    def has(self, path: str) -> bool:
        """Whether there is a file or folder at `path`, which is canonical; one that can't be looked at counts as there."""
        try:
            return self._tree.kind(path) != ""
        except ToolError:
            return True

    def listing(self, most: int) -> tuple[str, ...]:
        """Return the paths of at most `most` files, by name, without hidden ones and what belongs to the runtime."""
        return tuple(islice(self._tree.files(".", has_hidden=False), most))


def _link_at(path: str) -> str | None:
    """Return where the link at `path` leads.

    Raises:
        OSError: it can't be looked at.
    """
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):  # Not a link, or missing.
            return None
        raise


def _unreachable(error: OSError, path: str) -> Failure:
    kind = FailureKind.INVALID_ARGUMENTS if error.errno == errno.ENAMETOOLONG else FailureKind.PERMISSION
    what = f"the path can't be followed: {error.strerror}"
    return Failure(kind=kind, fault=Fault.MODEL, what=what, value=path[:200], fix="use another path")
