"""Files are reached without following a link, replaced whole, and never overwritten by a move."""

import errno
import itertools
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.adapters.workspaces.tree import Tree
from nebulus.core.errors import ConfigError, ToolError
from nebulus.core.failure import FailureKind


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.txt").write_text("secret")
    return tmp_path / "root"


@pytest.fixture
def tree(root: Path) -> Tree:
    return Tree(root)


def contents(tree: Tree, path: str) -> bytes:
    with tree.reading(path) as file:
        return file.read()


EFFECTS: dict[str, Callable[[Tree], object]] = {
    "read": lambda tree: contents(tree, "folder/a.txt"),
    "write": lambda tree: tree.write("folder/a.txt", b"new"),
    "move from": lambda tree: tree.move("folder/a.txt", "taken"),
    "move to": lambda tree: tree.move("mine", "folder/new"),
    "remove": lambda tree: tree.remove("folder/a.txt"),
    "list": lambda tree: tree.entries("folder"),
    "make": lambda tree: tree.write("folder/new/deep/a.txt", b"new"),
    "look": lambda tree: tree.kind("folder/a.txt"),
}


@pytest.mark.parametrize("effect", EFFECTS)
def test_a_link_swapped_in_after_the_path_was_judged_is_not_followed(
    root: Path, tree: Tree, effect: str
) -> None:
    (root / "folder").mkdir()
    (root / "folder" / "a.txt").write_text("mine")
    (root / "mine").write_text("mine")
    assert FolderWorkspace(root).canonical("folder/a.txt") == "folder/a.txt"
    (root / "folder").rename(root / "was")
    (root / "folder").symlink_to(root.parent / "outside")
    with pytest.raises(ToolError) as caught:
        EFFECTS[effect](tree)
    assert caught.value.failure.kind is FailureKind.PERMISSION
    assert [child.name for child in (root.parent / "outside").iterdir()] == ["a.txt"]
    assert (root.parent / "outside" / "a.txt").read_text() == "secret"


def test_a_last_part_that_became_a_link_is_not_followed(root: Path, tree: Tree) -> None:
    (root / "a.txt").symlink_to(root.parent / "outside" / "a.txt")
    for effect in (
        lambda: contents(tree, "a.txt"),
        lambda: tree.write("a.txt", b"new"),
        lambda: tree.move("a.txt", "b.txt"),
    ):
        with pytest.raises(ToolError, match="link"):
            effect()
    assert tree.kind("a.txt") == "other"
    tree.remove("a.txt")
    assert (root.parent / "outside" / "a.txt").read_text() == "secret"


def test_nothing_gets_out_while_a_link_is_swapped_in_and_out(root: Path, tree: Tree) -> None:
    (root / "folder").mkdir()
    (root / "link").symlink_to(root.parent / "outside")
    done = threading.Event()

    def swap() -> None:
        for turn in itertools.count():
            if done.is_set():
                return
            for first, second in (("folder", f"kept{turn}"), ("link", "folder"), ("folder", "link")):
                with suppress(OSError):  # The writer makes the folder anew, so any of these may not be there.
                    (root / first).rename(root / second)

    swapping = threading.Thread(target=swap)
    swapping.start()
    written = 0
    try:
        for _ in range(1000):
            with suppress(ToolError):  # A link stood there just then, which is what is tested.
                tree.write("folder/a.txt", b"new")
                written += 1
            with suppress(ToolError):  # As above.
                assert contents(tree, "folder/a.txt") == b"new"
    finally:
        done.set()
        swapping.join()
    assert written
    assert [child.name for child in (root.parent / "outside").iterdir()] == ["a.txt"]
    assert (root.parent / "outside" / "a.txt").read_text() == "secret"


@pytest.mark.parametrize("path", ["/etc/passwd", "..", "a/../b", "a\0b"])
def test_a_path_that_is_not_canonical_is_refused(tree: Tree, path: str) -> None:
    for effect in (lambda: tree.kind(path), lambda: contents(tree, path), lambda: tree.write(path, b"")):
        with pytest.raises(ToolError, match="not relative"):
            effect()


def test_writing_keeps_permissions_and_leaves_no_draft(root: Path, tree: Tree) -> None:
    tree.write("run.sh", b"one")
    (root / "run.sh").chmod(0o750)
    tree.write("run.sh", b"two")
    assert (root / "run.sh").read_bytes() == b"two"
    assert (root / "run.sh").stat().st_mode & 0o7777 == 0o750
    assert os.listdir(root) == ["run.sh"]  # noqa: PTH208


def test_a_file_with_two_names_is_replaced_under_one(root: Path, tree: Tree) -> None:
    os.link(root.parent / "outside" / "a.txt", root / "a.txt")
    tree.write("a.txt", b"new")
    assert (root.parent / "outside" / "a.txt").read_text() == "secret"


def test_what_can_not_be_written_leaves_what_was_there(root: Path, tree: Tree) -> None:
    (root / "a.txt").write_text("old")
    with pytest.raises(TypeError):
        tree.write("a.txt", "no bytes")  # type: ignore[arg-type]
    assert (root / "a.txt").read_text() == "old"
    assert os.listdir(root) == ["a.txt"]  # noqa: PTH208


def test_drafts_of_a_write_that_died_are_not_listed(root: Path, tree: Tree) -> None:
    (root / ".nebulus-draft-0123").touch()
    assert tree.entries(".") == []


def test_a_folder_moves_whole_and_the_root_does_not(root: Path, tree: Tree) -> None:
    (root / "a" / "b").mkdir(parents=True)
    tree.move("a", "c/d")
    assert (root / "c" / "d" / "b").is_dir()
    for source, target in (("c", "c/e"), (".", "x")):
        with pytest.raises(ToolError):
            tree.move(source, target)


@pytest.mark.parametrize("target", ["file", "folder", "link"])
def test_a_move_never_overwrites(root: Path, tree: Tree, target: str) -> None:
    (root / "mine").write_text("mine")
    (root / "file").write_text("theirs")
    (root / "folder").mkdir()
    (root / "link").symlink_to("file")
    with pytest.raises(ToolError) as caught:
        tree.move("mine", target)
    assert caught.value.failure.kind is FailureKind.CONFLICT
    assert (root / "file").read_text() == "theirs"
    assert (root / "mine").read_text() == "mine"


def test_a_pipe_is_refused_without_waiting_for_it(root: Path, tree: Tree) -> None:
    os.mkfifo(root / "pipe")
    for effect in (lambda: contents(tree, "pipe"), lambda: tree.write("pipe", b"")):
        with pytest.raises(ToolError):
            effect()


def test_walking_follows_no_link_and_skips_what_is_no_file(root: Path, tree: Tree) -> None:
    (root / "b").mkdir()
    (root / "b" / "x").touch()
    (root / "a").touch()
    (root / "link").symlink_to(root.parent / "outside")
    (root / "up").symlink_to("..")
    os.mkfifo(root / "pipe")
    assert list(tree.files(".")) == ["a", "b/x"]
    assert list(tree.files("a")) == ["a"]


def test_what_stands_where_is_told(root: Path, tree: Tree) -> None:
    (root / "a").touch()
    assert [tree.kind(path) for path in (".", "a", "b", "a/b", "b/c")] == ["folder", "file", "", "", ""]


def test_descriptors_are_given_back(root: Path, tree: Tree) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "c").touch()

    def use() -> None:
        contents(tree, "a/b/c")
        tree.write("a/b/c", b"x")
        for bad in ("a/b", "a/no/x", "a/b/c/d"):
            with pytest.raises(ToolError):
                contents(tree, bad)

    use()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(50):
        use()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.parametrize("made", [lambda path: None, lambda path: path.write_text("file")])
def test_a_workspace_that_is_no_folder_is_a_setting_to_mend(
    tmp_path: Path, made: Callable[[Path], object]
) -> None:
    made(tmp_path / "x")
    with pytest.raises(ConfigError, match="is not a folder; create it"):
        FolderWorkspace(tmp_path / "x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_workspace_that_can_not_be_written_is_a_setting_to_mend(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="can't be read and written"):
        FolderWorkspace(tmp_path)


def test_a_workspace_named_by_a_link_is_the_folder(root: Path) -> None:
    (root.parent / "link").symlink_to(root)
    assert FolderWorkspace(root.parent / "link").root == root


def test_names_that_are_too_long_are_refused_as_such(tree: Tree) -> None:
    with pytest.raises(ToolError, match="too long") as caught:
        tree.write("x" * 300, b"")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENAMETOOLONG
