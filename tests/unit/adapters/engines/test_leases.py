"""Leases as locked files: exclusive, visible to others, and free as soon as their process is dead."""

import fcntl
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nebulus.adapters.engines.leases import FileLeases, new_owner, whereabouts
from nebulus.core.errors import StoreError

SOURCE = str(Path(__file__).parents[4] / "src")


def test_no_two_owners_have_one_name_and_each_says_where_it_is() -> None:
    assert len({new_owner() for _ in range(100)}) == 100
    assert whereabouts("box:42:abc") == "process 42 on box"


def test_a_run_is_held_by_one_and_seen_by_others_until_it_is_released(tmp_path: Path) -> None:
    ours, theirs = FileLeases(tmp_path / "leases"), FileLeases(tmp_path / "leases")
    assert ours.take("a")
    assert theirs.take("b")
    assert not theirs.take("a")
    assert ours.held(["a", "b", "c"]) == theirs.held(["a", "b", "c"]) == {"a", "b"}
    ours.release("a")
    ours.release("a")
    assert theirs.held(["a", "b"]) == {"b"}
    assert theirs.take("a")
    theirs.close()
    assert list((tmp_path / "leases").iterdir()) == []


def test_who_was_refused_releases_nothing(tmp_path: Path) -> None:
    ours, theirs = FileLeases(tmp_path), FileLeases(tmp_path)
    ours.take("a")
    theirs.take("a")
    theirs.release("a")
    assert theirs.held(["a"]) == {"a"}


def test_the_run_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from nebulus.adapters.engines.leases import FileLeases\n"
        "FileLeases(Path(sys.argv[1])).take('a'); print('taken', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, env={"PYTHONPATH": SOURCE}
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"taken\n"
        leases = FileLeases(tmp_path)
        assert not leases.take("a")
        process.kill()
        process.wait()
        assert leases.held(["a"]) == set()
        assert leases.take("a")


def test_who_only_looks_does_not_keep_a_run_from_being_taken(tmp_path: Path) -> None:
    leases = FileLeases(tmp_path)
    path = tmp_path / "looked-at"
    path.touch()
    with path.open("r+") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)  # as another process does that looks at this moment
        path.rename(lock_of(tmp_path, "a"))
        assert leases.held(["a"]) == set()
        threading.Timer(0.03, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        assert leases.take("a")


def lock_of(folder: Path, run_id: str) -> Path:
    """The file that a process of another folder would lock for the run."""
    elsewhere = FileLeases(folder / "elsewhere")
    elsewhere.take(run_id)
    (path,) = (folder / "elsewhere").iterdir()
    return folder / path.name


def test_a_file_that_was_removed_meanwhile_is_not_taken_for_the_lock(tmp_path: Path) -> None:
    ours, theirs = FileLeases(tmp_path), FileLeases(tmp_path)
    ours.take("a")
    (path,) = tmp_path.iterdir()
    path.unlink()
    assert theirs.take("a")
    ours.release("a")
    assert ours.held(["a"]) == {"a"}, "what another process holds by now is not removed"


def test_nobody_else_may_read_the_locks(tmp_path: Path) -> None:
    leases = FileLeases(tmp_path / "leases")
    leases.take("a")
    assert stat.S_IMODE((tmp_path / "leases").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "leases").iterdir()} == {0o600}


def test_a_folder_without_locks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="no lock can be held in"):
        FileLeases(tmp_path / "file").take("a")
    with pytest.raises(StoreError, match="nobody knows who holds a run"):
        FileLeases(tmp_path / "file").held(["a"])
