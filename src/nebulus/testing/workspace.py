"""A workspace without a folder: its paths and links are in memory."""

import posixpath
from collections.abc import Mapping
from pathlib import Path

from nebulus.adapters.workspaces.links import followed
from nebulus.adapters.workspaces.paths import looping, malformed, outside
from nebulus.core.failure import Failure


class FakeWorkspace:
    """A workspace at `root`; `links` maps paths relative to the root to their targets."""

    def __init__(self, *, root: str = "/fake/workspace", links: Mapping[str, str] | None = None) -> None:
        self._root = root
        self._links = {posixpath.join(root, path): target for path, target in (links or {}).items()}

    @property
    def root(self) -> Path:
        """The path of the folder, which does not exist."""
        return Path(self._root)

    def canonical(self, path: str) -> str | Failure:
        """Return `path` relative to the root, with links and `..` resolved; a failure if it leads outside."""
        wrong = malformed(path)
        if wrong is not None:
            return wrong
        real = followed(posixpath.join(self._root, path), self._links.get)
        if real is None:
            return looping(path)
        if real != self._root and not real.startswith(f"{self._root}/"):
            return outside(path)
        return posixpath.relpath(real, self._root)

    def has(self, path: str) -> bool:
        """Whether one of the links is at `path`: there are no files."""
        return posixpath.join(self._root, path) in self._links

    def listing(self, most: int) -> tuple[str, ...]:
        """Return nothing: there are no files."""
        return ()
