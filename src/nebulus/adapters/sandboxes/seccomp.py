"""A filter of system calls, as the program that the kernel runs. Pure.

The namespaces contain; this takes away what could open them again (mounts, new namespaces, tracing,
kernel modules, rings and keys that other checks do not see), every socket but local ones, and the bits
that would leave a privileged file behind. A call of another instruction set is killed.

Source: linux/include/uapi/linux/{filter,seccomp,audit}.h; numbers from
arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

import errno
import struct
from typing import TypeAlias

from msgspec import Struct

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32_BIT = 0x40000000
"""Numbers from here on are the x32 calls of x86_64: the same calls by other numbers."""

_NEW_USER_NAMESPACE = 0x10000000
"""CLONE_NEWUSER. Source: linux/include/uapi/linux/sched.h."""
_SET_ID_BITS = 0o6000
_CREATE = 0o100
"""O_CREAT on both machines. Source: include/uapi/asm-generic/fcntl.h."""
_UNIX_FAMILY = 1

Instruction: TypeAlias = tuple[int, int, int, int]
"""Code, distance if true, distance if false, operand."""


class Test(Struct, frozen=True):
    """One test of the low 32 bits of an argument: `bits` any of which is set, or another value than `only`."""

    argument: int
    bits: int = 0
    only: int = 0


class Rule(Struct, frozen=True):
    """A system call that fails with `code` where all its tests hold."""

    call: str
    tests: tuple[Test, ...] = ()
    code: int = errno.EPERM


class Machine(Struct, frozen=True):
    """An instruction set: its audit number, and the numbers of its calls."""

    audit: int
    has_x32: bool
    column: int


MACHINES = {"x86_64": Machine(0xC000003E, True, 0), "aarch64": Machine(0xC00000B7, False, 1)}

_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chmod": (90, None),
    "chroot": (161, 51),
    "clone": (56, 220),
    "clone3": (435, 435),
    "creat": (85, None),
    "delete_module": (176, 106),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open": (2, None),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "openat": (257, 56),
    "openat2": (437, 437),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "socket": (41, 198),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}

_NEVER = (
    *(
        "mount",
        "umount2",
        "mount_setattr",
        "move_mount",
        "open_tree",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
    ),
    *("chroot", "pivot_root", "setns", "unshare", "open_by_handle_at", "quotactl", "quotactl_fd"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "perf_event_open", "userfaultfd", "bpf"),
    *("add_key", "keyctl", "request_key", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load"),
    *("acct", "reboot", "swapon", "swapoff", "syslog"),
)

RULES: tuple[Rule, ...] = (
    *(Rule(call) for call in _NEVER),
    # Their arguments stand in memory, where a filter can't look; a C library falls back to the older calls.
    Rule("clone3", code=errno.ENOSYS),
    Rule("openat2", code=errno.ENOSYS),
    Rule("clone", (Test(0, bits=_NEW_USER_NAMESPACE),)),
    Rule("socket", (Test(0, only=_UNIX_FAMILY),), errno.EAFNOSUPPORT),
    Rule("chmod", (Test(1, bits=_SET_ID_BITS),)),
    Rule("fchmod", (Test(1, bits=_SET_ID_BITS),)),
    Rule("fchmodat", (Test(2, bits=_SET_ID_BITS),)),
    Rule("fchmodat2", (Test(2, bits=_SET_ID_BITS),)),
    Rule("creat", (Test(1, bits=_SET_ID_BITS),)),
    Rule("mknod", (Test(1, bits=_SET_ID_BITS),)),
    Rule("mknodat", (Test(2, bits=_SET_ID_BITS),)),
    Rule("open", (Test(1, bits=_CREATE), Test(2, bits=_SET_ID_BITS))),
    Rule("openat", (Test(2, bits=_CREATE), Test(3, bits=_SET_ID_BITS))),
)


def program(machine: str) -> bytes:
    """Return the filter for a machine, as an array of `struct sock_filter`; b"" for one we do not know."""
    if machine not in MACHINES:
        return b""
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions(machine))


def instructions(machine: str) -> list[Instruction]:
    """Return the filter of a known machine, one instruction each."""
    known = MACHINES[machine]
    made: list[Instruction] = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_JUMP_EQUAL, 1, 0, known.audit),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if known.has_x32:
        made += [(_JUMP_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL_PROCESS)]
    for rule in RULES:
        number = _NUMBERS[rule.call][known.column]
        if number is not None:
            made += _block(rule, number)
    return [*made, (_RETURN, 0, 0, _ALLOW)]


def _block(rule: Rule, number: int) -> list[Instruction]:
    """Return the instructions of one rule; each test that does not hold jumps to the last, which reloads."""
    tests: list[Instruction] = []
    left = 2 * len(rule.tests) + 1
    for test in rule.tests:
        left -= 2
        tests.append((_LOAD, 0, 0, _ARGUMENTS_AT + 8 * test.argument))
        if test.bits:
            tests.append((_JUMP_ANY_BIT, 0, left, test.bits))
        else:
            tests.append((_JUMP_EQUAL, left, 0, test.only))
    body = [*tests, (_RETURN, 0, 0, _ERRNO | rule.code), (_LOAD, 0, 0, _NUMBER_AT)]
    return [(_JUMP_EQUAL, 0, len(body), number), *body]
