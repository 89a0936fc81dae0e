"""What every workspace promises: a path leads inside, canonically, or nowhere."""

import os
import posixpath
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.adapters.workspaces.tree import Tree
from nebulus.core.errors import ToolError
from nebulus.core.failure import Failure, FailureKind
from nebulus.ports.guard import Workspace
from nebulus.testing.workspace import FakeWorkspace
from tests.properties import more

Make: TypeAlias = Callable[[Mapping[str, str]], Workspace]

LINKS = {
    "notes/latest": "today.txt",
    "inner": "notes",
    "deep/up": "../notes",
    "escape": "/etc",
    "escape_up": "../outside",
    "chain": "inner",
    "far_chain": "chain/../escape",
    "circle": "circle_back",
    "circle_back": "circle",
    "nowhere": "not/there",
}


@pytest.fixture(params=["folder", "fake"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    if request.param == "fake":
        return FakeWorkspace(links=LINKS)
    return made(tmp_path)


def made(where: Path) -> FolderWorkspace:
    root = where / "workspace"
    (where / "outside").mkdir()
    for folder in ("notes", "deep"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "notes" / "today.txt").write_text("hello")
    for path, target in LINKS.items():
        (root / path).symlink_to(target)
    return FolderWorkspace(root)


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("notes/today.txt", "notes/today.txt"),
        ("./notes//today.txt", "notes/today.txt"),
        ("notes/../notes/today.txt", "notes/today.txt"),
        ("notes/", "notes"),
        (".", "."),
        ("notes/..", "."),
        ("new/folder/file.txt", "new/folder/file.txt"),
        ("new/../file.txt", "file.txt"),
        ("inner/today.txt", "notes/today.txt"),
        ("notes/latest", "notes/today.txt"),
        ("chain/latest", "notes/today.txt"),
        ("deep/up/today.txt", "notes/today.txt"),
        ("inner/../deep", "deep"),
        ("nowhere/x", "not/there/x"),
        ("...", "..."),
        ("notes/ today.txt", "notes/ today.txt"),
        ("n\u00f6tes/\u65e5\u8a18.txt", "n\u00f6tes/\u65e5\u8a18.txt"),
    ],
)
def test_a_path_inside_becomes_the_place_that_it_leads_to(
    workspace: Workspace, path: str, canonical: str
) -> None:
    assert workspace.canonical(path) == canonical


def test_an_absolute_path_inside_is_taken(workspace: Workspace) -> None:
    assert workspace.canonical(f"{workspace.root}/inner/today.txt") == "notes/today.txt"
    assert workspace.canonical(str(workspace.root)) == "."


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../outside",
        "../workspace_twin",
        "notes/../../outside",
        "/etc/passwd",
        "/",
        "//etc/passwd",
        "escape",
        "escape/passwd",
        "escape_up/x",
        "far_chain/passwd",
        "deep/up/../../outside",
        "inner/../../outside",
    ],
)
def test_a_path_that_leads_outside_is_a_failure(workspace: Workspace, path: str) -> None:
    refused = workspace.canonical(path)
    assert isinstance(refused, Failure)
    assert refused.kind is FailureKind.PERMISSION
    assert refused.fix


def test_a_neighbour_whose_name_begins_alike_is_outside(workspace: Workspace) -> None:
    assert isinstance(workspace.canonical(f"{workspace.root}_twin/x"), Failure)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "  ",
        "a\0b",
        "a\nb",
        "C:\\x",
        "c:/x",
        "..\\x",
        "\\\\host\\share",
        "~",
        "~/x",
        "a\ud800",
        "\udc2f",
        "circle",
        "circle/x",
        "circle/..",
        "circle/../escape/x",
    ],
)
def test_a_spelling_that_can_be_misread_is_refused(workspace: Workspace, path: str) -> None:
    refused = workspace.canonical(path)
    assert isinstance(refused, Failure)
    assert refused.kind is FailureKind.INVALID_ARGUMENTS
    assert refused.fix


TRICKS = (
    *("\u2024\u2024", "\uff0e\uff0e", "\u2215", "%2e%2e", "..;", ".. ", "\u202e..", "e\u200bscape"),
    *("n\u00f6tes", "no\u0308tes", "NOTES"),
)
"""Spellings that look like a way out, or like another name."""
PIECES = st.sampled_from(
    [*LINKS, *TRICKS, "notes", "deep", "today.txt", "..", ".", "", "...", "etc", "latest", "up"]
)
PATHS = st.one_of(
    st.lists(PIECES, max_size=8).map("/".join),
    st.lists(PIECES, max_size=8).map(lambda parts: "/" + "/".join(parts)),
    st.text(max_size=40),
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[FolderWorkspace, FakeWorkspace]:
    return made(tmp_path_factory.mktemp("both")), FakeWorkspace(links=LINKS)


@more(20)
@given(path=PATHS)
def test_no_spelling_leads_outside(both: tuple[FolderWorkspace, FakeWorkspace], path: str) -> None:
    for workspace in both:
        canonical = workspace.canonical(path)
        if isinstance(canonical, Failure):
            continue
        assert ".." not in canonical.split("/")
        assert not canonical.startswith("/")
        assert posixpath.normpath(canonical) == canonical
        assert workspace.canonical(canonical) == canonical
    folder = both[0]
    canonical = folder.canonical(path)
    if isinstance(canonical, str):
        assert (folder.root / canonical).resolve() == folder.root / canonical


@more(8)
@given(path=st.lists(PIECES, max_size=6).map("/".join))
def test_the_fake_and_the_folder_agree(both: tuple[FolderWorkspace, FakeWorkspace], path: str) -> None:
    real, fake = (workspace.canonical(path) for workspace in both)
    match real, fake:
        case Failure(), Failure():
            assert real.kind == fake.kind
        case _:
            assert real == fake


WRITER = """
import sys
from pathlib import Path
from nebulus.adapters.workspaces.tree import Tree
from tests.properties import more
tree = Tree(Path(sys.argv[1]))
print("begun", flush=True)
while True:
    for letter in b"ab":
        tree.write("folder/file", bytes([letter]) * 300_000)
"""


@pytest.mark.parametrize("patience_s", [0.0, 0.01, 0.03, 0.05])
def test_a_write_whose_process_is_killed_leaves_a_whole_file(tmp_path: Path, patience_s: float) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"begun\n"
        while not (tmp_path / "folder" / "file").exists():
            assert writer.poll() is None
        time.sleep(patience_s)
        writer.kill()
    data = (tmp_path / "folder" / "file").read_bytes()
    assert data in (b"a" * 300_000, b"b" * 300_000)
    assert Tree(tmp_path).entries("folder") == [("file", False)]


def test_what_governs_a_run_is_out_of_reach_of_every_tool(tmp_path: Path) -> None:
    (tmp_path / ".nebulus").mkdir()
    (tmp_path / ".nebulus" / "runs.sqlite").write_text("x")
    (tmp_path / "nebulus.toml").write_text("x")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "policy.toml").write_text("x")
    (tmp_path / "link").symlink_to("nebulus.toml")
    workspace = FolderWorkspace(tmp_path, kept=("rules/policy.toml",))
    for path in (
        "nebulus.toml",
        ".nebulus",
        ".nebulus/runs.sqlite",
        "a/../nebulus.toml",
        "link",
        "rules/policy.toml",
    ):
        assert isinstance(workspace.canonical(path), Failure), path
    for path in ("nebulus.toml", ".nebulus/x", "rules/policy.toml"):
        with pytest.raises(ToolError, match="belongs to the runtime"):
            workspace.tree.write(path, b"y")
        with pytest.raises(ToolError, match="belongs to the runtime"):
            workspace.tree.remove(path)
    assert workspace.tree.entries(".") == [("link", False), ("rules", True)]
    assert (tmp_path / "nebulus.toml").read_text() == "x"


def test_a_listing_names_files_in_order_and_enters_no_hidden_folder(tmp_path: Path) -> None:
    root = tmp_path / "listed"
    for path in ("b.txt", "a/c.txt", ".git/objects/x", ".env", "a/.cache/y"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    workspace = FolderWorkspace(root)
    assert workspace.listing(10) == ("a/c.txt", "b.txt")
    assert workspace.listing(1) == ("a/c.txt",)
    (root / ".git").chmod(0)
    assert workspace.listing(10) == ("a/c.txt", "b.txt")
