"""What beneath a workspace is not for commands, whatever the sandbox: what governs the run, and what a rule hides."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct


class Reach(Struct, frozen=True):
    """A workspace, and the paths beneath it that a command must leave alone. `root` is canonical.

    `kept` belong to the runtime: a command reads nothing in such a folder, and may read but not change such
    a file. `hidden` are neither read nor changed, `fixed` are read and not changed. One that is not there,
    and that a command makes, is taken away again; a link is put back.
    """

    root: Path
    kept: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    def closed(self) -> Mapping[str, bool]:
        """Return each such path that is there, relative to the root, and whether it may be read; outer ones first.

        A link is there under its own name and under that of what it leads to; what lies in a folder that
        can't be read is not named.
        """
        found: dict[str, bool] = {}
        for path in (*self.fixed, *self.kept, *self.hidden):
            place = self.root / path
            is_readable = path not in self.hidden and (path not in self.kept or place.is_file())
            for name in (place, Path(os.path.realpath(place))):
                if os.path.lexists(name) and self.root in name.parents:
                    found[str(name.relative_to(self.root))] = is_readable
        return {
            path: found[path]
            for path in sorted(found)
            if all(found.get(str(folder), True) for folder in Path(path).parents)
        }

    def unheld(self) -> Mapping[Path, str]:
        """Return each such path that no sandbox can hold: a link, with what it says, or nothing yet, with ""."""
        paths = (self.root / path for path in (*self.fixed, *self.kept, *self.hidden))
        return {
            path: str(path.readlink()) if path.is_symlink() else ""
            for path in paths
            if path.is_symlink() or not path.exists()
        }


def put_back(unheld: Mapping[Path, str]) -> str:
    """Make what could not be held as it was, and return what to say of it, "" if it is as it was."""
    changed = [path for path, said in unheld.items() if said != _said(path)]
    for path in changed:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif os.path.lexists(path):
            path.unlink()
        if unheld[path]:
            path.symlink_to(unheld[path])
    if not changed:
        return ""
    return f"\n[{changed[0].name} is not for commands: what the command made there was taken away]"


def _said(path: Path) -> str | None:
    """Return what a link says, "" where there is nothing, None where there is something else."""
    if path.is_symlink():
        return str(path.readlink())
    return None if path.exists() else ""
