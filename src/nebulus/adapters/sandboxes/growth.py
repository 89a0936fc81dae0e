"""How much a command adds to the files in some folders, measured from outside while it runs.

The kernel limits the size of a file, not of a folder. So the file system is asked how much room is left, which costs
nothing; only when it has lost as much as the command may add are the files counted that changed since the command
began.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from nebulus.adapters.sandboxes.limits import Limits

_BLOCK_BYTES = 512
"""What `st_blocks` counts, whatever the file system. Source: stat(2)."""
_REST = 20
"""A count is followed by a pause of so many times its own length."""


class Growth:
    """Counts from now on. Its methods may be called from any thread, one at a time."""

    def __init__(self, folders: Sequence[Path], limits: Limits) -> None:
        self._folders, self._limits = folders, limits
        self._since_ns = time.time_ns() - 50_000_000  # Times of files lag behind the clock by up to a tick.
        self._before = {folder: _used(folder) for folder in folders}
        self._next_s = 0.0

    def excess(self) -> str:
        """Return what is too much, "" if nothing is, or if it was counted only just now."""
        grown = [(_used(folder), self._before[folder]) for folder in self._folders if folder.is_dir()]
        more_bytes = sum(max(0, now[1] - before[1]) for now, before in grown)
        more_files = sum(max(0, now[0] - before[0]) for now, before in grown)
        counts_files = all(now[0] for now, _ in grown)
        is_less = more_bytes <= self._limits.new_bytes and more_files <= self._limits.new_files
        began_s = time.monotonic()
        if (is_less and counts_files) or began_s < self._next_s:
            return ""
        files, found_bytes = self._count()
        self._next_s = time.monotonic() + _REST * (time.monotonic() - began_s)
        if (min(files, more_files) if counts_files else files) > self._limits.new_files:
            return f"it made or changed more than {self._limits.new_files} files, the limit sandbox.new_files"
        if min(found_bytes, more_bytes) > self._limits.new_bytes:
            return f"it wrote more than {self._limits.new_bytes} bytes, the limit sandbox.new_bytes"
        return ""

    def _count(self) -> tuple[int, int]:
        """Return how many files and folders changed since the beginning, and the bytes that they take up."""
        files = taken = 0
        left = [str(folder) for folder in self._folders]
        while left and files <= self._limits.new_files:
            with (
                suppress(OSError),
                os.scandir(left.pop()) as entries,
            ):  # A folder closed to us is not counted.
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    with suppress(FileNotFoundError):  # It was removed meanwhile.
                        found = entry.stat(follow_symlinks=False)
                        if found.st_ctime_ns >= self._since_ns:
                            files += 1
                            taken += found.st_blocks * _BLOCK_BYTES
        return files, taken


def _used(folder: Path) -> tuple[int, int]:
    """Return how many files (0 where it does not count them) and bytes a file system contains."""
    found = os.statvfs(folder)
    return found.f_files - found.f_ffree, (found.f_blocks - found.f_bfree) * found.f_frsize
