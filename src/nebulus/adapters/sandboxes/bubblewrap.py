"""Commands in namespaces of their own: bubblewrap, with a filter of system calls and resource limits.

Laws: what is not named here is not there: of the host's files only programs and libraries can be read,
only the workspace and private folders can be written, there is no network, no host process and no host
environment; whoever starts it takes it down.
"""

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

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

    `readable` are further host paths that a command may read (a toolchain, a virtual environment). `kept`
    are paths beneath the root that belong to the runtime: a command sees a folder empty, can't change a
    file, and one that it makes is taken away.
    """

    def __init__(
        self,
        root: Path,
        *,
        bwrap: str,
        limits: Limits | None = None,
        readable: tuple[Path, ...] = (),
        kept: tuple[str, ...] = (),
    ) -> None:
        self._root = root
        self._bwrap = bwrap
        self._limits = limits or Limits()
        self._readable = (*_READABLE, *(str(path) for path in readable))
        self._kept = kept
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
        absent = [self._root / path for path in self._kept if not (self._root / path).exists()]
        try:
            with _readable_by_child(self._filter) as filter_fd:
                ended = await run_bounded(
                    [*self.wrapping(filter_fd), *self._limits.argv(), *argv],
                    timeout_s=timeout_s,
                    output_bytes=self._limits.output_bytes,
                    pass_fds=(filter_fd,),
                )
        except OSError as error:
            return _not_started(f"the sandbox can't be started: {error.strerror}", self._bwrap)
        made = [path for path in absent if os.path.lexists(path)]
        for path in made:
            _take_away(path)
        if not made:
            return ended
        note = f"\n[{made[0].name} belongs to the runtime: what the command made there was taken away]"
        return replace(ended, output=ended.output + note)

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
            *(*scratch, "/tmp", "--bind", str(self._root), PLACE),  # noqa: S108
            *[word for path in self._kept for word in self._covering(path)],
            *("--remount-ro", "/"),
            *("--chdir", PLACE, "--seccomp", str(filter_fd), "--"),
        ]

    def _covering(self, path: str) -> tuple[str, ...]:
        """Return what hides a folder of the runtime's from a command, or keeps it from changing a file."""
        real, place = self._root / path, f"{PLACE}/{path}"
        if real.is_dir():
            return ("--tmpfs", place, "--remount-ro", place)
        return ("--ro-bind", str(real), place) if real.exists() else ()


def _take_away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


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
