"""The levels at which this machine contains commands, and how the suites run one."""

import shutil
from pathlib import Path
from typing import TypeAlias

import pytest

from nebulus.adapters.sandboxes.bubblewrap import Bubblewrap
from nebulus.adapters.sandboxes.landlock import LEAST_ABI, Landlock, abi
from nebulus.adapters.sandboxes.limits import Limits
from nebulus.adapters.sandboxes.reach import Reach
from nebulus.core.tools import SandboxLevel
from nebulus.ports.guard import CommandResult, Sandbox

BWRAP = shutil.which("bwrap") or ""
needs_bubblewrap = pytest.mark.skipif(not BWRAP, reason="bubblewrap is not installed")
needs_landlock = pytest.mark.skipif(abi() < LEAST_ABI, reason=f"Landlock is older than version {LEAST_ABI}")
LEVELS = [
    pytest.param(SandboxLevel.NAMESPACES, marks=needs_bubblewrap),
    pytest.param(SandboxLevel.LANDLOCK, marks=needs_landlock),
]
LIMITS = Limits(memory_bytes=512 << 20, cpu_s=2, file_bytes=1 << 20, output_bytes=4096)
Real: TypeAlias = Bubblewrap | Landlock


def made(level: SandboxLevel, reach: Reach, limits: Limits = LIMITS) -> Real:
    """Return the sandbox of a level, for a workspace."""
    if level is SandboxLevel.LANDLOCK:
        return Landlock(reach, limits=limits)
    return Bubblewrap(reach, bwrap=BWRAP, limits=limits)


async def shell(sandbox: Sandbox, script: str, *, timeout_s: float = 20) -> CommandResult:
    """Run a script of the shell."""
    ended = await sandbox.run(("/bin/sh", "-c", script), timeout_s=timeout_s)
    assert isinstance(ended, CommandResult)
    return ended


async def python(sandbox: Sandbox, script: str, *arguments: object, timeout_s: float = 20) -> CommandResult:
    """Run a script of the Python that every sandbox can read."""
    argv = ("/usr/bin/python3", "-I", "-c", script, *map(str, arguments))
    ended = await sandbox.run(argv, timeout_s=timeout_s)
    assert isinstance(ended, CommandResult)
    return ended


def workspace_of(folder: Path) -> Path:
    """Return a new workspace in `folder`."""
    (folder / "workspace").mkdir()
    return folder / "workspace"
