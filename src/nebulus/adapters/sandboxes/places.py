"""What every sandbox lets a command see of the host, and says where it can't start one."""

from nebulus.core.failure import Failure, FailureKind, Fault

SEARCHED = "/usr/local/bin:/usr/bin:/bin"
"""Where programs are looked for."""
READABLE = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"),
    *("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"),
    *("/etc/group", "/etc/localtime", "/etc/nsswitch.conf", "/etc/passwd"),
)
"""Programs, libraries, and what they need to start; never the whole of /etc, which holds secrets."""


def not_started(what: str, value: str) -> Failure:
    """Return why no command was started."""
    return Failure(kind=FailureKind.PERMANENT, fault=Fault.RUNTIME, what=what, value=value)
