"""Leases as locked bytes of a file: exclusive, visible to others, and free as soon as their process is dead."""

import stat
from pathlib import Path

import pytest

from nebulus.adapters.engines.leases import FileLeases, new_owner, whereabouts
from nebulus.core.errors import StoreError

SOURCE = str(Path(__file__).parents[4] / "src")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "leases"


def test_no_two_owners_have_one_name_and_each_says_where_it_is() -> None:
    assert len({new_owner() for _ in range(100)}) == 100
    assert whereabouts("box:42:abc") == "process 42 on box"


def test_a_run_is_held_by_one_and_seen_by_others_until_it_is_released(path: Path) -> None:
    ours, theirs = FileLeases(path), FileLeases(path)
    assert ours.take("a")
    assert theirs.take("b")
    assert not theirs.take("a")
    assert ours.held(["a", "b", "c"]) == theirs.held(["a", "b", "c"]) == {"a", "b"}
    ours.release("a")
    ours.release("a")
    assert theirs.held(["a", "b"]) == {"b"}
    assert theirs.take("a")
    theirs.close()
    assert ours.held(["a", "b"]) == set()
    ours.close()


def test_who_was_refused_releases_nothing(path: Path) -> None:
    ours, theirs = FileLeases(path), FileLeases(path)
    ours.take("a")
    theirs.take("a")
    theirs.release("a")
    assert theirs.held(["a"]) == {"a"}
    assert not theirs.take("a")
    ours.close()
    theirs.close()


def test_nobody_else_may_read_the_locks(path: Path) -> None:
    leases = FileLeases(path)
    leases.take("a")
    leases.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_place_without_locks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    leases = FileLeases(tmp_path / "file" / "leases")
    with pytest.raises(StoreError, match="nothing can be locked in"):
        leases.take("a")
    with pytest.raises(StoreError, match="nothing can be locked in"):
        leases.held(["a"])
