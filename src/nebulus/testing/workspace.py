"""A workspace that is no folder: paths and links held in memory."""

import posixpath
from collections.abc import Mapping
from pathlib import Path

from nebulus.adapters.workspaces.spelling import looping, misspelled, outside
from nebulus.core.failure import Failure

_LINKS_FOLLOWED = 40
"""Source: path_resolution(7), the most links that Linux follows in one path."""


class FakeWorkspace:
    """A workspace at `root` with some links, by path relative to the root, to where each leads."""

    def __init__(self, *, root: str = "/fake/workspace", links: Mapping[str, str] | None = None) -> None:
        self._root = root
        self._links = {posixpath.join(root, path): target for path, target in (links or {}).items()}

    @property
    def root(self) -> Path:
        """The path of the folder that is not there."""
        return Path(self._root)

    def canonical(self, path: str) -> str | Failure:
        """Return `path` relative to the root, with links and `..` resolved; a failure if it leads outside."""
        wrong = misspelled(path)
        if wrong is not None:
            return wrong
        real = self._resolved(posixpath.join(self._root, path))
        if real is None:
            return looping(path)
        if real != self._root and not real.startswith(f"{self._root}/"):
            return outside(path)
        return posixpath.relpath(real, self._root)

    def _resolved(self, path: str) -> str | None:
        """Return `path` with each link replaced by where it leads, None if that has no end."""
        left = path.split("/")[::-1]
        done = "/"
        followed = 0
        while left:
            part = left.pop()
            here = posixpath.normpath(posixpath.join(done, part))
            target = self._links.get(here)
            if target is None:
                done = here
                continue
            followed += 1
            if followed > _LINKS_FOLLOWED:
                return None
            left += target.split("/")[::-1]
            done = "/" if target.startswith("/") else done
        return done
