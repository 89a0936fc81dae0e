"""Marks of living processes, as locked files."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from nebulus.adapters.engines.alive import FileMark, new_owner, whereabouts
from nebulus.core.errors import ConfigError, StoreError


def test_no_two_owners_have_one_name_and_each_says_where_it_is() -> None:
    assert len({new_owner() for _ in range(100)}) == 100
    assert whereabouts("box:42:abc") == "process 42 on box"


def test_a_mark_is_seen_by_others_until_it_is_released(tmp_path: Path) -> None:
    ours, theirs = FileMark(tmp_path / "alive"), FileMark(tmp_path / "alive")
    ours.take("a:1:x")
    theirs.take("b:2:y")
    assert ours.living(["a:1:x", "b:2:y", "c:3:z"]) == {"a:1:x", "b:2:y"}
    assert theirs.living(["a:1:x"]) == {"a:1:x"}
    ours.release()
    ours.release()
    assert theirs.living(["a:1:x", "b:2:y"]) == {"b:2:y"}
    theirs.release()
    assert list((tmp_path / "alive").iterdir()) == []


def test_a_killed_process_is_dead_at_once_and_its_file_is_cleared_away(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from nebulus.adapters.engines.alive import FileMark\n"
        "FileMark(Path(sys.argv[1])).take('a:1:x'); print('taken', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, env={"PYTHONPATH": _source()}
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"taken\n"
        mark = FileMark(tmp_path)
        assert mark.living(["a:1:x"]) == {"a:1:x"}
        process.kill()
        process.wait()
        assert mark.living(["a:1:x"]) == set()
    assert list(tmp_path.iterdir()) == []


def test_who_looks_is_not_taken_for_the_owner(tmp_path: Path) -> None:
    owner = FileMark(tmp_path)
    owner.take("a:1:x")
    (path,) = tmp_path.iterdir()
    owner.release()
    with path.open("w") as left_behind:
        fcntl.flock(left_behind, fcntl.LOCK_SH)  # as another process does that looks at this moment
        assert FileMark(tmp_path).living(["a:1:x"]) == set()


def test_a_folder_without_locks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="no lock can be held in"):
        FileMark(tmp_path / "file").take("a:1:x")
    with pytest.raises(StoreError, match="nobody knows who holds a run"):
        FileMark(tmp_path / "file").living(["a:1:x"])


def _source() -> str:
    return str(Path(__file__).parents[4] / "src")
