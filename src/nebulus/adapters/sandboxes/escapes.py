"""Tries to get out of the sandbox that it runs in: `python -I -S escapes.py SECRET PARENT`.

`SECRET` is a file of the host that nothing in the sandbox may read, `PARENT` a process that it may not
reach. Each line that it prints says what a command can do and must not ("breach: …"), or must be able to do
and can't ("broken: …"); the last line is "probed". It does no harm where nothing contains it: it removes every
file that it could create, and changes no value.
"""

import ctypes
import os
import resource
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

Attempt: TypeAlias = tuple[str, Callable[[], object]]
"""What a command could do, and the attempt, which raises OSError where it can't."""

_libc = ctypes.CDLL(None, use_errno=True)
_NEW_USER_NAMESPACE = 0x10000000
_CAPABILITIES_V3, _SEIZE, _NO_NEW_PRIVILEGES = 0x20080522, 0x4206, 39
_FAMILIES = {"local": 1, "internet": 2, "internet 6": 10, "netlink": 16, "packet": 17, "host and guest": 40}
_KINDS = {"streams": 1, "datagrams": 2, "raw": 3}
_VARIABLES = frozenset(
    {"PATH", "HOME", "GIT_CONFIG_NOSYSTEM", "TMPDIR", "LANG", "LC_CTYPE", "PWD", "OLDPWD", "SHLVL", "_"}
)
_FIRST_DESCRIPTOR, _LAST_DESCRIPTOR = 3, 255


def main() -> None:
    """Try everything, and say what is wrong."""
    secret, parent = Path(sys.argv[1]), int(sys.argv[2])
    for what, attempt in (*_on_files(secret), *_on_processes(parent), *_on_sockets(), *_on_the_kernel()):
        if _succeeds(attempt):
            _say(f"breach: {what}")
    for name in sorted(os.environ.keys() - _VARIABLES):
        _say(f"breach: sees the variable {name}")
    for what, attempt in (
        ("write a private folder", partial(_make_in, tempfile.gettempdir())),
        ("list its workspace", partial(os.listdir, ".")),
    ):
        if not _succeeds(attempt):
            _say(f"broken: can't {what}")
    _say("probed")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _on_files(secret: Path) -> Iterator[Attempt]:
    known, around = secret.stat(), str(secret.parent)
    yield f"reads {secret}", secret.read_bytes
    yield f"writes {secret}", lambda: secret.open("r+b").close()
    yield f"changes the mode of {secret}", partial(secret.chmod, known.st_mode & 0o777)
    yield f"changes the times of {secret}", partial(os.utime, secret, (known.st_atime, known.st_mtime))
    yield f"changes the owner of {secret}", partial(os.chown, secret, -1, -1)
    yield f"gives {secret} an attribute", partial(os.setxattr, secret, "user.nebulus", b"")
    for place in ("/", "/etc", "/proc", "/home", "/root", "/var", around):
        yield f"lists {place}", partial(os.listdir, place)
    for place in ("/", "/usr", "/etc", "/dev", "/dev/shm", "/var/tmp", around):  # noqa: S108
        yield f"writes {place}", partial(_make_in, place)


def _on_processes(parent: int) -> Iterator[Attempt]:
    yield "signals a process of the host's", partial(os.kill, parent, 0)
    yield "reads the environment of a process of the host's", Path(f"/proc/{parent}/environ").read_bytes
    yield "sees a process of the host's", Path(f"/proc/{parent}/status").read_bytes
    yield "traces a process of the host's", lambda: _done(_libc.ptrace(_SEIZE, parent, 0, 0))
    yield (
        "sees the limits of a process of the host's",
        partial(resource.prlimit, parent, resource.RLIMIT_NOFILE),
    )
    yield (
        "sets the priority of a process of the host's",
        lambda: os.setpriority(os.PRIO_PROCESS, parent, os.getpriority(os.PRIO_PROCESS, parent)),
    )
    yield (
        "places a process of the host's",
        lambda: os.sched_setaffinity(parent, os.sched_getaffinity(parent)),
    )
    for number in range(_FIRST_DESCRIPTOR, _LAST_DESCRIPTOR):
        yield f"was given the descriptor {number}", partial(os.fstat, number)


def _on_sockets() -> Iterator[Attempt]:
    for family, number in _FAMILIES.items():
        for kind, value in _KINDS.items():
            yield f"makes a socket ({family}, {kind})", partial(_open_socket, number, value)
    yield "makes a pair of datagram sockets", partial(socket.socketpair, socket.AF_UNIX, socket.SOCK_DGRAM)


def _on_the_kernel() -> Iterator[Attempt]:
    yield "makes namespaces", lambda: _done(_libc.unshare(_NEW_USER_NAMESPACE))
    yield "finds memory that is shared by key", lambda: _done(_libc.shmget(0, 1, 0o600))
    yield "watches folders", lambda: _done(_libc.inotify_init1(0))
    yield "may gain privileges", lambda: _done(-_libc.prctl(_NO_NEW_PRIVILEGES, 0, 0, 0, 0))
    yield "has capabilities", _use_capabilities


def _make_in(folder: str) -> None:
    """Make a file, and take it away again."""
    place = Path(folder, f"nebulus-probe-{os.getpid()}")
    place.open("xb").close()
    place.unlink()


def _open_socket(family: int, kind: int) -> None:
    socket.socket(family, kind).close()


def _use_capabilities() -> None:
    header, sets = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0), (ctypes.c_uint32 * 6)()
    _done(_libc.capget(header, sets))
    if not any(sets):
        raise PermissionError


def _done(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main()
