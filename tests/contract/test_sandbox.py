"""What every sandbox promises; and of the real one, that nothing gets out."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebulus.adapters.sandboxes.bubblewrap import Bubblewrap
from nebulus.adapters.sandboxes.limits import Limits
from nebulus.adapters.sandboxes.reach import Reach
from nebulus.adapters.sandboxes.uncontained import Uncontained
from nebulus.core.failure import Failure, FailureKind
from nebulus.core.tools import SandboxLevel
from nebulus.ports.guard import CommandResult, Sandbox
from nebulus.testing.sandbox import FakeSandbox
from tests.contract.sandbox_levels import LEVELS, Real, made, python, shell


@pytest.fixture(params=[*LEVELS, "fake"])
def sandbox(request: pytest.FixtureRequest, root: Path) -> Sandbox:
    if request.param != "fake":
        return made(request.param, Reach(root))
    answers = {"true": CommandResult(exit_code=0, output=""), "false": CommandResult(exit_code=1, output="")}
    return FakeSandbox(lambda argv, timeout_s: answers[argv[0]])


async def test_how_a_command_ended_comes_back(sandbox: Sandbox) -> None:
    assert sandbox.level is not SandboxLevel.NONE
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


async def test_a_command_works_in_the_workspace(real: Real, root: Path) -> None:
    (root / "in.txt").write_text("seen")
    ended = await shell(real, "cat in.txt; echo made > out.txt; echo wrong >&2; exit 3")
    assert ended == CommandResult(exit_code=3, output="seenwrong\n")
    assert (root / "out.txt").read_text() == "made\n"


@pytest.mark.parametrize(
    "script",
    [
        "true > a && chmod 751 a && test $(stat -c %a a) = 751 && chmod -R u+w .",
        "touch a && touch -d 2001-01-01 a && test $(stat -c %Y a) = 978307200 && touch -h a",
        "mkdir f && true > f/a && chown $(id -u):$(id -g) f/a && cp -a f g && mv g h && tar c h | tar x -C f",
        "ln -s a l && touch -h -d 2001-01-01 l && test $(stat -c %Y l) = 978307200",
        "cd $TMPDIR && true > a && chmod 600 a && install -m 700 a b && test $(stat -c %a b) = 700",
        "git init -q . && git config user.name n && git config user.email e && true > a && git add a && git commit -qm a",
    ],
)
async def test_modes_owners_and_times_of_its_own_files_are_the_commands_to_change(
    real: Real, script: str
) -> None:
    ended = await shell(real, script.replace("$TMPDIR", "$HOME"))
    assert (ended.exit_code, ended.output) == (0, "")


async def test_a_change_by_what_is_open_and_by_every_spelling_of_a_path_works(real: Real) -> None:
    ended = await python(
        real,
        "import os\n"
        "held = os.open('a', os.O_CREAT | os.O_RDWR)\n"
        "os.fchmod(held, 0o640); os.utime(held, (1, 2)); os.fchown(held, -1, -1)\n"
        "assert os.stat('a').st_mode & 0o777 == 0o640 and os.stat('a').st_mtime == 2\n"
        "folder = os.open('.', os.O_PATH)\n"
        "os.chmod('a', 0o600, dir_fd=folder); os.chmod(os.path.abspath('a'), 0o644); os.chmod('./a', 0o604)\n"
        "os.utime('a', dir_fd=folder); os.chown('a', -1, -1, dir_fd=folder, follow_symlinks=False)\n"
        "assert os.stat('a').st_mode & 0o777 == 0o604\n"
        "for wrong in ('', 'none', 'a' * 5000):\n"
        "    try: os.chmod(wrong, 0o600); print('did', wrong)\n"
        "    except OSError: pass\n",
    )
    assert (ended.exit_code, ended.output) == (0, "")


async def test_host_files_can_not_be_read(real: Real, root: Path) -> None:
    secret = root.parent / "secret"
    secret.write_text("hidden")
    (root / "link").symlink_to(secret)
    ended = await shell(
        real, f"cat {secret} ../secret link /etc/shadow /proc/1/root{secret}; ls {Path.home()}"
    )
    assert "hidden" not in ended.output
    assert ended.exit_code != 0


@pytest.mark.parametrize(
    "place", ["/", "/usr", "/usr/bin", "/etc", "/lib", "/dev", "/proc/sys/kernel", "/var"]
)
async def test_nothing_else_can_be_written(real: Real, place: str) -> None:
    ended = await shell(real, f"echo x > {place}/nebulus-test")
    assert ended.exit_code != 0
    assert not Path(place, "nebulus-test").exists()


@pytest.mark.parametrize("program", ["/bin/sh", "/usr/bin/env"])
async def test_what_can_be_run_can_not_be_changed(real: Real, program: str) -> None:
    assert (await shell(real, f": < {program}")).exit_code == 0
    assert (await shell(real, f": >> {program}")).exit_code != 0


async def test_private_folders_are_gone_with_the_command(real: Real) -> None:
    told = await shell(real, "echo x > $HOME/kept && cat $HOME/kept && echo $HOME")
    assert told.output.startswith("x\n")
    assert (await shell(real, f"cat {told.output.split()[-1]}/kept")).exit_code != 0


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


async def test_there_is_no_network(real: Real, listener: tuple[int, list[str]]) -> None:
    port, came = listener
    script = (
        "import socket, sys\n"
        "for family, kind in ((2, 1), (2, 2), (10, 1), (16, 3), (17, 3), (40, 1)):\n"
        "    try: socket.socket(family, kind); print('made', family, kind)\n"
        "    except OSError as error: print(error.errno)\n"
        f"socket.create_connection(('127.0.0.1', {port}), 2)\n"
    )
    ended = await python(real, script)
    assert "made" not in ended.output
    assert ended.exit_code != 0
    assert came == []


async def test_the_host_environment_is_not_visible(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEBULUS_SECRET", "token")
    ended = await shell(real, "env; cat /proc/*/environ")
    assert "token" not in ended.output
    names = {line.split("=")[0] for line in (await shell(real, "env")).output.split()}
    assert names - {"TMPDIR", "GIT_CONFIG_NOSYSTEM"} == {"HOME", "LANG", "PATH", "PWD"}


async def test_host_processes_are_not_visible(real: Real) -> None:
    assert (await shell(real, f"kill -0 {os.getpid()}")).exit_code != 0
    assert int((await shell(real, "set -- /proc/[0-9]*; echo $#")).output) <= 3
    assert (await shell(real, f"cat /proc/{os.getpid()}/cmdline")).exit_code != 0


async def test_no_descriptor_of_the_host_is_inherited(real: Real, tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as held:
        os.set_inheritable(held.fileno(), True)
        ended = await python(
            real,
            "import os\n"
            "for number in range(256):\n"
            "    try: os.fstat(number); print(number, os.readlink(f'/proc/self/fd/{number}'))\n"
            "    except OSError: pass\n",
        )
    assert [line.split()[0] for line in ended.output.splitlines()] == ["0", "1", "2"]
    assert str(tmp_path) not in ended.output


@pytest.mark.parametrize(
    "script",
    [
        "unshare -U true",
        "unshare -m true",
        "mount -t tmpfs none /tmp",
        "true > x && chmod 4755 x",
        "python3 -c 'import os; os.open(\"x\", os.O_CREAT, 0o4755)'",
        "mknod x c 1 3",
    ],
)
async def test_privileges_can_not_be_made(real: Real, script: str) -> None:
    assert (await shell(real, script)).exit_code != 0


async def test_what_is_over_its_time_is_killed_with_its_children(real: Real, root: Path) -> None:
    script = (
        "(sleep 2; echo late > late.txt) & (setsid sleep 2; echo later > later.txt) & echo begun; sleep 60"
    )
    ended = await shell(real, script, timeout_s=0.5)
    assert ended.is_timeout
    assert ended.output == "begun\n"
    assert (await shell(real, "sleep 2.5; ls")).output == ""


async def test_children_do_not_outlive_the_command(real: Real) -> None:
    await shell(real, "sleep 1 && echo late > late.txt &")
    assert (await shell(real, "sleep 1.5; ls")).output == ""


@pytest.mark.parametrize(
    "script",
    [
        "python3 -c 'bytearray(1 << 30)'",
        "head -c 2000000 /dev/zero > big",
        "python3 -c 'while True: pass'",
    ],
)
async def test_memory_file_size_and_processor_time_are_bounded(real: Real, script: str) -> None:
    ended = await shell(real, script)
    assert ended.exit_code != 0
    assert not ended.is_timeout


@pytest.mark.skipif(os.geteuid() == 0, reason="the kernel does not count the processes of root")
async def test_the_number_of_processes_is_bounded(level: SandboxLevel, root: Path) -> None:
    sandbox = made(level, Reach(root), Limits(processes=16))
    ended = await shell(sandbox, "for each in $(seq 50); do sleep 1 & done; echo all")
    assert ended.exit_code != 0
    assert "all" not in ended.output


async def test_the_output_is_bounded_and_keeps_both_ends(real: Real) -> None:
    ended = await shell(real, "echo first; yes | head -c 3000000; echo last")
    assert ended.is_cut
    assert len(ended.output) < 5000
    assert ended.output.startswith("first\n")
    assert ended.output.endswith("last\n")


async def test_a_command_that_does_not_exist_says_so(real: Real) -> None:
    ended = await real.run(("no-such-command",), timeout_s=10)
    assert isinstance(ended, CommandResult)
    assert ended.exit_code == 127
    assert "no-such-command" in ended.output


@pytest.mark.parametrize("argv", [(), ("a\0b",), ("echo", "\ud800")])
async def test_what_is_no_command_is_not_started(real: Real, argv: tuple[str, ...]) -> None:
    assert isinstance(await real.run(argv, timeout_s=1), Failure)


async def test_a_sandbox_that_is_missing_is_a_failure(root: Path) -> None:
    refused = await Bubblewrap(Reach(root), bwrap=str(root / "bwrap")).run(("true",), timeout_s=1)
    assert isinstance(refused, Failure)
