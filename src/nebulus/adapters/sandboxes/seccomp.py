"""A filter of system calls, as the program that the kernel runs. Pure.

`BESIDE_NAMESPACES` is for commands that namespaces contain. It denies what could open the namespaces again (mounts,
new namespaces, tracing, kernel modules, rings and keys that other checks do not see), every socket except local
ones, and the bits that would leave a privileged file behind. `WITHOUT_NAMESPACES` also denies what
reaches other processes of the host, and what Landlock does not check: every socket
that could name another, memory shared by key, watching folders, the limits and priorities of other
processes, and attributes of files. Changes of modes, owners and times are referred to the listener of the
filter. A call of another instruction set is killed.

Source: linux/include/uapi/linux/{filter,seccomp,audit}.h; numbers from
arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

import errno
import struct
from typing import TypeAlias

from msgspec import Struct

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS, _REFER = 0x7FFF0000, 0x00050000, 0x80000000, 0x7FC00000
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32_BIT = 0x40000000
"""Numbers from here on are the x32 calls of x86_64: the same calls by other numbers."""

_NEW_NAMESPACE = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. Source: linux/include/uapi/linux/sched.h."""
_SET_ID_BITS = 0o6000
_CREATE = 0o100
"""O_CREAT on both machines. Source: include/uapi/asm-generic/fcntl.h."""
_UNIX_FAMILY = 1
_DATAGRAM_BIT = 2
"""Set in SOCK_DGRAM and SOCK_RAW, not in SOCK_STREAM and SOCK_SEQPACKET. Source: include/linux/net.h."""
_PROCESS, _IO_PROCESS = 0, 1
"""PRIO_PROCESS and IOPRIO_WHO_PROCESS. Source: include/uapi/linux/{resource,ioprio}.h."""
_FILE_FLAGS = (0x40086602, 0x40087602, 0x401C5820, 0x40806685)
"""FS_IOC_SETFLAGS, SETVERSION, FSSETXATTR, ENABLE_VERITY, which need no file that is open for writing.

Source: include/uapi/linux/{fs,fsverity}.h, as 64-bit programs write them.
"""
FIRST_UNKNOWN = 463
"""Calls from this number on are newer than this list; setxattrat is the first. Source: syscall_64.tbl."""

Instruction: TypeAlias = tuple[int, int, int, int]
"""Code, distance if true, distance if false, operand."""


class Bits(Struct, frozen=True):
    """Holds where any of `bits` is set in the low 32 bits of an argument."""

    argument: int
    bits: int


class Not(Struct, frozen=True):
    """Holds where the low 32 bits of an argument are another value."""

    argument: int
    value: int


class Is(Struct, frozen=True):
    """Holds where the low 32 bits of an argument are this value."""

    argument: int
    value: int


Test: TypeAlias = Bits | Not | Is


class Rule(Struct, frozen=True):
    """A system call that fails with `code` where all its tests pass; `is_referred` asks the listener instead."""

    call: str
    tests: tuple[Test, ...] = ()
    code: int = errno.EPERM
    is_referred: bool = False

    @property
    def verdict(self) -> int:
        """What the filter returns where the rule applies."""
        return _REFER if self.is_referred else _ERRNO | self.code


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
    "chown": (92, None),
    "chroot": (161, 51),
    "clone": (56, 220),
    "clone3": (435, 435),
    "creat": (85, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "finit_module": (313, 273),
    "fremovexattr": (199, 16),
    "fsconfig": (431, 431),
    "fsetxattr": (190, 7),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "futimesat": (261, None),
    "getxattr": (191, 8),
    "init_module": (175, 105),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioctl": (16, 29),
    "ioprio_set": (251, 30),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lchown": (94, None),
    "lgetxattr": (192, 9),
    "listxattr": (194, 11),
    "llistxattr": (195, 12),
    "lremovexattr": (198, 15),
    "lsetxattr": (189, 6),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "msgctl": (71, 187),
    "msgget": (68, 186),
    "msgrcv": (70, 188),
    "msgsnd": (69, 189),
    "open": (2, None),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "openat": (257, 56),
    "openat2": (437, 437),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "prlimit64": (302, 261),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "removexattr": (197, 14),
    "request_key": (249, 218),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "semctl": (66, 191),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "setns": (308, 268),
    "setpriority": (141, 140),
    "setxattr": (188, 5),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmget": (29, 194),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "utime": (132, None),
    "utimensat": (280, 88),
    "utimes": (235, None),
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

BESIDE_NAMESPACES: tuple[Rule, ...] = (
    *(Rule(call) for call in _NEVER),
    # Their arguments are in memory, which a filter can't read; a C library falls back to the older calls.
    Rule("clone3", code=errno.ENOSYS),
    Rule("openat2", code=errno.ENOSYS),
    Rule("clone", (Bits(0, _NEW_NAMESPACE),)),
    Rule("socket", (Not(0, _UNIX_FAMILY),), errno.EAFNOSUPPORT),
    Rule("chmod", (Bits(1, _SET_ID_BITS),)),
    Rule("fchmod", (Bits(1, _SET_ID_BITS),)),
    Rule("fchmodat", (Bits(2, _SET_ID_BITS),)),
    Rule("fchmodat2", (Bits(2, _SET_ID_BITS),)),
    Rule("creat", (Bits(1, _SET_ID_BITS),)),
    Rule("mknod", (Bits(1, _SET_ID_BITS),)),
    Rule("mknodat", (Bits(2, _SET_ID_BITS),)),
    Rule("open", (Bits(1, _CREATE), Bits(2, _SET_ID_BITS))),
    Rule("openat", (Bits(2, _CREATE), Bits(3, _SET_ID_BITS))),
)
"""For a command that sees nothing of the host but what was mounted for it."""

_SHARED_BY_KEY = (
    *("shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl"),
    *("msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink"),
)
_WATCHES = ("inotify_init", "inotify_init1", "fanotify_init")
_OTHER_PROCESSES = ("kcmp", "pidfd_getfd", "process_madvise")
_SCHEDULES = ("prlimit64", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler")
REFERRED = (
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utimensat"),
)
"""Calls that change what Landlock does not check: the listener checks whose file it is, and makes the change."""
_OLDER_TIMES = ("utime", "utimes", "futimesat")
"""What C libraries no longer call."""
_ATTRIBUTES = (
    *("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"),
    *("getxattr", "lgetxattr", "listxattr", "llistxattr"),
)
"""Extended attributes of files by name, and changes of those of open ones."""

WITHOUT_NAMESPACES: tuple[Rule, ...] = (
    *(Rule(call) for call in (*_SHARED_BY_KEY, *_WATCHES, *_OTHER_PROCESSES, *_OLDER_TIMES)),
    *(Rule(call, is_referred=True) for call in REFERRED),
    *(Rule(call, code=errno.EOPNOTSUPP) for call in _ATTRIBUTES),
    *(Rule("ioctl", (Is(1, command),)) for command in _FILE_FLAGS),
    *(Rule(call, (Not(0, 0),)) for call in _SCHEDULES),
    *(Rule("setpriority", (test,)) for test in (Not(0, _PROCESS), Not(1, 0))),
    *(Rule("ioprio_set", (test,)) for test in (Not(0, _IO_PROCESS), Not(1, 0))),
    Rule("socket", code=errno.EAFNOSUPPORT),
    # A pair of streams reaches nobody else; a datagram of a pair can still be sent to any name.
    Rule("socketpair", (Not(0, _UNIX_FAMILY),), errno.EAFNOSUPPORT),
    Rule("socketpair", (Bits(1, _DATAGRAM_BIT),), errno.EAFNOSUPPORT),
    *BESIDE_NAMESPACES,
)
"""For a command that Landlock alone keeps from the host's files."""


def referred(machine: str) -> dict[int, str]:
    """Return the calls that are referred, by their numbers on a known machine."""
    column = MACHINES[machine].column
    return {number: call for call in REFERRED if (number := _NUMBERS[call][column]) is not None}


def program(machine: str, rules: tuple[Rule, ...] = BESIDE_NAMESPACES) -> bytes:
    """Return the filter for a machine, as an array of `struct sock_filter`; b"" for one we do not know."""
    if machine not in MACHINES:
        return b""
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions(machine, rules))


def instructions(machine: str, rules: tuple[Rule, ...] = BESIDE_NAMESPACES) -> list[Instruction]:
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
    if rules is not BESIDE_NAMESPACES:
        made += [(_JUMP_AT_LEAST, 0, 1, FIRST_UNKNOWN), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    for rule in rules:
        number = _NUMBERS[rule.call][known.column]
        if number is not None:
            made += _block(rule, number)
    return [*made, (_RETURN, 0, 0, _ALLOW)]


def _block(rule: Rule, number: int) -> list[Instruction]:
    """Return the instructions of one rule; each test that fails jumps to the last, which reloads."""
    tests: list[Instruction] = []
    left = 2 * len(rule.tests) + 1
    for test in rule.tests:
        left -= 2
        tests.append((_LOAD, 0, 0, _ARGUMENTS_AT + 8 * test.argument))
        match test:
            case Bits(bits=bits):
                tests.append((_JUMP_ANY_BIT, 0, left, bits))
            case Not(value=value):
                tests.append((_JUMP_EQUAL, left, 0, value))
            case Is(value=value):
                tests.append((_JUMP_EQUAL, 0, left, value))
    body = [*tests, (_RETURN, 0, 0, rule.verdict), (_LOAD, 0, 0, _NUMBER_AT)]
    return [(_JUMP_EQUAL, 0, len(body), number), *body]
