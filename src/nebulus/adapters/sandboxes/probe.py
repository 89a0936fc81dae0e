"""Finds out, by trying to break out, how well commands are contained on this machine.

Invariants: a level is offered only after a command that ran under it failed at everything that it must not be able
to do; no version number and no setting replaces that. A version can only rule a level out: a Landlock too old for
what the level promises is not tried.
"""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec.structs import replace

from nebulus.adapters.sandboxes import escapes
from nebulus.adapters.sandboxes.bubblewrap import ENVIRONMENT, Bubblewrap
from nebulus.adapters.sandboxes.landlock import LEAST_ABI, Landlock, abi
from nebulus.adapters.sandboxes.limits import Limits
from nebulus.adapters.sandboxes.reach import Reach
from nebulus.adapters.sandboxes.seccomp import MACHINES
from nebulus.adapters.sandboxes.uncontained import Uncontained
from nebulus.core.failure import Failure
from nebulus.ports.guard import CommandResult

Wanted: TypeAlias = Literal["best", "namespaces", "landlock"]
"""The level that is looked for."""

_TIMEOUT_S = 20.0
_NAMESPACES = ("ipc", "mnt", "net", "pid", "user", "uts")
_VARIABLES = frozenset({*ENVIRONMENT, "PWD", "OLDPWD", "SHLVL", "_"})

SCRIPT = r"""
secret=$1; shift
for own in "$@"; do
  kind=${own%%:*}; seen=$(readlink "/proc/self/ns/$kind")
  case $seen in "$own"|"") echo "breach: shares the host's namespace $kind"; is_shared=1 ;; esac
done
[ -z "$is_shared" ] || exit 0
read -r _ < "$secret" && echo "breach: reads $secret"
for place in /* /etc/*; do echo "exists: $place"; done
for place in /usr /etc / /dev; do
  (: > "$place/$0") && rm -f "$place/$0" && echo "breach: writes $place"
done
for place in /workspace /tmp; do
  (: > "$place/$0") && rm "$place/$0" || echo "broken: can't write $place"
done
while read -r name _; do
  case $name in lo:*|Inter-*|face*) ;; *) echo "breach: has the network interface $name" ;; esac
done < /proc/self/net/dev
while read -r name value _; do
  case $name in
    Seccomp:) [ "$value" = 2 ] || echo "breach: has no filter of system calls" ;;
    NoNewPrivs:) [ "$value" = 1 ] || echo "breach: may gain privileges" ;;
    CapEff:|CapPrm:|CapBnd:) [ "$value" = 0000000000000000 ] || echo "breach: has capabilities $name $value" ;;
  esac
done < /proc/self/status
unshare -U true && echo "breach: makes namespaces"
env | while IFS='=' read -r name _; do echo "variable: $name"; done
echo "probed"
"""
"""Each line of its output that begins with "breach:" or "broken:" is a reason not to use the sandbox.

It does no harm where nothing contains it: it ends at once if it shares a namespace with the host,
and removes each empty file that it could create. `$0` is a name that nothing else has.
"""

_CURES = (
    ("bwrap is not installed", "install it: apt install bubblewrap"),
    ("namespace", "enable unprivileged user namespaces: sysctl kernel.unprivileged_userns_clone=1 (Debian)"),
    (
        "uid map",
        "let bwrap make user namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)",
    ),
    (
        "loopback",
        "let bwrap make user namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)",
    ),
    ("mount proc", "run outside this container, or let the container make mounts of /proc"),
    ("state can't be kept", "set XDG_STATE_HOME to a folder that you can write"),
    ("prlimit", "install util-linux, which contains prlimit"),
    ("Unknown option", "install bubblewrap 0.8 or newer"),
    ("not in use", "boot with landlock in the kernel's list of security modules: lsm=landlock,..."),
    ("has version", "use Linux 6.12 or newer"),
)
_SINCE = (
    (2, "moves between folders"),
    (3, "the truncation of files"),
    (4, "connections over TCP"),
    (5, "devices"),
    (LEAST_ABI, "signals to processes of the host"),
)
"""What Landlock has restricted since which of its versions. Source: linux/Documentation/userspace-api/landlock.rst."""
_ANY_CURE = "run the same command by hand to see more, or go without run_command"


async def find_sandbox(
    reach: Reach, *, wanted: Wanted = "best", limits: Limits | None = None, readable: tuple[Path, ...] = ()
) -> Bubblewrap | Landlock | Uncontained:
    """Return the best sandbox that passes its probe on this machine, or the requested one, for commands in a workspace.

    Takes a fraction of a second: a probe is executed. `readable` are further host paths to be read.
    """
    if platform.machine() not in MACHINES or not hasattr(os, "memfd_create"):
        return Uncontained(
            reason=f"{platform.system()} on {platform.machine()} has no containment that we know",
            cure=f"use Linux on one of {sorted(MACHINES)}",
        )
    tried = {"best": (_namespaces, _landlock), "namespaces": (_namespaces,), "landlock": (_landlock,)}[wanted]
    reasons = []
    for attempt in tried:
        found = await attempt(reach, limits, readable)
        if not isinstance(found, str):
            return found
        reasons.append(found)
    return Uncontained(reason="; ".join(reasons), cure=_cure(reasons[0]))


async def _namespaces(reach: Reach, limits: Limits | None, readable: tuple[Path, ...]) -> Bubblewrap | str:
    bwrap = _program("bwrap", reach.root)
    if not bwrap:
        return "bwrap is not installed"
    probed = Bubblewrap(replace(reach, is_probe=True), bwrap=bwrap, limits=limits, readable=readable)
    return await breach_of(probed) or Bubblewrap(reach, bwrap=bwrap, limits=limits, readable=readable)


def _program(name: str, root: Path) -> str:
    """Return where a program of the host's is, "" if nowhere; one that a command could have written does not count."""
    folders = [
        folder
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if folder.startswith("/") and not Path(os.path.realpath(folder)).is_relative_to(root)
    ]
    found = os.path.realpath(shutil.which(name, path=os.pathsep.join(folders)) or "/")
    return "" if found == "/" or Path(found).is_relative_to(root) else found


async def _landlock(reach: Reach, limits: Limits | None, readable: tuple[Path, ...]) -> Landlock | str:
    return too_old(abi()) or await escape_from(reach) or Landlock(reach, limits=limits, readable=readable)


def too_old(version: int) -> str:
    """Return what a version of Landlock lacks of what the level promises, "" if nothing."""
    if not version:
        return "Landlock is not in use in this kernel"
    lacks = [what for least, what in _SINCE if version < least]
    return f"Landlock has version {version} here, too old to restrict {', '.join(lacks)}" if lacks else ""


async def breach_of(sandbox: Bubblewrap) -> str:
    """Return the first thing that a command in `sandbox` can do and must not, "" if there is none."""
    own = [os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES]  # noqa: PTH115
    with _secret() as secret:
        argv = ("/bin/sh", "-c", SCRIPT, secret.name, str(secret), *own)
        ended = await sandbox.run(argv, timeout_s=_TIMEOUT_S)
    return _judged(ended, sandbox.visible)


async def escape_from(reach: Reach) -> str:
    """Return the first thing that a command under Landlock can do and must not, "" if there is none.

    The program that tries is ours, so that its own files and those of our interpreter can be read as well.
    """
    readable = (Path(escapes.__file__), Path(sys.base_prefix), Path(os.path.realpath(sys.executable)))
    with _secret() as secret:
        argv = (str(readable[-1]), "-I", "-S", escapes.__file__, str(secret), str(os.getpid()))
        ended = await Landlock(replace(reach, is_probe=True), readable=readable).run(
            argv, timeout_s=_TIMEOUT_S
        )
    return _judged(ended)


@contextmanager
def _secret() -> Iterator[Path]:
    """Yield a file that nothing in a sandbox may read."""
    with tempfile.NamedTemporaryFile("w", prefix="nebulus-probe-") as secret:
        secret.write("a file outside the sandbox\n")
        secret.flush()
        yield Path(secret.name)


def _judged(ended: CommandResult | Failure, visible: frozenset[str] = frozenset()) -> str:
    if isinstance(ended, Failure):
        return ended.sentence()
    lines = ended.output.splitlines()
    complaint = _complaint(lines, visible)
    if complaint or (ended.exit_code == 0 and "probed" in lines):
        return complaint
    return f"the probe ended with {ended.exit_code}: {lines[-1] if lines else 'it printed nothing'}"


def _complaint(lines: list[str], visible: frozenset[str]) -> str:
    for line in lines:
        kind, _, rest = line.partition(": ")
        if kind in ("breach", "broken"):
            return f"a command in it {rest}"
        if kind == "exists" and not any(f"{path}/".startswith(f"{rest}/") for path in visible):
            return f"a command in it finds {rest}"
        if kind == "variable" and rest not in _VARIABLES:
            return f"a command in it sees the variable {rest}"
    return ""


def _cure(reason: str) -> str:
    return next((cure for word, cure in _CURES if word in reason), _ANY_CURE)
