"""The filter lets through what is harmless and nothing that opens the sandbox, on both machines."""

import errno
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.sandboxes.seccomp import (
    _NUMBERS,
    BESIDE_NAMESPACES,
    FIRST_UNKNOWN,
    MACHINES,
    WITHOUT_NAMESPACES,
    Rule,
    instructions,
    program,
    referred,
)

ALLOW, KILL, REFER = 0x7FFF0000, 0x80000000, 0x7FC00000
COLUMN = {"x86_64": 0, "aarch64": 1}


def denied(code: int) -> int:
    return 0x00050000 | code


def run(
    machine: str,
    number: int,
    *arguments: int,
    audit: int | None = None,
    rules: tuple[Rule, ...] = BESIDE_NAMESPACES,
) -> int:
    """Run the filter as the kernel does, on one call; return its verdict."""
    data = struct.pack("<IIQ6Q", number, audit or MACHINES[machine].audit, 0, *(*arguments, *[0] * 6)[:6])
    code = list(struct.iter_unpack("<HBBI", program(machine, rules)))
    at = loaded = 0
    while True:
        kind, if_true, if_false, operand = code[at]
        at += 1
        match kind:
            case 0x20:
                (loaded,) = struct.unpack_from("<I", data, operand)
            case 0x15:
                at += if_true if loaded == operand else if_false
            case 0x35:
                at += if_true if loaded >= operand else if_false
            case 0x45:
                at += if_true if loaded & operand else if_false
            case 0x06:
                return int(operand)
            case _:
                raise AssertionError(kind)


@pytest.fixture(params=list(MACHINES))
def machine(request: pytest.FixtureRequest) -> Any:
    return request.param


def number(machine: str, call: str) -> int | None:
    return _NUMBERS[call][COLUMN[machine]]


@pytest.mark.parametrize("rules", [BESIDE_NAMESPACES, WITHOUT_NAMESPACES])
def test_calls_without_a_condition_are_always_denied(machine: str, rules: tuple[Rule, ...]) -> None:
    first = {rule.call: rule for rule in reversed(rules)}
    for rule in first.values():
        found = number(machine, rule.call)
        if found is not None and not rule.tests:
            assert run(machine, found, rules=rules) == rule.verdict, rule.call


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("socket", (2, 1), errno.EAFNOSUPPORT),
        ("socket", (10, 2), errno.EAFNOSUPPORT),
        ("socket", (16, 3), errno.EAFNOSUPPORT),
        ("socket", (40, 1), errno.EAFNOSUPPORT),
        ("socket", (1, 1), 0),
        ("clone", (0x10000000 | 17,), errno.EPERM),
        ("clone", (0x3D0F00,), 0),
        ("clone3", (), errno.ENOSYS),
        ("chmod", (0, 0o4755), errno.EPERM),
        ("chmod", (0, 0o1755), 0),
        ("fchmod", (0, 0o2755), errno.EPERM),
        ("fchmodat", (0, 0, 0o4755), errno.EPERM),
        ("fchmodat", (0, 0, 0o755), 0),
        ("openat", (0, 0, 0o101, 0o4755), errno.EPERM),
        ("openat", (0, 0, 0o101, 0o644), 0),
        ("openat", (0, 0, 0, 0o4755), 0),
        ("open", (0, 0o101, 0o6755), errno.EPERM),
        ("mknodat", (0, 0, 0o104755), errno.EPERM),
        ("unshare", (0,), errno.EPERM),
    ],
)
def test_conditions_look_at_the_argument(
    machine: str, call: str, arguments: tuple[int, ...], code: int
) -> None:
    found = number(machine, call)
    if found is None:
        assert machine == "aarch64"
        return
    assert run(machine, found, *arguments) == (denied(code) if code else ALLOW)


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("socket", (1, 1), errno.EAFNOSUPPORT),
        ("socketpair", (1, 1 | 0o2000000), 0),
        ("socketpair", (1, 5), 0),
        ("socketpair", (1, 2), errno.EAFNOSUPPORT),
        ("socketpair", (1, 3 | 0o4000), errno.EAFNOSUPPORT),
        ("socketpair", (30, 1), errno.EAFNOSUPPORT),
        ("prlimit64", (0, 7), 0),
        ("prlimit64", (1234, 7), errno.EPERM),
        ("sched_setaffinity", (0,), 0),
        ("sched_setaffinity", (1234,), errno.EPERM),
        ("setpriority", (0, 0, 5), 0),
        ("setpriority", (0, 1234, 5), errno.EPERM),
        ("setpriority", (2, 0, 5), errno.EPERM),
        ("ioprio_set", (1, 0, 5), 0),
        ("ioprio_set", (3, 0, 5), errno.EPERM),
        ("ioctl", (3, 0x5401), 0),
        ("ioctl", (3, 0x40086602), errno.EPERM),
        ("setxattr", (0,), errno.EOPNOTSUPP),
        ("clone", (0x40000000,), errno.EPERM),
        ("clone", (0x3D0F00,), 0),
    ],
)
def test_what_the_host_shares_is_out_of_reach_without_namespaces(
    machine: str, call: str, arguments: tuple[int, ...], code: int
) -> None:
    found = number(machine, call)
    assert found is not None
    said = run(machine, found, *arguments, rules=WITHOUT_NAMESPACES)
    assert said == (denied(code) if code else ALLOW)


def test_changes_of_modes_owners_and_times_are_referred_without_namespaces(machine: str) -> None:
    for found, call in referred(machine).items():
        assert run(machine, found, 0, 0, 0o644, rules=WITHOUT_NAMESPACES) == REFER, call
    assert {"fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "utimensat"} <= set(
        referred(machine).values()
    )


def test_a_call_that_is_newer_than_the_list_does_not_exist_without_namespaces(machine: str) -> None:
    for unknown in (FIRST_UNKNOWN, FIRST_UNKNOWN + 6, 0x3FFFFFFF):
        assert run(machine, unknown, rules=WITHOUT_NAMESPACES) == denied(errno.ENOSYS)
    assert run(machine, FIRST_UNKNOWN - 1, rules=WITHOUT_NAMESPACES) == ALLOW


@pytest.mark.parametrize("call", ["read", "write", "execve", "exit_group"])
def test_ordinary_calls_pass(call: str) -> None:
    numbers = {"read": (0, 63), "write": (1, 64), "execve": (59, 221), "exit_group": (231, 94)}[call]
    for machine, column in COLUMN.items():
        for rules in (BESIDE_NAMESPACES, WITHOUT_NAMESPACES):
            assert run(machine, numbers[column], *[0xFFFFFFFF] * 3, rules=rules) == ALLOW


def test_another_instruction_set_is_killed(machine: str) -> None:
    assert run(machine, 0, audit=0x40000003) == KILL


def test_the_second_numbering_of_x86_64_is_killed() -> None:
    assert run("x86_64", 0x40000000 | 41, 2) == KILL


@given(call=st.integers(0, 600), arguments=st.lists(st.integers(0, 2**64 - 1), max_size=6))
def test_every_call_gets_a_verdict(call: int, arguments: list[int]) -> None:
    for rules in (BESIDE_NAMESPACES, WITHOUT_NAMESPACES):
        known = {ALLOW, KILL, denied(errno.ENOSYS)} | {rule.verdict for rule in rules}
        for machine in MACHINES:
            assert run(machine, call, *arguments, rules=rules) in known


def test_jumps_fit_and_an_unknown_machine_has_no_filter(machine: str) -> None:
    for rules in (BESIDE_NAMESPACES, WITHOUT_NAMESPACES):
        made = instructions(machine, rules)
        assert all(max(if_true, if_false) < 256 for _, if_true, if_false, _ in made)
        assert len(made) < 4096
    assert program("sparc") == b""


HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.skipif(not all(path.exists() for path in HEADERS.values()), reason="no kernel headers here")
def test_the_numbers_are_those_of_the_kernel_headers(machine: str) -> None:
    found = re.findall(r"#define __NR_(\w+)\s+(\d+)", HEADERS[machine].read_text())
    known = {call: int(number) for call, number in found}
    assert len(known) > 200
    for call in _NUMBERS:
        if call in known:
            assert number(machine, call) == known[call], call
    assert {call for call in _NUMBERS if number(machine, call) is not None} - set(known) <= {"fchmodat2"}
