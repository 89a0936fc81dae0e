"""Commands in namespaces of their own: bubblewrap, with a filter of system calls and resource limits.

Invariants: a command sees only what is named here. Of the host's files it can read only programs and libraries; it
can write only to the workspace and to private folders; there is no network, no host process and no host
environment. The sandbox ends when the process that started it ends.
"""

import os
import platform
from pathlib import Path

from msgspec.structs import replace

from nebulus.adapters.sandboxes.growth import Growth
from nebulus.adapters.sandboxes.limits import Limits
from nebulus.adapters.sandboxes.places import READABLE, SEARCHED, not_started, wrong_command
from nebulus.adapters.sandboxes.processes import readable_by_child, run_bounded
from nebulus.adapters.sandboxes.protection import as_known_now, protecting
from nebulus.adapters.sandboxes.reach import Reach
from nebulus.adapters.sandboxes.seccomp import program
from nebulus.core.errors import ConfigError
from nebulus.core.failure import Failure
from nebulus.core.tools import SandboxLevel
from nebulus.ports.guard import CommandResult

PLACE = "/workspace"
"""Where a command finds the workspace."""
ENVIRONMENT = {"PATH": SEARCHED, "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108
PRIVATE = ("/dev", "/proc", "/tmp")  # noqa: S108
"""Folders that are new for each command, and gone with it."""


class Bubblewrap:
    """The sandbox of level NAMESPACES. Made by `find_sandbox`, after it passed the probe.

    `readable` are further host paths that a command may read (a toolchain, a virtual environment). What is
    not for commands in `reach` is empty for them if it is a folder, and can't be changed if it is a file.
    """

    def __init__(
        self, reach: Reach, *, bwrap: str, limits: Limits | None = None, readable: tuple[Path, ...] = ()
    ) -> None:
        self._reach = reach
        self._bwrap = bwrap
        self._limits = limits or Limits()
        self._readable = (*READABLE, *(str(path) for path in readable))
        self._filter = program(platform.machine())

    @property
    def visible(self) -> frozenset[str]:
        """The only paths that a command finds beneath the root, apart from what is in them."""
        return frozenset({*self._readable, *PRIVATE, PLACE})

    @property
    def level(self) -> SandboxLevel:
        """How well it contains."""
        return SandboxLevel.NAMESPACES

    async def run(self, argv: tuple[str, ...], *, timeout_s: float) -> CommandResult | Failure:
        """Run a command in the workspace, standard error within its output.

        A failure means that it was not started. What is over its time is killed, with all its children.
        """
        wrong = wrong_command(argv)
        if wrong is not None:
            return wrong
        try:
            reach = as_known_now(self._reach)
            with (
                protecting(reach, is_mounted=True) as protection,
                readable_by_child(self._filter) as filter_fd,
            ):
                ended = await run_bounded(
                    [*self._wrapping(reach, filter_fd), *self._limits.argv(), *argv],
                    timeout_s=timeout_s,
                    output_bytes=self._limits.output_bytes,
                    pass_fds=(filter_fd,),
                    growth=Growth((self._reach.root,), self._limits),
                )
        except ConfigError as error:
            return not_started(str(error), self._bwrap)
        except OSError as error:
            return not_started(f"the sandbox can't be started: {error.strerror}", self._bwrap)
        return replace(ended, output=ended.output + protection.note())

    def _wrapping(self, reach: Reach, filter_fd: int) -> list[str]:
        """Return the command line that contains what follows it. Source: bwrap(1) 0.8."""
        scratch = ("--size", str(self._limits.scratch_bytes), "--tmpfs")
        binds = [word for path in self._readable for word in ("--ro-bind-try", path, path)]
        variables = [word for name, value in ENVIRONMENT.items() for word in ("--setenv", name, value)]
        return [
            self._bwrap,
            *("--unshare-user", "--unshare-all", "--disable-userns", "--die-with-parent", "--new-session"),
            *("--hostname", "sandbox", "--cap-drop", "ALL", "--clearenv", *variables),
            *binds,
            *("--proc", "/proc", "--dev", "/dev", *scratch, "/dev/shm", "--remount-ro", "/dev"),  # noqa: S108
            *(*scratch, "/tmp", "--bind", str(reach.root), PLACE),  # noqa: S108
            *_covered(reach),
            *("--remount-ro", "/"),
            *("--chdir", PLACE, "--seccomp", str(filter_fd), "--"),
        ]


def _covered(reach: Reach) -> list[str]:
    """Return what hides a folder or a file from a command, or keeps it from changing a file.

    The folders above it are mounted as well: what is mounted can't be moved aside. Nothing can be mounted on
    a link, which is put back when the command ends; what it leads to is mounted.
    """
    root = reach.root
    closed = {path: is_read for path, is_read in reach.closed().items() if not (root / path).is_symlink()}
    above = {str(folder) for path in closed for folder in Path(path).parents if folder != Path()}
    words: list[str] = []
    for folder in sorted(above):
        words += ("--bind", str(root / folder), f"{PLACE}/{folder}")
    for path, is_readable in closed.items():
        real, place = root / path, f"{PLACE}/{path}"
        if is_readable:
            words += ("--ro-bind", str(real), place)
        elif real.is_dir():
            words += ("--tmpfs", place, "--remount-ro", place)
        else:  # Devices can't be opened in a sandbox, so that one in a file's place can't be read.
            words += ("--ro-bind", os.devnull, place)
    return words
