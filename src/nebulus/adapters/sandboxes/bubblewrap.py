"""Commands in namespaces of their own: bubblewrap, with a filter of system calls and resource limits.

Laws: what is not named here is not there: of the host's files only programs and libraries can be read,
only the workspace and private folders can be written, there is no network, no host process and no host
environment; whoever starts it takes it down.
"""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nebulus.adapters.sandboxes.limits import Limits
from nebulus.adapters.sandboxes.processes import run_bounded
from nebulus.adapters.sandboxes.seccomp import program
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.tools import SandboxLevel
from nebulus.ports.guard import CommandResult

PLACE = "/workspace"
"""Where the workspace stands for a command."""
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108
PRIVATE = ("/dev", "/proc", "/tmp")  # noqa: S108
"""Folders that are new for each command, and gone with it."""

_READABLE = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"),
    *("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"),
    *("/etc/group", "/etc/localtime", "/etc/nsswitch.conf", "/etc/passwd"),
)
"""Programs, libraries, and what they need to start; never the whole of /etc, which holds secrets."""


class Bubblewrap:
    """The sandbox of level NAMESPACES. Made by `find_sandbox`, which has seen it hold.

    `readable` are further host paths that a command may read (a toolchain, a virtual environment).
    """

    def __init__(
        self, root: Path, *, bwrap: str, limits: Limits | None = None, readable: tuple[Path, ...] = ()
    ) -> None:
        self._root = root
        self._bwrap = bwrap
        self._limits = limits or Limits()
        self._readable = (*_READABLE, *(str(path) for path in readable))
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
        if not argv or any("\0" in word for word in argv):
            return _not_started("the command is empty or holds a NUL", repr(argv)[:200])
        try:
            with _readable_by_child(self._filter) as filter_fd:
                return await run_bounded(
                    [*self.wrapping(filter_fd), *self._limits.argv(), *argv],
                    timeout_s=timeout_s,
                    output_bytes=self._limits.output_bytes,
                    pass_fds=(filter_fd,),
                )
        except OSError as error:
            return _not_started(f"the sandbox can't be started: {error.strerror}", self._bwrap)

    def wrapping(self, filter_fd: int) -> list[str]:
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
            *(*scratch, "/tmp", "--bind", str(self._root), PLACE, "--remount-ro", "/"),  # noqa: S108
            *("--chdir", PLACE, "--seccomp", str(filter_fd), "--"),
        ]


@contextmanager
def _readable_by_child(content: bytes) -> Iterator[int]:
    """Yield a descriptor from which a child can read `content`."""
    handle = os.memfd_create("filter")
    try:
        os.write(handle, content)
        os.lseek(handle, 0, os.SEEK_SET)
        yield handle
    finally:
        os.close(handle)


def _not_started(what: str, value: str) -> Failure:
    return Failure(kind=FailureKind.PERMANENT, fault=Fault.RUNTIME, what=what, value=value)
