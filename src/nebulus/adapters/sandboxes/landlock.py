"""Commands on the host itself, kept from its files by Landlock, with a filter of system calls and limits.

Invariants: a command opens programs, libraries, its workspace and a private folder, and nothing else; it creates no
socket and signals no other process; it changes modes, owners and times only of files that it may change, through its
launcher, since Landlock would allow it everywhere; when it ends, or its time is up, everything that it
started is killed.

This level ranks below namespaces because of what it can't do. A command can see that any file exists, with its size
and times (`stat`), and that any process exists, though not what is in either. Landlock grants whole folders: a folder
that contains something that commands must not reach is not granted itself, only its other entries, so nothing can
be created or removed in it, and the names of hidden entries can be listed. What needs `/proc`, `/dev/shm`, a
terminal, local sockets, System V IPC, extended attributes or watching folders does not work. The kernel limits how
much is written to each file; for the workspace and the private folder, the files are counted.
"""

import ctypes
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import TypeAlias

from msgspec.structs import replace

from nebulus.adapters.sandboxes import launcher
from nebulus.adapters.sandboxes.growth import Growth
from nebulus.adapters.sandboxes.limits import Limits
from nebulus.adapters.sandboxes.places import READABLE, SEARCHED, not_started, wrong_command
from nebulus.adapters.sandboxes.processes import readable_by_child, run_bounded
from nebulus.adapters.sandboxes.protection import as_known_now, protecting
from nebulus.adapters.sandboxes.reach import Reach
from nebulus.adapters.sandboxes.seccomp import WITHOUT_NAMESPACES, program, referred
from nebulus.core.errors import ConfigError
from nebulus.core.failure import Failure
from nebulus.core.tools import SandboxLevel
from nebulus.ports.guard import CommandResult

LEAST_ABI = 6
"""Linux 6.12: the first whose Landlock restricts signals; earlier versions added moves (2), truncation (3), TCP (4), devices (5)."""
_ABI = 1
"""LANDLOCK_CREATE_RULESET_VERSION."""

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 0x1, 0x2, 0x4, 0x8, 0x4000
_MAKE_REMOVE_MOVE = 0x10 | 0x20 | 0x80 | 0x100 | 0x400 | 0x1000 | 0x2000
"""REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG, MAKE_FIFO, MAKE_SYM, REFER; no devices and no sockets."""
READ = _EXECUTE | _READ_FILE | _READ_DIR
CHANGE = READ | _WRITE_FILE | _TRUNCATE | _MAKE_REMOVE_MOVE
USE = _READ_FILE | _WRITE_FILE
"""Rights. Source: linux/include/uapi/linux/landlock.h."""
ENVIRONMENT = {"PATH": SEARCHED, "LANG": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}
"""Git stops at a settings file of the host that exists and can't be read, unless it is told to ignore it."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

_DENIED = ("Permission denied", "Operation not permitted")
_ADVICE = (
    "the sandbox may have denied it: make and remove files in a subfolder of the workspace, or in $TMPDIR"
)

Grant: TypeAlias = tuple[str, int, bool]
"""A path, the rights beneath it, and whether a link in its last part is followed."""


def abi() -> int:
    """Return the version of Landlock that the kernel has, 0 if none or not in use."""
    found: int = ctypes.CDLL(None).syscall(launcher.CREATE_RULESET, None, ctypes.c_size_t(0), _ABI)
    return max(0, found)


class Landlock:
    """The sandbox of level LANDLOCK. Made by `find_sandbox`, after it passed the probe.

    `readable` are further host paths that a command may read. What is not for commands in `reach` can't be
    opened, but for a file of the runtime's, which can be read.
    """

    def __init__(
        self, reach: Reach, *, limits: Limits | None = None, readable: tuple[Path, ...] = ()
    ) -> None:
        self._reach = reach
        self._limits = limits or Limits()
        self._readable = (*READABLE, *(str(path) for path in readable))
        self._filter = program(platform.machine(), WITHOUT_NAMESPACES).hex()

    @property
    def level(self) -> SandboxLevel:
        """How well it contains."""
        return SandboxLevel.LANDLOCK

    async def run(self, argv: tuple[str, ...], *, timeout_s: float) -> CommandResult | Failure:
        """Run a command in the workspace, standard error within its output.

        A failure means that it was not started. What is over its time is killed, with all its children.
        """
        wrong = wrong_command(argv)
        if wrong is not None:
            return wrong
        try:
            reach = as_known_now(self._reach)
            closed = {**reach.closed(), **dict.fromkeys(reach.absent(), False)}
            beneath = tuple(granted(reach.root, closed))
            spared = {path for path in reach.unprotected() if not _is_within(path.parent, beneath)}
            with (
                protecting(reach, is_mounted=False, spared=spared) as protection,
                _private_folder() as private,
                readable_by_child(self._orders(argv, (*beneath, (private, CHANGE, False)))) as orders_fd,
            ):
                ended = await run_bounded(
                    [sys.executable, "-I", "-S", launcher.__file__, str(orders_fd)],
                    timeout_s=timeout_s,
                    output_bytes=self._limits.output_bytes,
                    pass_fds=(orders_fd,),
                    is_launcher=True,
                    growth=Growth((self._reach.root, Path(private)), self._limits),
                )
        except ConfigError as error:
            return not_started(str(error), sys.executable)
        except OSError as error:
            return not_started(f"the sandbox can't be started: {error.strerror}", sys.executable)
        return replace(ended, output=ended.output + protection.note() + _advice(ended))

    def _orders(self, argv: tuple[str, ...], own: tuple[Grant, ...]) -> bytes:
        """Return the orders of the launcher; `own` are the rights on the workspace and on a private folder, last."""
        private = own[-1][0]
        limits = replace(self._limits, processes=self._limits.processes + _tasks_of_user())
        host = [*((path, READ, True) for path in self._readable), *((path, USE, True) for path in DEVICES)]
        orders = {
            "parent": os.getpid(),
            "argv": [*limits.argv(), *argv],
            "environment": ENVIRONMENT | {"HOME": private, "TMPDIR": private},
            "folder": str(self._reach.root),
            "grants": [*host, *own],
            "changeable": [path for path, rights, _ in own if rights == CHANGE],
            "filter": self._filter,
            "referred": referred(platform.machine()),
        }
        return json.dumps(orders).encode()


def granted(
    root: Path, closed: Mapping[str, bool], folder: str = "", *, rights: int = CHANGE
) -> Iterator[Grant]:
    """Return the rights beneath `root`: all of a folder in which nothing is closed, else each of its entries.

    `closed` are relative paths, and whether each may be read. A link is not granted, only what it leads to.
    """
    place = root / folder
    if not any(Path(folder) in Path(path).parents for path in closed):
        yield (str(place), rights, False)
        return
    yield (str(place), _READ_DIR, False)
    for entry in os.scandir(place):
        path = str(Path(folder, entry.name))
        if not closed.get(path, True):
            continue
        kept = READ if path in closed else rights
        if entry.is_dir(follow_symlinks=False):
            yield from granted(root, closed, path, rights=kept)
        elif entry.is_file(follow_symlinks=False):
            yield (entry.path, kept, False)


def _is_within(folder: Path, grants: tuple[Grant, ...]) -> bool:
    """Whether a command can make something in `folder`; else what appears there was made by somebody else."""
    changed = {Path(path) for path, rights, _ in grants if rights == CHANGE}
    return not changed.isdisjoint((folder, *folder.parents))


def _advice(ended: CommandResult) -> str:
    """Return what a command that was denied something can do instead, "" if it was not."""
    if ended.exit_code == 0 or not any(sign in ended.output for sign in _DENIED):
        return ""
    return f"\n[{_ADVICE}]"


@contextmanager
def _private_folder() -> Iterator[str]:
    """Yield a new folder for one command, and remove it afterwards as far as possible."""
    folder = os.path.realpath(tempfile.mkdtemp(prefix="nebulus-"))
    try:
        yield folder
    finally:
        with suppress(OSError, RecursionError):  # A folder that nobody reads stays behind.
            rmtree(folder)


def _tasks_of_user() -> int:
    """Return how many threads our user has: the kernel counts a command's together with them, but not root's."""
    if os.getuid() == 0:
        return 0
    tasks = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # It ended meanwhile.
            if process.stat().st_uid == os.getuid():
                tasks += sum(1 for _ in (process / "task").iterdir())
    return tasks
