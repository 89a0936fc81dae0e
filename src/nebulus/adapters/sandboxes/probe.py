"""Finds out, by trying to break out, how well commands are contained on this machine.

Laws: a level is offered only when a command that runs under it has been seen to fail at everything that
it must not be able to do; no version number and no setting stands for that. There is no level between:
rules on paths alone (Landlock) leave the host's environment, processes and datagrams within reach.
"""

import os
import platform
import shutil
import tempfile
from pathlib import Path

from nebulus.adapters.sandboxes.bubblewrap import ENVIRONMENT, Bubblewrap
from nebulus.adapters.sandboxes.limits import Limits
from nebulus.adapters.sandboxes.seccomp import MACHINES
from nebulus.adapters.sandboxes.uncontained import Uncontained
from nebulus.core.failure import Failure

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
for place in /* /etc/*; do echo "stands: $place"; done
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

It is itself harmless where nothing contains it: it ends at once if it shares a namespace with the host,
and takes away each empty file that it could make. `$0` is a name that nothing else has.
"""

_CURES = (
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
    ("prlimit", "install util-linux, which holds prlimit"),
    ("Unknown option", "install bubblewrap 0.8 or newer"),
)
_ANY_CURE = "run the same command by hand to see more, or go without run_command"


async def find_sandbox(
    root: Path,
    *,
    limits: Limits | None = None,
    readable: tuple[Path, ...] = (),
    kept: tuple[str, ...] = (),
) -> Bubblewrap | Uncontained:
    """Return the best sandbox for commands in the workspace at `root` that holds on this machine.

    Takes a fraction of a second: a probe is executed. `readable` are further host paths to be read, `kept`
    paths beneath the root that belong to the runtime.
    """
    if platform.machine() not in MACHINES or not hasattr(os, "memfd_create"):
        return Uncontained(
            reason=f"{platform.system()} on {platform.machine()} has no containment that we know",
            cure=f"use Linux on one of {sorted(MACHINES)}",
        )
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return Uncontained(reason="bwrap is not installed", cure="install it: apt install bubblewrap")
    sandbox = Bubblewrap(root, bwrap=bwrap, limits=limits, readable=readable, kept=kept)
    reason = await breach_of(sandbox)
    if reason:
        return Uncontained(reason=reason, cure=_cure(reason))
    return sandbox


async def breach_of(sandbox: Bubblewrap) -> str:
    """Return the first thing that a command in `sandbox` can do and must not, "" if there is none."""
    own = [os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES]  # noqa: PTH115
    with tempfile.NamedTemporaryFile("w", prefix="nebulus-probe-") as secret:
        secret.write("a file outside the sandbox\n")
        secret.flush()
        name = os.path.basename(secret.name)  # noqa: PTH119
        ended = await sandbox.run(("/bin/sh", "-c", SCRIPT, name, secret.name, *own), timeout_s=_TIMEOUT_S)
    if isinstance(ended, Failure):
        return ended.sentence()
    lines = ended.output.splitlines()
    complaint = _complaint(lines, sandbox.visible)
    if complaint or (ended.exit_code == 0 and "probed" in lines):
        return complaint
    return f"the probe ended with {ended.exit_code}: {lines[-1] if lines else 'it printed nothing'}"


def _complaint(lines: list[str], visible: frozenset[str]) -> str:
    for line in lines:
        kind, _, rest = line.partition(": ")
        if kind in ("breach", "broken"):
            return f"a command in it {rest}"
        if kind == "stands" and not any(f"{path}/".startswith(f"{rest}/") for path in visible):
            return f"a command in it finds {rest}"
        if kind == "variable" and rest not in _VARIABLES:
            return f"a command in it sees the variable {rest}"
    return ""


def _cure(reason: str) -> str:
    return next((cure for word, cure in _CURES if word in reason), _ANY_CURE)
