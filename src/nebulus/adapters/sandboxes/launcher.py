"""Starts one command where it reaches little, and ends all that it left: run as `python -I -S launcher.py FD`.

`FD` holds the orders, as JSON. The process that is started contains itself, then becomes the command; this
one stays outside, and waits. Laws: the command begins only when every restriction holds, and in the order in
which none can be taken back; when it ends, or whoever ordered it closes our stdin or dies, everything that it
started is killed, wherever it went.

Nothing but the standard library can be imported here, and no code of the project.
Source: linux/Documentation/userspace-api/landlock.rst; linux/include/uapi/linux/{landlock,prctl,capability}.h.
"""

import ctypes
import json
import os
import select
import signal
import stat
import struct
import sys
from contextlib import suppress
from typing import Any, NoReturn

CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF, _CLOSE_RANGE = 444, 445, 446, 436
"""Numbers of calls, the same on every machine that we know."""
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_V3 = 0x20080522
_PATH_BENEATH = 1
_ALL_FILES, _ALL_NETWORK = 0xFFFF, 0x3
"""Every right of ABI 5: on files up to IOCTL_DEV, on TCP to bind and to connect. What no rule grants is denied."""
_ON_FILES = 0x1 | 0x2 | 0x4 | 0x4000 | 0x8000
"""The rights that a file can have: EXECUTE, WRITE_FILE, READ_FILE, TRUNCATE, IOCTL_DEV."""
_SCOPE_SOCKETS, _SCOPE_SIGNALS = 1, 2
_NO_NEW_PRIVILEGES, _SECCOMP, _DROP_BOUND, _AMBIENT = 38, 22, 24, 47
_DEATH_SIGNAL, _ADOPT_ORPHANS = 1, 36
_FILTER_MODE, _CLEAR_ALL = 2, 4
_LAST_CAPABILITY, _LAST_DESCRIPTOR = 63, 0xFFFFFFFF
_ORDER = 0
"""The descriptor that is closed to say that it is enough: our stdin."""

FAILED = 125
"""The exit code where the command was not begun; what was wrong stands on stderr."""

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> NoReturn:
    """Follow the orders, and exit as the command did; 128 and the signal's number if one ended it."""
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        orders = json.load(file)
    _call("prctl", _libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _call("prctl", _libc.prctl(_ADOPT_ORPHANS, 1, 0, 0, 0))
    _restrict(_ruleset(scoped=_SCOPE_SIGNALS))
    _require_scope(orders["parent"])
    child = os.fork()
    if child == 0:
        _become(orders)
    _wait(child)
    code = os.waitstatus_to_exitcode(_end_all(child))
    os._exit(code if code >= 0 else 128 - code)


def _require_scope(parent: int) -> None:
    """Refuse to go on where a signal would leave: what ends all later must reach nobody else."""
    if os.getppid() != parent:
        _fail("whoever ordered it is gone")
    try:
        os.kill(parent, 0)
    except PermissionError:
        return  # It stays in, as it must.
    _fail("the kernel lets signals out of a Landlock domain")


def _wait(child: int) -> None:
    """Wait until the command ends, or we are told to end it."""
    waiting = select.poll()
    for descriptor in (os.pidfd_open(child), _ORDER):
        waiting.register(descriptor, select.POLLIN | select.POLLHUP)
    waiting.poll()


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


def _become(orders: dict[str, Any]) -> NoReturn:
    """Contain this process, and become the command."""
    try:
        os.setsid()
        _call("prctl", _libc.prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0))
        os.dup2(os.open(os.devnull, os.O_RDONLY), _ORDER)
        _drop_capabilities()
        ruleset = _ruleset(files=_ALL_FILES, network=_ALL_NETWORK, scoped=_SCOPE_SOCKETS | _SCOPE_SIGNALS)
        for path, rights, is_followed in orders["grants"]:
            _grant(ruleset, path, rights, is_followed=is_followed)
        os.chdir(orders["folder"])
        _restrict(ruleset)
        _call("close_range", _libc.syscall(_CLOSE_RANGE, 3, _LAST_DESCRIPTOR, 0))
        _filter_calls(bytes.fromhex(orders["filter"]))
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


def _filter_calls(program: bytes) -> None:
    held = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(held))
    _call("seccomp", _libc.prctl(_SECCOMP, _FILTER_MODE, described, 0, 0))


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
