"""What beneath a workspace is not for commands, whatever the sandbox: what governs the run, and what a rule hides."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from nebulus.adapters.workspaces.links import names_of


class Reach(Struct, frozen=True):
    """A workspace, and the paths beneath it that a command must leave alone. `root` is canonical.

    `kept` belong to the runtime: a command reads nothing in such a folder, and may read but not change such
    a file; where there is nothing yet, a command can make nothing. `hidden` are neither read nor changed,
    `fixed` are read and not changed; of these two, what is not there yet can be made while a command runs, and
    is removed when it ends. `state` is the folder outside of the workspace that remembers what to put back, the
    user's state folder where it is not given. `is_probe`: what is run there is our own, and writes nothing that stays.
    """

    root: Path
    kept: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    state: Path | None = None
    is_probe: bool = False

    def closed(self) -> Mapping[str, bool]:
        """Return each such path that exists, relative to the root, and whether it may be read; outer ones first.

        A link appears under its own name and under that of what it leads to; what is inside a folder that
        can't be read is not named.
        """
        found: dict[str, bool] = {}
        for path in (*self.fixed, *self.kept, *self.hidden):
            place = self.root / path
            is_readable = path not in self.hidden and (path not in self.kept or place.is_file())
            for name in names_of(place):
                if os.path.lexists(name) and self.root in name.parents:
                    found[str(name.relative_to(self.root))] = is_readable
        return {
            path: found[path]
            for path in sorted(found)
            if all(found.get(str(folder), True) for folder in Path(path).parents)
        }

    def absent(self) -> tuple[str, ...]:
        """Return the paths of the runtime that do not exist yet."""
        return tuple(path for path in self.kept if not os.path.lexists(self.root / path))

    def unprotected(self) -> Mapping[Path, str]:
        """Return each path that no mount can protect: a link, with where it leads, or a hidden path that is absent, "".

        What governs a run and is absent is not among them: see `absent`.
        """
        return dict(self._unprotected())

    def _unprotected(self) -> Iterator[tuple[Path, str]]:
        for path in (*self.fixed, *self.kept, *self.hidden):
            place = self.root / path
            for name in names_of(place):
                if name.is_symlink() and self.root in name.parents:
                    yield name, str(name.readlink())
            if path not in self.kept and not os.path.lexists(place):
                yield place, ""
