"""A level is offered only where a command was seen to fail at all that it must not be able to do."""

import asyncio
import os
import tempfile
from pathlib import Path

import pytest

from nebulus.adapters.sandboxes import launcher
from nebulus.adapters.sandboxes import probe as probing
from nebulus.adapters.sandboxes.bubblewrap import Bubblewrap
from nebulus.adapters.sandboxes.landlock import Landlock
from nebulus.adapters.sandboxes.probe import breach_of, escape_from, find_sandbox, too_old
from nebulus.adapters.sandboxes.reach import Reach
from nebulus.adapters.sandboxes.uncontained import Uncontained
from nebulus.app.settings import Settings
from nebulus.cli.doctor import Health, containment
from tests.contract.sandbox_levels import BWRAP, needs_bubblewrap, needs_landlock


@needs_bubblewrap
async def test_the_probe_offers_what_holds(root: Path) -> None:
    assert isinstance(await find_sandbox(Reach(root)), Bubblewrap)


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
    reason = await breach_of(Bubblewrap(Reach(root), bwrap=str(leaky)))
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
    reason = await breach_of(Bubblewrap(Reach(root), bwrap=str(bare)))
    assert "shares the host's namespace" in reason
    assert not list(root.iterdir())


async def test_without_bubblewrap_the_cure_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    none = await find_sandbox(Reach(root), wanted="namespaces")
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
    none = await find_sandbox(Reach(root), wanted="namespaces")
    assert isinstance(none, Uncontained)
    assert "No permissions" in none.reason
    assert "unprivileged user namespaces" in none.cure


@needs_landlock
async def test_landlock_is_offered_where_namespaces_do_not_hold(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(await find_sandbox(Reach(root), wanted="landlock"), Landlock)
    monkeypatch.setenv("PATH", str(root))
    assert isinstance(await find_sandbox(Reach(root)), Landlock)


@needs_landlock
@pytest.mark.parametrize(
    ("cut", "put", "complaint"),
    [
        (
            'bytes.fromhex(orders["filter"])',
            'struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000)',
            "makes a socket|changes the",
        ),
        (
            "_CHANNEL, _LAST_DESCRIPTOR, 0))",
            "_CHANNEL, _LAST_DESCRIPTOR, 0))\n        os.dup2(2, 77)",
            "was given the descriptor",
        ),
        (
            "        for path, rights",
            "        _grant(ruleset, '/', 12, is_followed=True)\n        for path, rights",
            "reads",
        ),
        ("        _restrict(ruleset)\n", "        os.close(ruleset)\n", "reads"),
        (
            'orders["argv"], orders["environment"])',
            'orders["argv"], {**orders["environment"], "LEAKED": "token"})',
            "variable LEAKED",
        ),
        pytest.param(
            "    _drop_capabilities()\n",
            "    pass\n",
            "has capabilities",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root has any"),
        ),
    ],
)
async def test_the_probe_sees_each_hole_of_landlock(
    root: Path, monkeypatch: pytest.MonkeyPatch, cut: str, put: str, complaint: str
) -> None:
    whole = Path(launcher.__file__).read_text()
    assert whole.count(cut) == 1
    leaky = root.parent / "launcher.py"
    leaky.write_text(whole.replace(cut, put))
    monkeypatch.setattr(launcher, "__file__", str(leaky))
    reason = await escape_from(Reach(root))
    assert any(words in reason for words in complaint.split("|")), reason


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (0, "not in use"),
        (1, "moves between folders"),
        (3, "over TCP"),
        (5, "signals to processes of the host"),
    ],
)
async def test_a_landlock_too_old_is_refused_with_what_it_lacks_and_the_cure(
    root: Path, monkeypatch: pytest.MonkeyPatch, version: int, said: str
) -> None:
    monkeypatch.setattr(probing, "abi", lambda: version)
    none = await find_sandbox(Reach(root), wanted="landlock")
    assert isinstance(none, Uncontained)
    assert said in none.reason
    assert "lsm=" in none.cure if version == 0 else "Linux 6.12" in none.cure
    assert not too_old(6)


@needs_bubblewrap
async def test_the_doctor_says_which_level_holds(root: Path) -> None:
    [sign] = await containment(Settings(), root)
    assert (sign.found, sign.health) == ("namespaces: tried, and it holds", Health.GOOD)
    [off] = await containment(Settings(commands="off"), root)
    assert off.health is Health.GOOD


@needs_landlock
async def test_the_doctor_says_what_keeps_a_machine_from_the_better_level(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(root))
    held, better = await containment(Settings(), root)
    assert held.found == "landlock: tried, and it holds"
    assert "bwrap is not installed" in better.found
    assert (better.health, better.fix) == (Health.ODD, "install it: apt install bubblewrap")
    [wanted] = await containment(Settings(commands="landlock"), root)
    assert wanted.found == "landlock: tried, and it holds"


async def test_the_doctor_says_that_nothing_holds_and_the_cure(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(root))
    monkeypatch.setattr(probing, "abi", lambda: 4)
    [sign] = await containment(Settings(), root)
    assert "run_command is refused: bwrap is not installed; Landlock has version 4 here" in sign.found
    assert sign.fix == "install it: apt install bubblewrap"


async def test_the_doctor_names_a_policy_that_can_not_be_read(root: Path) -> None:
    [sign] = await containment(Settings(policy="none.toml"), root)
    assert (sign.what, sign.health) == ("policy", Health.BAD)


@needs_landlock
async def test_what_no_command_could_have_made_is_not_taken_away(root: Path) -> None:
    """A person who writes the settings while a command runs keeps them: beside .nebulus no command makes a file."""
    (root / ".nebulus").mkdir()
    running = asyncio.create_task(
        Landlock(Reach(root, (".nebulus", "nebulus.toml"))).run(("/bin/sleep", "0.5"), timeout_s=20)
    )
    await asyncio.sleep(0.2)
    (root / "nebulus.toml").write_text("settings")
    await running
    assert (root / "nebulus.toml").read_text() == "settings"


async def test_a_bwrap_that_a_command_could_have_written_is_never_run(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "bin").mkdir()
    (root / "bin" / "bwrap").write_text(f"#!/bin/sh\necho ran > {root.parent}/ran\n")
    (root / "bin" / "bwrap").chmod(0o755)
    (root.parent / "link").symlink_to(root / "bin")
    monkeypatch.setenv(
        "PATH", os.pathsep.join((str(root / "bin"), str(root.parent / "link"), os.environ["PATH"]))
    )
    await find_sandbox(Reach(root), wanted="namespaces")
    assert not (root.parent / "ran").exists()
