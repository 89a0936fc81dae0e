"""What every sandbox promises; and of the real one, that nothing gets out."""

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebulus.adapters.sandboxes.bubblewrap import Bubblewrap
from nebulus.adapters.sandboxes.limits import Limits
from nebulus.adapters.sandboxes.probe import breach_of, find_sandbox
from nebulus.adapters.sandboxes.uncontained import Uncontained
from nebulus.core.failure import Failure, FailureKind
from nebulus.core.tools import SandboxLevel
from nebulus.ports.guard import CommandResult, Sandbox
from nebulus.testing.sandbox import FakeSandbox

BWRAP = shutil.which("bwrap") or ""
needs_bubblewrap = pytest.mark.skipif(not BWRAP, reason="bubblewrap is not installed")
LIMITS = Limits(memory_bytes=512 << 20, cpu_s=2, file_bytes=1 << 20, output_bytes=4096)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "workspace").mkdir()
    return tmp_path / "workspace"


@pytest.fixture
def real(root: Path) -> Bubblewrap:
    return Bubblewrap(root, bwrap=BWRAP, limits=LIMITS)


@pytest.fixture(params=[pytest.param("real", marks=needs_bubblewrap), "fake"])
def sandbox(request: pytest.FixtureRequest, root: Path) -> Sandbox:
    if request.param == "real":
        return Bubblewrap(root, bwrap=BWRAP)
    answers = {"true": CommandResult(exit_code=0, output=""), "false": CommandResult(exit_code=1, output="")}
    return FakeSandbox(lambda argv, timeout_s: answers[argv[0]])


async def test_how_a_command_ended_comes_back(sandbox: Sandbox) -> None:
    assert sandbox.level is SandboxLevel.NAMESPACES
    assert await sandbox.run(("true",), timeout_s=10) == CommandResult(exit_code=0, output="")
    assert await sandbox.run(("false",), timeout_s=10) == CommandResult(exit_code=1, output="")


@pytest.mark.parametrize(
    "none", [Uncontained(reason="no bwrap", cure="install it"), FakeSandbox(level=SandboxLevel.NONE)]
)
async def test_without_containment_every_command_is_refused_with_a_cure(none: Sandbox) -> None:
    refused = await none.run(("true",), timeout_s=10)
    assert isinstance(refused, Failure)
    assert refused.kind is FailureKind.PERMISSION
    assert refused.fix


async def shell(sandbox: Sandbox, script: str, *, timeout_s: float = 20) -> CommandResult:
    ended = await sandbox.run(("/bin/sh", "-c", script), timeout_s=timeout_s)
    assert isinstance(ended, CommandResult)
    return ended


@needs_bubblewrap
async def test_a_command_works_in_the_workspace(real: Bubblewrap, root: Path) -> None:
    (root / "in.txt").write_text("seen")
    ended = await shell(real, "cat in.txt; echo made > out.txt; echo wrong >&2; exit 3")
    assert ended == CommandResult(exit_code=3, output="seenwrong\n")
    assert (root / "out.txt").read_text() == "made\n"


@needs_bubblewrap
async def test_host_files_can_not_be_read(real: Bubblewrap, root: Path) -> None:
    secret = root.parent / "secret"
    secret.write_text("hidden")
    (root / "link").symlink_to(secret)
    ended = await shell(
        real, f"cat {secret} ../secret link /etc/shadow /proc/1/root/{secret}; ls {Path.home()}"
    )
    assert "hidden" not in ended.output
    assert ended.exit_code != 0


@needs_bubblewrap
@pytest.mark.parametrize(
    "place", ["/", "/usr", "/usr/bin", "/etc", "/lib", "/dev", "/proc/sys/kernel", "/var"]
)
async def test_nothing_else_can_be_written(real: Bubblewrap, place: str) -> None:
    ended = await shell(real, f"echo x > {place}/nebulus-test")
    assert ended.exit_code != 0
    assert not Path(place, "nebulus-test").exists()


@needs_bubblewrap
async def test_private_folders_are_gone_with_the_command(real: Bubblewrap) -> None:
    assert (await shell(real, "echo x > /tmp/kept && cat /tmp/kept")).output == "x\n"
    assert (await shell(real, "cat /tmp/kept")).exit_code != 0


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A port of the host that counts who comes."""
    came: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        done = threading.Event()

        def listen() -> None:
            while not done.is_set():
                try:
                    server.accept()[0].close()
                    came.append("tcp")
                except TimeoutError:
                    continue  # Nobody came within the wait; look again whether the test is over.

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], came
        done.set()
        thread.join()


@needs_bubblewrap
async def test_there_is_no_network(real: Bubblewrap, listener: tuple[int, list[str]]) -> None:
    port, came = listener
    script = (
        "import socket, sys\n"
        "for family, kind in ((2, 1), (2, 2), (10, 1), (16, 3), (17, 3), (40, 1)):\n"
        "    try: socket.socket(family, kind); print('made', family, kind)\n"
        "    except OSError as error: print(error.errno)\n"
        f"socket.create_connection(('127.0.0.1', {port}), 2)\n"
    )
    ended = await real.run(("/usr/bin/python3", "-c", script), timeout_s=20)
    assert isinstance(ended, CommandResult)
    assert "made" not in ended.output
    assert ended.exit_code != 0
    assert came == []


@needs_bubblewrap
async def test_the_host_environment_is_not_visible(real: Bubblewrap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEBULUS_SECRET", "token")
    ended = await shell(real, "env; cat /proc/*/environ")
    assert "token" not in ended.output
    assert {line.split("=")[0] for line in (await shell(real, "env")).output.split()} == {
        "HOME",
        "LANG",
        "PATH",
        "PWD",
    }


@needs_bubblewrap
async def test_host_processes_are_not_visible(real: Bubblewrap) -> None:
    assert (await shell(real, f"kill -0 {os.getpid()}")).exit_code != 0
    assert len((await shell(real, "ls -d /proc/[0-9]*")).output.split()) <= 3


@needs_bubblewrap
async def test_no_descriptor_of_the_host_is_inherited(real: Bubblewrap, tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as held:
        os.set_inheritable(held.fileno(), True)
        ended = await shell(real, "for fd in /proc/self/fd/*; do readlink $fd; done")
    assert str(tmp_path) not in ended.output
    assert "memfd" not in ended.output


@needs_bubblewrap
@pytest.mark.parametrize(
    "script",
    [
        "unshare -U true",
        "unshare -m true",
        "mount -t tmpfs none /tmp",
        "touch x && chmod 4755 x",
        "mknod x c 1 3",
    ],
)
async def test_privileges_can_not_be_made(real: Bubblewrap, script: str) -> None:
    assert (await shell(real, script)).exit_code != 0


@needs_bubblewrap
async def test_what_is_over_its_time_is_killed_with_its_children(real: Bubblewrap, root: Path) -> None:
    script = (
        "(sleep 2; echo late > late.txt) & (setsid sleep 2; echo later > later.txt) & echo begun; sleep 60"
    )
    ended = await shell(real, script, timeout_s=0.5)
    assert ended.is_timeout
    assert ended.output == "begun\n"
    assert (await shell(real, "sleep 2.5; ls")).output == ""


@needs_bubblewrap
async def test_children_do_not_outlive_the_command(real: Bubblewrap) -> None:
    await shell(real, "sleep 1 && echo late > late.txt &")
    assert (await shell(real, "sleep 1.5; ls")).output == ""


@needs_bubblewrap
@pytest.mark.parametrize(
    "script",
    [
        "python3 -c 'bytearray(1 << 30)'",
        "head -c 2000000 /dev/zero > big",
        "python3 -c 'while True: pass'",
    ],
)
async def test_memory_file_size_and_processor_time_are_bounded(real: Bubblewrap, script: str) -> None:
    ended = await shell(real, script)
    assert ended.exit_code != 0
    assert not ended.is_timeout


@needs_bubblewrap
@pytest.mark.skipif(os.geteuid() == 0, reason="the kernel does not count the processes of root")
async def test_the_number_of_processes_is_bounded(root: Path) -> None:
    sandbox = Bubblewrap(root, bwrap=BWRAP, limits=Limits(processes=16))
    ended = await shell(sandbox, "for each in $(seq 50); do sleep 1 & done; echo all")
    assert ended.exit_code != 0
    assert "all" not in ended.output


@needs_bubblewrap
async def test_the_output_is_bounded_and_keeps_both_ends(real: Bubblewrap) -> None:
    ended = await shell(real, "echo first; yes | head -c 3000000; echo last")
    assert ended.is_cut
    assert len(ended.output) < 5000
    assert ended.output.startswith("first\n")
    assert ended.output.endswith("last\n")


@needs_bubblewrap
async def test_a_command_that_does_not_exist_says_so(real: Bubblewrap) -> None:
    ended = await real.run(("no-such-command",), timeout_s=10)
    assert isinstance(ended, CommandResult)
    assert ended.exit_code == 127
    assert "no-such-command" in ended.output


@pytest.mark.parametrize("argv", [(), ("a\0b",)])
async def test_what_is_no_command_is_not_started(root: Path, argv: tuple[str, ...]) -> None:
    assert isinstance(await Bubblewrap(root, bwrap="bwrap").run(argv, timeout_s=1), Failure)


async def test_a_sandbox_that_is_missing_is_a_failure(root: Path) -> None:
    refused = await Bubblewrap(root, bwrap=str(root / "bwrap")).run(("true",), timeout_s=1)
    assert isinstance(refused, Failure)


@needs_bubblewrap
async def test_the_probe_offers_what_holds(root: Path) -> None:
    assert isinstance(await find_sandbox(root), Bubblewrap)


@needs_bubblewrap
@pytest.mark.parametrize(
    ("left_out", "complaint"),
    [
        (r"s/--unshare-all/--unshare-pid --unshare-ipc --unshare-uts/", "network interface|namespace net"),
        (r"s/--unshare-all/--unshare-net --unshare-ipc --unshare-uts/", "namespace pid"),
        (r"s/--clearenv//; s/^/--setenv LEAKED token /", "variable LEAKED"),
        (r"s/--seccomp [0-9]*//", "no filter of system calls"),
        (r"s/--remount-ro \/ / /", "writes /"),
        (r"s/^/--ro-bind \/ \/host /", "finds /host"),
        (r"s/--chdir/--ro-bind \/tmp \/tmp --chdir/", "reads /tmp/"),
        (r"s/--cap-drop ALL/--cap-add ALL/; s/--remount-ro \/ / /", "writes /|capabilities"),
        (r"s/--bind /--ro-bind /", "can't write /workspace"),
    ],
)
async def test_the_probe_sees_each_hole(
    root: Path, left_out: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaky = root.parent / "bwrap"
    leaky.write_text(
        f'#!/bin/bash\nexport PATH=/usr/bin:/bin\nhead=(); while [ "$1" != -- ]; do head+=("$1"); shift; done\n'
        f'exec {BWRAP} $(echo "${{head[*]}} " | sed \'{left_out}\') "$@"\n'
    )
    leaky.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    reason = await breach_of(Bubblewrap(root, bwrap=str(leaky)))
    assert any(words in reason for words in complaint.split("|")), reason


@needs_bubblewrap
async def test_the_probe_sees_that_nothing_contains_and_leaves_no_trace(root: Path) -> None:
    """A stand-in that contains nothing, itself held in a view of the host that can't be written."""
    bare = root.parent / "bwrap"
    bare.write_text(
        '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift\n'
        f'export PATH=/usr/bin:/bin\nexec {BWRAP} --ro-bind / / --dev /dev --bind {root} {root} -- "$@"\n'
    )
    bare.chmod(0o755)
    reason = await breach_of(Bubblewrap(root, bwrap=str(bare)))
    assert "shares the host's namespace" in reason
    assert not list(root.iterdir())


async def test_without_bubblewrap_the_cure_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    none = await find_sandbox(root)
    assert isinstance(none, Uncontained)
    assert "bubblewrap" in none.cure


async def test_where_namespaces_are_forbidden_the_cure_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbidden = root.parent / "bin" / "bwrap"
    forbidden.parent.mkdir()
    forbidden.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    forbidden.chmod(0o755)
    monkeypatch.setenv("PATH", str(forbidden.parent))
    none = await find_sandbox(root)
    assert isinstance(none, Uncontained)
    assert "No permissions" in none.reason
    assert "unprivileged user namespaces" in none.cure


@needs_bubblewrap
async def test_a_command_neither_reads_nor_changes_what_governs_its_run(root: Path) -> None:
    (root / ".nebulus").mkdir()
    (root / ".nebulus" / "runs.sqlite").write_text("past")
    (root / "nebulus.toml").write_text("settings")
    sandbox = Bubblewrap(root, bwrap=BWRAP, kept=(".nebulus", "nebulus.toml", "policy.toml"))
    script = "ls -A .nebulus; echo x > nebulus.toml; rm nebulus.toml; echo allow > policy.toml; echo end"
    ended = await sandbox.run(("/bin/sh", "-c", script), timeout_s=20)
    assert not isinstance(ended, Failure)
    assert "runs.sqlite" not in ended.output
    assert "[policy.toml belongs to the runtime" in ended.output
    assert (root / "nebulus.toml").read_text() == "settings"
    assert (root / ".nebulus" / "runs.sqlite").read_text() == "past"
    assert not (root / "policy.toml").exists()
