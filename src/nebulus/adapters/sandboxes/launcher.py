"""Starts one command with little access, and ends everything that it leaves behind: `python -I -S launcher.py FD`.

`FD` contains the orders, as JSON. The process that is started restricts itself, then becomes the command; this
process stays outside and waits. Invariants: the command begins only after every restriction is in force, in an order
in which none can be undone; when it ends, or when the caller closes our stdin or dies, everything that it
started is killed, wherever it went.

Landlock does not check who changes the mode, the owner or the times of a file. Such calls are therefore referred to
this process: it finds out which file is meant, and changes it only if it is where the command may change files. It
changes the file that it looked at, never a path that could lead elsewhere meanwhile.

Only the standard library can be imported here, and no code of the project.
Source: linux/Documentation/userspace-api/{landlock,seccomp_filter}.rst;
linux/include/uapi/linux/{landlock,seccomp,prctl,capability,fcntl}.h.
"""

import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, NoReturn

CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF, _CLOSE_RANGE = 444, 445, 446, 436
"""Numbers of calls, the same on every machine that we know."""
_CAPSET = {"x86_64": 126, "aarch64": 91}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_CAPABILITIES_V3 = 0x20080522
_PATH_BENEATH = 1
_ALL_FILES, _ALL_NETWORK = 0xFFFF, 0x3
"""Every right of ABI 5: on files up to IOCTL_DEV, on TCP to bind and to connect. What no rule grants is denied."""
_ON_FILES = 0x1 | 0x2 | 0x4 | 0x4000 | 0x8000
"""The rights that a file can have: EXECUTE, WRITE_FILE, READ_FILE, TRUNCATE, IOCTL_DEV."""
_SCOPE_SOCKETS, _SCOPE_SIGNALS = 1, 2
_NO_NEW_PRIVILEGES, _DROP_BOUND, _AMBIENT, _CLEAR_ALL = 38, 24, 47, 4
_DEATH_SIGNAL, _ADOPT_ORPHANS = 1, 36
_SET_FILTER, _WITH_LISTENER, _UNINTERRUPTED = 1, 1 << 3, 1 << 5
_RECEIVE, _SEND, _IS_WAITING = 0xC0502100, 0xC0182101, 0x40082102
"""SECCOMP_IOCTL_NOTIF_RECV, SEND and ID_VALID."""
_NOTICE, _REPLY = struct.Struct("<QIIiIQ6Q"), struct.Struct("<QqiI")
_HERE, _NO_FOLLOW, _EMPTY_PATH = -100, 0x100, 0x1000
"""AT_FDCWD, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH."""
_SET_ID_BITS, _MODE_BITS, _LONGEST_PATH, _TIMES_BYTES = 0o6000, 0o7777, 4096, 32
_PAGE_BYTES = 4096
_SHAPES: dict[str, tuple[int | None, int | None, int, int | None]] = {
    "chmod": (None, 0, 1, None),
    "fchmod": (0, None, 1, None),
    "fchmodat": (0, 1, 2, None),
    "fchmodat2": (0, 1, 2, 3),
    "chown": (None, 0, 1, None),
    "lchown": (None, 0, 1, None),
    "fchown": (0, None, 1, None),
    "fchownat": (0, 1, 2, 4),
    "utimensat": (0, 1, 2, 3),
}
"""Which arguments of a call are the folder or file that is open, the path, the first new value, the flags."""
_ITSELF = (("/proc/self/", ""), ("/proc/thread-self/", ""), ("/dev/fd/", "fd/"))
"""The path of a file that a process has open; C libraries change a file by it where a link must not be followed."""
_CHANNEL = 3
"""The descriptor through which the command's process hands us its listener, before it becomes the command."""
_LAST_CAPABILITY, _LAST_DESCRIPTOR = 63, 0xFFFFFFFF
_ORDER = 0
"""The descriptor that is closed to say that it is enough: our stdin."""

FAILED = 125
"""The exit code where the command was not begun; what was wrong is on stderr."""

_libc = ctypes.CDLL(None, use_errno=True)


class _Referred(NamedTuple):
    """A call that was left to us: its name, the process that made it, its six arguments."""

    call: str
    pid: int
    arguments: list[int]


def main() -> NoReturn:
    """Follow the orders, and exit as the command did; 128 and the signal's number if one ended it."""
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        orders = json.load(file)
    _call("prctl", _libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _call("prctl", _libc.prctl(_ADOPT_ORPHANS, 1, 0, 0, 0))
    _restrict(_ruleset(scoped=_SCOPE_SIGNALS))
    _require_scope(orders["parent"])
    _drop_capabilities()
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        _become(orders, theirs.fileno())
    theirs.close()
    _attend(child, ours, orders)
    code = os.waitstatus_to_exitcode(_end_all(child))
    _remove(orders["environment"]["TMPDIR"])
    os._exit(code if code >= 0 else 128 - code)


def _require_scope(parent: int) -> None:
    """Refuse to go on where a signal would leave: what ends all later must reach nobody else."""
    if os.getppid() != parent:
        _fail("the process that ordered it is gone")
    try:
        os.kill(parent, 0)
    except PermissionError:
        return  # It stays in, as it must.
    _fail("the kernel lets signals out of a Landlock domain")


def _attend(child: int, channel: socket.socket, orders: dict[str, Any]) -> None:
    """Decide what is referred to us, until the command ends, or we are told to end it."""
    _, listeners, _, _ = socket.recv_fds(channel, 1, 1)
    command, waiting = os.pidfd_open(child), select.poll()
    for descriptor in (command, _ORDER, *listeners):
        waiting.register(descriptor, select.POLLIN | select.POLLHUP)
    while True:
        for descriptor, events in waiting.poll():
            if descriptor not in listeners:
                return
            if events & select.POLLIN:
                _decide(descriptor, orders)
            else:
                waiting.unregister(descriptor)  # Nobody is left who could refer anything.


def _decide(listener: int, orders: dict[str, Any]) -> None:
    """Do one call that was referred, or say why not."""
    notice = bytearray(_NOTICE.size)
    with suppress(OSError):  # Whoever called was killed meanwhile.
        fcntl.ioctl(listener, _RECEIVE, notice)
        waiting, pid, _, number, _, _, *arguments = _NOTICE.unpack(notice)
        referred = _Referred(orders["referred"][str(number)], pid, arguments)
        try:
            with _meant(referred) as place:
                fcntl.ioctl(listener, _IS_WAITING, struct.pack("<Q", waiting))
                _require_changeable(place, orders["changeable"])
                _change(referred, place)
            error = 0
        except OSError as refused:
            error = refused.errno or errno.EPERM
        except (ValueError, OverflowError):
            error = errno.EFAULT
        fcntl.ioctl(listener, _SEND, _REPLY.pack(waiting, 0, -error, 0))


@contextmanager
def _meant(referred: _Referred) -> Iterator[int]:
    """Yield a descriptor of the file that a call means."""
    call, pid, arguments = referred
    folder_at, path_at, _, flags_at = _SHAPES[call]
    flags = _NO_FOLLOW if call == "lchown" else arguments[flags_at] if flags_at is not None else 0
    folder = _HERE if folder_at is None else ctypes.c_int(arguments[folder_at]).value
    start = f"/proc/{pid}/cwd" if folder == _HERE else f"/proc/{pid}/fd/{folder}"
    path = "" if path_at is None or not arguments[path_at] else _text_of(pid, arguments[path_at])
    if path_at is not None and arguments[path_at] and not path and not flags & _EMPTY_PATH:
        raise FileNotFoundError(errno.ENOENT, "the path is empty")
    for itself, where in _ITSELF:
        if path.startswith(itself):
            path = f"/proc/{pid}/{where}{path.removeprefix(itself)}"
    is_followed = not path or not flags & _NO_FOLLOW
    named = os.path.join(start, path) if path else start  # noqa: PTH118 - exactly as it was written
    place = os.open(named, os.O_PATH | os.O_CLOEXEC | (0 if is_followed else os.O_NOFOLLOW))
    try:
        yield place
    finally:
        os.close(place)


def _require_changeable(place: int, roots: list[str]) -> None:
    """Refuse what lies where the command may change nothing.

    The path of what is open is the kernel's word. What lies outside can't be moved in by the command.
    """
    real = os.readlink(f"/proc/self/fd/{place}")  # noqa: PTH115
    if not any(real == root or real.startswith(f"{root}/") for root in roots):
        raise PermissionError(errno.EPERM, "it lies outside")


def _change(referred: _Referred, place: int) -> None:
    """Change the mode, the owner or the times of what is open, as the call says; the kernel asks whose it is."""
    call, pid, arguments = referred
    path, value_at = f"/proc/self/fd/{place}", _SHAPES[call][2]
    first, second = arguments[value_at : value_at + 2]
    if call.startswith("utime"):
        times = _bytes_of(pid, first, _TIMES_BYTES) if first else None
        _call("utimensat", _libc.utimensat(_HERE, path.encode(), times, 0))
    elif "chown" in call:
        os.chown(path, ctypes.c_int(first).value, ctypes.c_int(second).value)
    elif first & _SET_ID_BITS:
        raise PermissionError(errno.EPERM, "it would run with its owner's rights")
    elif stat.S_ISLNK(os.fstat(place).st_mode):
        raise OSError(errno.EOPNOTSUPP, "a link has no mode")
    else:
        os.chmod(path, first & _MODE_BITS)  # noqa: PTH101


def _text_of(pid: int, address: int) -> str:
    """Return the text at `address` in a process, up to its first NUL."""
    found = b""
    while len(found) < _LONGEST_PATH:
        at = address + len(found)
        found += _bytes_of(pid, at, _PAGE_BYTES - at % _PAGE_BYTES)
        text, end, _ = found.partition(b"\0")
        if end:
            return os.fsdecode(text)
    raise OSError(errno.ENAMETOOLONG, "the path is too long")


def _bytes_of(pid: int, address: int, count: int) -> bytes:
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.pread(memory, count, address)
    finally:
        os.close(memory)
    if len(found) < count:
        raise OSError(errno.EFAULT, "nothing lies there")
    return found


def _end_all(child: int) -> int:
    """Kill every process of our domain but this one, and return how the command ended.

    One signal reaches all at once, so that none can outrun it by forking, nor leave by a session of its own.
    """
    status = 0
    while True:
        with suppress(OSError):  # Nobody is left, or all that is left is waited for below.
            os.kill(-1, signal.SIGKILL)
        try:
            pid, ended = os.waitpid(-1, 0)
        except ChildProcessError:
            return status
        if pid == child:
            status = ended


def _remove(private: str) -> None:
    """Remove the private folder, however deep it is: the caller may be gone."""
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    with suppress(OSError):  # Then the caller removes it.
        os.waitpid(os.posix_spawn("/bin/rm", ["rm", "-rf", "--", private], {}, file_actions=silent), 0)


def _become(orders: dict[str, Any], channel: int) -> NoReturn:
    """Contain this process, and become the command."""
    try:
        os.setsid()
        _call("prctl", _libc.prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0))
        os.dup2(os.open(os.devnull, os.O_RDONLY), _ORDER)
        ruleset = _ruleset(files=_ALL_FILES, network=_ALL_NETWORK, scoped=_SCOPE_SOCKETS | _SCOPE_SIGNALS)
        for path, rights, is_followed in orders["grants"]:
            _grant(ruleset, path, rights, is_followed=is_followed)
        os.chdir(orders["folder"])
        _restrict(ruleset)
        os.dup2(channel, _CHANNEL)
        _call("close_range", _libc.syscall(_CLOSE_RANGE, _CHANNEL + 1, _LAST_DESCRIPTOR, 0))
        listener = _filter_calls(bytes.fromhex(orders["filter"]))
        socket.send_fds(socket.socket(fileno=os.dup(_CHANNEL)), [b"."], [listener])
        _call("close_range", _libc.syscall(_CLOSE_RANGE, _CHANNEL, _LAST_DESCRIPTOR, 0))
    except OSError as error:
        _fail(str(error))
    try:
        os.execvpe(orders["argv"][0], orders["argv"], orders["environment"])  # noqa: S606
    except OSError as error:
        _fail(f"{orders['argv'][0]}: {error.strerror}")


def _ruleset(*, files: int = 0, network: int = 0, scoped: int) -> int:
    attributes = struct.pack("<QQQ", files, network, scoped)
    size = ctypes.c_size_t(len(attributes))
    return _call("landlock_create_ruleset", _libc.syscall(CREATE_RULESET, attributes, size, 0))


def _grant(ruleset: int, path: str, rights: int, *, is_followed: bool) -> None:
    """Let the command do `rights` with what lies at `path` and beneath it; nothing if it is gone, or a link."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC | (0 if is_followed else os.O_NOFOLLOW))
    except FileNotFoundError:
        return  # What is not there can't be reached.
    kind = os.fstat(place).st_mode
    if stat.S_ISLNK(kind):
        os.close(place)
        return
    if not stat.S_ISDIR(kind):
        rights &= _ON_FILES
    rule = struct.pack("<Qi", rights, place)
    _call(path, _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    os.close(place)


def _restrict(ruleset: int) -> None:
    _call("landlock_restrict_self", _libc.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def _drop_capabilities() -> None:
    """Give up every capability, also those that a program of root would be given when it is executed."""
    for capability in range(_LAST_CAPABILITY + 1):
        _libc.prctl(_DROP_BOUND, capability, 0, 0, 0)  # Refused where there is none to lose.
    _libc.prctl(_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    header, none = struct.pack("<Ii", _CAPABILITIES_V3, 0), bytes(24)
    _call("capset", _libc.syscall(_CAPSET[os.uname().machine], header, none))


def _filter_calls(program: bytes) -> int:
    """Filter the calls of this process from now on; return the descriptor that hears of those that are referred."""
    kept_alive = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(kept_alive))
    number = _SECCOMP[os.uname().machine]
    return _call("seccomp", _libc.syscall(number, _SET_FILTER, _WITH_LISTENER | _UNINTERRUPTED, described))


def _call(name: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _fail(why: str) -> NoReturn:
    sys.stderr.write(f"the sandbox can't be made: {why}\n")
    sys.stderr.flush()
    os._exit(FAILED)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        _fail(str(error))
