"""The ways out of a sandbox that a command would try: none leads out, at any level."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebulus.core.tools import SandboxLevel
from tests.contract.sandbox_levels import BWRAP, Real, python, shell

SRC = Path(__file__).parents[2] / "src"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the host's, beside the workspace."""
    (tmp_path / "secret").write_text("hidden")
    return tmp_path / "secret"


@pytest.fixture
def other(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of the host's, of the same user."""
    with subprocess.Popen(["/bin/sleep", "600"]) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(
    "script",
    [
        "ln -s {secret} link; cat link",
        "ln {secret} hard; cat hard",
        "mv {secret} moved; cat moved",
        "cp {secret} copied; cat copied",
        "cat ../secret",
        "cat /proc/self/root{secret} /proc/self/cwd/../secret /proc/1/root{secret}",
        "cd ..; cat secret; exec 3< {secret}; cat <&3",
        "tar c {secret} 2> /dev/null | cat; dd if={secret}",
    ],
)
async def test_a_file_outside_is_not_read(real: Real, secret: Path, script: str) -> None:
    ended = await shell(real, script.format(secret=secret))
    assert "hidden" not in ended.output
    assert secret.read_text() == "hidden"


@pytest.mark.parametrize(
    "script",
    [
        "echo x > {secret}",
        "ln -s {secret} link; echo x > link",
        "rm -f {secret}",
        "mv -f {secret} here",
        "echo x > new; mv -f new {secret}",
        "echo x > new; ln -f new {secret}",
        "truncate -s 0 {secret}",
        "chmod 777 {secret}; ln -s {secret} link; chmod 777 link",
        "touch -d 2001-01-01 {secret}",
        "setfattr -n user.x -v 1 {secret}",
        "chmod 777 ../secret; chown 0:0 ../secret; cd ..; touch secret; chmod 777 secret",
        "touch -r /bin/sh {secret}; mkdir d; ln -s {secret} d/l; chmod -R 777 d; chmod 777 d/l /proc/self/cwd/../secret",
    ],
)
async def test_a_file_outside_is_not_changed(real: Real, secret: Path, script: str) -> None:
    before = secret.stat()
    await shell(real, script.format(secret=secret))
    after = secret.stat()
    assert secret.read_text() == "hidden"
    assert (before.st_mode, before.st_mtime_ns, before.st_ino) == (
        after.st_mode,
        after.st_mtime_ns,
        after.st_ino,
    )
    assert os.listxattr(secret) == []


async def test_a_file_is_not_carried_out(real: Real, root: Path) -> None:
    (root / "folder").mkdir()
    await shell(real, "echo x > folder/new; mv folder/new ../out; mv folder ../out; ln folder/new ../out")
    assert not (root.parent / "out").exists()


async def test_what_runs_from_memory_is_contained_as_well(real: Real, secret: Path) -> None:
    ended = await python(
        real,
        "import os, sys\n"
        "held = os.memfd_create('cat')\n"
        "os.write(held, open('/bin/cat', 'rb').read())\n"
        "os.execve(held, ['cat', sys.argv[1]], {})\n",
        secret,
    )
    assert ended.exit_code != 0
    assert "hidden" not in ended.output


async def test_another_process_is_neither_seen_nor_touched(
    real: Real, other: "subprocess.Popen[bytes]"
) -> None:
    before = (os.getpriority(os.PRIO_PROCESS, other.pid), os.sched_getaffinity(other.pid))
    ended = await python(
        real,
        "import ctypes, os, resource, signal, sys\n"
        "pid, libc = int(sys.argv[1]), ctypes.CDLL(None)\n"
        "def tries(attempt):\n"
        "    try: print('did', attempt())\n"
        "    except OSError: pass\n"
        "tries(lambda: os.kill(pid, signal.SIGKILL))\n"
        "tries(lambda: os.killpg(os.getpgid(pid), signal.SIGKILL))\n"
        "tries(lambda: signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGKILL))\n"
        "tries(lambda: resource.prlimit(pid, resource.RLIMIT_CPU, (0, 0)))\n"
        "tries(lambda: os.setpriority(os.PRIO_PROCESS, pid, 19))\n"
        "try: os.setpriority(os.PRIO_USER, os.getuid(), 19)\n"
        "except OSError: pass\n"
        "tries(lambda: os.sched_setaffinity(pid, {0}))\n"
        "tries(lambda: open(f'/proc/{pid}/environ').read())\n"
        "tries(lambda: open(f'/proc/{pid}/mem', 'rb').read(1))\n"
        "tries(lambda: os.listdir(f'/proc/{pid}/root'))\n"
        "if libc.ptrace(16, pid, 0, 0) == 0: print('did attach')\n",
        other.pid,
    )
    assert "did" not in ended.output
    assert other.poll() is None
    assert (os.getpriority(os.PRIO_PROCESS, other.pid), os.sched_getaffinity(other.pid)) == before


async def test_a_signal_to_everybody_reaches_nobody_else(
    real: Real, other: "subprocess.Popen[bytes]"
) -> None:
    await shell(real, "kill -9 -1")
    assert other.poll() is None


@pytest.mark.parametrize("name", ["\0nebulus-test-{}", "{}/outside.sock"])
async def test_a_local_socket_of_the_host_is_out_of_reach(real: Real, root: Path, name: str) -> None:
    address = name.format(root.parent)
    came: list[bytes] = []
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as streams,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
    ):
        streams.bind(address)
        streams.listen()
        datagrams.bind(address + "d")
        datagrams.settimeout(0.1)
        await python(
            real,
            "import socket, sys\n"
            "address = sys.argv[1].replace('@', chr(0))\n"
            "def tries(attempt):\n"
            "    try: attempt()\n"
            "    except OSError: pass\n"
            "tries(lambda: socket.socket(socket.AF_UNIX).connect(address))\n"
            "tries(lambda: socket.socket(socket.AF_UNIX, 2).sendto(b'x', address + 'd'))\n"
            "tries(lambda: socket.socketpair(socket.AF_UNIX, 2)[0].sendto(b'x', address + 'd'))\n",
            address.replace("\0", "@"),
        )
        streams.setblocking(False)
        with pytest.raises(BlockingIOError):
            streams.accept()
        with pytest.raises(TimeoutError):
            came.append(datagrams.recv(10))
    assert came == []


async def test_no_datagram_leaves(real: Real) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        await python(
            real,
            "import socket, sys\n"
            "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', int(sys.argv[1])))\n",
            server.getsockname()[1],
        )
        with pytest.raises(TimeoutError):
            server.recv(10)


FORKS = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            if os.fork():
                os._exit(0)
            with open("alive", "a") as file:
                file.write("x")
            time.sleep(0.001)
    os._exit(0)
"""


async def test_a_command_that_is_cancelled_leaves_nobody(real: Real, root: Path) -> None:
    running = asyncio.create_task(python(real, FORKS + "time.sleep(60)"))
    until = time.monotonic() + 20
    while not (root / "alive").exists() and time.monotonic() < until:
        await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    beats = (root / "alive").stat().st_size
    await asyncio.sleep(0.3)
    assert (root / "alive").stat().st_size == beats


@pytest.mark.parametrize(("rest", "timeout_s"), [("time.sleep(0.3)", 20), ("time.sleep(60)", 0.4)])
async def test_nobody_outruns_the_end_by_forking_or_a_session_of_its_own(
    real: Real, root: Path, rest: str, timeout_s: float
) -> None:
    await python(real, FORKS + rest, timeout_s=timeout_s)
    beats = (root / "alive").stat().st_size
    assert beats
    await asyncio.sleep(0.3)
    assert (root / "alive").stat().st_size == beats


def test_a_command_ends_with_the_process_that_ordered_it(level: SandboxLevel, root: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from nebulus.adapters.sandboxes.bubblewrap import Bubblewrap\n"
        "from nebulus.adapters.sandboxes.landlock import Landlock\n"
        "from nebulus.adapters.sandboxes.reach import Reach\n"
        "reach = Reach(Path(sys.argv[2]))\n"
        "real = Landlock(reach) if sys.argv[1] == 'landlock' else Bubblewrap(reach, bwrap=sys.argv[3])\n"
        "asyncio.run(real.run(('/usr/bin/python3', '-c', sys.argv[4]), timeout_s=60))\n"
    )
    (root.parent / "tmp").mkdir()
    argv = [sys.executable, "-c", script, level.value, str(root), BWRAP, FORKS + "time.sleep(60)"]
    paths = {"PYTHONPATH": os.pathsep.join([str(SRC), *sys.path]), "TMPDIR": str(root.parent / "tmp")}
    with subprocess.Popen(argv, env=paths) as ordering:
        until = time.monotonic() + 20
        while not (root / "alive").exists() and time.monotonic() < until:
            time.sleep(0.05)
        ordering.send_signal(signal.SIGKILL)
    time.sleep(0.5)
    beats = (root / "alive").stat().st_size
    assert beats
    time.sleep(0.3)
    assert (root / "alive").stat().st_size == beats
    assert list((root.parent / "tmp").iterdir()) == []


async def test_no_race_of_names_leads_a_change_outside(real: Real, root: Path, secret: Path) -> None:
    """A name that is one file when it is looked at, and another when it is changed, changes neither outside."""
    before = secret.stat()
    await python(
        real,
        "import os, sys, threading, time\n"
        "secret = sys.argv[1]\n"
        "open('own', 'w').close()\n"
        "end = time.monotonic() + 1\n"
        "def swap():\n"
        "    while time.monotonic() < end:\n"
        "        for target in ('own', secret):\n"
        "            try: os.symlink(target, 'next'); os.rename('next', 'name')\n"
        "            except OSError: pass\n"
        "threading.Thread(target=swap).start()\n"
        "while time.monotonic() < end:\n"
        "    try: os.chmod('name', 0o777); os.utime('name', (1, 1))\n"
        "    except OSError: pass\n",
        secret,
    )
    after = secret.stat()
    assert (before.st_mode, before.st_mtime_ns) == (after.st_mode, after.st_mtime_ns)
    assert (root / "own").stat().st_mode & 0o777 == 0o777
