"""What governs a run can't be planted by a command, whoever ends the command and however."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from nebulus.adapters.sandboxes.limits import Limits
from nebulus.adapters.sandboxes.protection import mend, protecting
from nebulus.adapters.sandboxes.reach import Reach
from nebulus.adapters.trust.ledger import TrustLedger
from nebulus.adapters.trust.private import user_state_folder
from nebulus.core.tools import SandboxLevel
from tests.contract.sandbox_levels import BWRAP, made, shell

pytestmark = pytest.mark.usefixtures("new_user")

SRC = Path(__file__).parents[2] / "src"
KEPT = (".nebulus", "nebulus.toml")
PLANT = """
mkdir -p work; cp /bin/sh work/begun 2>/dev/null
while :; do
  echo 'policy = "mine.toml"' > nebulus.toml; mkdir .nebulus; echo x > .nebulus/approvals.sqlite
  echo x > work/n; mv -f work/n nebulus.toml; ln -sf work/n nebulus.toml; ln -s work .nebulus
  mkdir nebulus.toml; rm -f nebulus.toml; rmdir .nebulus
done
"""
ORDER = """
import asyncio, sys
from pathlib import Path
from nebulus.adapters.sandboxes.bubblewrap import Bubblewrap
from nebulus.adapters.sandboxes.landlock import Landlock
from nebulus.adapters.sandboxes.reach import Reach
reach = Reach(Path(sys.argv[2]), kept=tuple(sys.argv[5:]))
real = Landlock(reach) if sys.argv[1] == "landlock" else Bubblewrap(reach, bwrap=sys.argv[3])
asyncio.run(real.run(("/bin/sh", "-c", sys.argv[4]), timeout_s=60))
"""


def ordered(level: SandboxLevel, root: Path, script: str, *kept: str) -> "subprocess.Popen[bytes]":
    """Start a process that runs a command."""
    argv = [sys.executable, "-c", ORDER, level.value, str(root), BWRAP, script, *kept]
    paths = {"PYTHONPATH": os.pathsep.join([str(SRC), *sys.path]), "PATH": os.environ["PATH"]}
    return subprocess.Popen(
        argv,
        env=paths | {"XDG_STATE_HOME": os.environ["XDG_STATE_HOME"]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_until_there(place: Path) -> None:
    until = time.monotonic() + 20
    while not place.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert place.exists()
    time.sleep(0.2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_command_plants_nothing_whatever_signal_ends_its_run(
    level: SandboxLevel, root: Path, number: signal.Signals
) -> None:
    (root / "work").mkdir()
    with ordered(level, root, PLANT, *KEPT) as process:
        wait_until_there(root / "work" / "begun")
        process.send_signal(number)
    time.sleep(0.3)
    planted = [name for name in KEPT if (root / name).is_symlink() or _has_content(root / name)]
    assert planted == []
    mend()
    assert [path.name for path in root.iterdir()] == ["work"]


def _has_content(path: Path) -> bool:
    if path.is_dir():
        return any(path.iterdir())
    return path.exists() and path.stat().st_size > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_link_that_a_killed_run_could_not_put_back_is_put_back_by_the_next(
    level: SandboxLevel, root: Path, number: signal.Signals
) -> None:
    (root / "rules").mkdir()
    (root / "rules" / "real.toml").write_text("deny")
    (root / "policy.toml").symlink_to("rules/real.toml")
    script = "rm -f policy.toml; echo allow > policy.toml; mkdir work; echo x > begun || :; sleep 60"
    (root / "work").mkdir()
    with ordered(level, root, f"echo x > work/begun; {script}", "policy.toml") as process:
        wait_until_there(root / "work" / "begun")
        process.send_signal(number)
    time.sleep(0.3)
    mend()
    assert (root / "policy.toml").is_symlink()
    assert (root / "policy.toml").read_text() == "deny"


async def test_a_path_that_can_not_be_put_back_does_not_stop_the_others(
    level: SandboxLevel, root: Path
) -> None:
    sandbox = made(level, Reach(root, hidden=("a", "b", "z")))
    ended = await shell(sandbox, "mkdir -p a/in/deep; chmod 000 a/in a; echo x > b; ln -s b z; echo end")
    assert "end" in ended.output
    assert list(root.iterdir()) == []


NOBODY = """
import os, sys
from pathlib import Path
from nebulus.adapters.sandboxes.protection import protecting
from nebulus.adapters.sandboxes.reach import Reach
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
root = Path(sys.argv[1], "work")
root.mkdir()
with protecting(Reach(root, hidden=("a", "b")), is_mounted=False) as protection:
    (root / "a" / "in").mkdir(parents=True); (root / "b").write_text("x")
    (root / "a" / "in").chmod(0); (root / "a").chmod(0)
print(sorted(path.name for path in root.iterdir()), protection.changed)
"""


def test_what_nobody_may_look_into_is_removed_by_a_user_without_privileges() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        ended = subprocess.run(
            [sys.executable, "-c", NOBODY, folder],
            env={"PYTHONPATH": os.pathsep.join([str(SRC), *sys.path]), "XDG_STATE_HOME": f"{folder}/state"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.stdout == "[] ['a', 'b']\n", ended.stderr


def test_a_placeholder_of_another_command_is_left_to_it(root: Path) -> None:
    reach = Reach(root, KEPT)
    with protecting(reach, is_mounted=True):
        with protecting(reach, is_mounted=True):
            assert (root / "nebulus.toml").read_bytes() == b""
        assert (root / "nebulus.toml").exists()
        mend()
        assert (root / "nebulus.toml").exists()
    assert list(root.iterdir()) == []


def test_no_placeholder_is_made_through_a_link_that_leads_outside(root: Path) -> None:
    (root.parent / "outside").mkdir()
    (root / "sub").symlink_to(root.parent / "outside")
    with protecting(Reach(root, ("sub/nebulus.toml",)), is_mounted=True):
        pass
    assert list((root.parent / "outside").iterdir()) == []


def test_a_file_that_somebody_replaces_while_a_command_runs_is_no_longer_trusted(root: Path) -> None:
    """A mount is lost where its file is replaced, as editors do; the command could have written the new one."""
    settings = root / "nebulus.toml"
    settings.write_text("")
    ledger = TrustLedger()
    ledger.remember_workspace(root, ())
    assert not ledger.could_be_planted(settings)
    with protecting(Reach(root, KEPT), is_mounted=True) as protection:
        (root / "draft").write_text("[budget]")
        (root / "draft").replace(settings)
    assert protection.changed == ["nebulus.toml"]
    assert ledger.could_be_planted(settings)
    ledger.remember_file(settings)
    assert not ledger.could_be_planted(settings)


def test_a_record_that_was_cut_short_stops_nobody(root: Path) -> None:
    with protecting(Reach(root, KEPT), is_mounted=True):
        pass
    (user_state_folder() / "commands" / "dead.json").write_text(json.dumps({"placeholders": []})[:-3])
    mend()
    assert list((user_state_folder() / "commands").glob("*.json")) == []


async def test_a_command_that_adds_too_much_is_stopped_and_says_so(level: SandboxLevel, root: Path) -> None:
    (root / "work").mkdir()
    limits = Limits(new_files=500, new_bytes=20 << 20, file_bytes=8 << 20)
    many = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); : > work/$i; done; echo end"
    ended = await shell(made(level, Reach(root), limits), many, timeout_s=60)
    assert "sandbox.new_files" in ended.output
    assert "end\n" not in ended.output
    assert len(list((root / "work").iterdir())) < 200_000
    large = "for i in 1 2 3 4 5 6 7 8 9; do head -c 8000000 /dev/zero > work/large$i; done; sleep 1; echo end"
    ended = await shell(made(level, Reach(root), limits), large, timeout_s=60)
    assert "sandbox.new_bytes" in ended.output


async def test_one_file_is_never_larger_than_its_limit(level: SandboxLevel, root: Path) -> None:
    (root / "work").mkdir()
    sandbox = made(level, Reach(root), Limits(file_bytes=1 << 20))
    await shell(sandbox, "head -c 3000000 /dev/zero > work/a; truncate -s 3M work/b; fallocate -l 3M work/c")
    assert all(path.stat().st_size <= 1 << 20 for path in (root / "work").iterdir())
