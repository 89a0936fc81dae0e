"""What every sandbox lets a command see of the host, and says where it can't start one."""

import os

from nebulus.core.failure import Failure, FailureKind, Fault

SEARCHED = "/usr/local/bin:/usr/bin:/bin"
"""Where programs are looked for."""
READABLE = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"),
    *("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"),
    *("/etc/group", "/etc/localtime", "/etc/nsswitch.conf", "/etc/passwd"),
)
"""Programs, libraries, and what they need to start; never all of /etc, which contains secrets."""


def wrong_command(argv: tuple[str, ...]) -> Failure | None:
    """Return why `argv` is not a command, None if it may be started."""
    try:
        is_spelled = all("\0" not in word and os.fsencode(word) for word in argv)
    except UnicodeEncodeError:
        is_spelled = False
    if argv and is_spelled:
        return None
    return not_started("the command is empty, or contains a NUL or what is not text", repr(argv)[:200])


def not_started(what: str, value: str) -> Failure:
    """Return why no command was started."""
    return Failure(kind=FailureKind.PERMANENT, fault=Fault.RUNTIME, what=what, value=value)
