"""A check holds when code has seen it, and says why when it does not."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from nebulus.adapters.workspaces.checks import WorkspaceChecker
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.core.plan import Check, FileContains, Named, PathAbsent, PathExists, ToolSucceeded


async def asynchronous(arguments: Mapping[str, str]) -> str:
    return "" if arguments == {"x": "1"} else "x is not 1"


def broken(arguments: Mapping[str, str]) -> str:
    raise LookupError("nowhere")


@pytest.fixture
def checker(tmp_path: Path) -> WorkspaceChecker:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.txt").write_text("h\u00e9llo world")
    (tmp_path / "long.txt").write_bytes(b"x" * ((1 << 20) - 3) + b"needle" + b"x" * 10)
    (tmp_path / "link").symlink_to("a.txt")
    (tmp_path / "escape").symlink_to("/etc")
    named = {
        "good": lambda arguments: "",
        "async": asynchronous,
        "broken": broken,
        "truth": lambda arguments: True,
    }
    return WorkspaceChecker(FolderWorkspace(tmp_path), named)


@pytest.mark.parametrize(
    "check",
    [
        PathExists("a.txt"),
        PathExists("folder"),
        PathExists("link"),
        PathAbsent("b.txt"),
        PathAbsent("a.txt/b"),
        FileContains("a.txt", "\u00e9llo w"),
        FileContains("link", "hello".replace("e", "\u00e9")),
        FileContains("a.txt", ""),
        FileContains("long.txt", "needle"),
        Named("good"),
        Named("async", {"x": "1"}),
    ],
)
async def test_what_holds_gives_no_reason(checker: WorkspaceChecker, check: Check) -> None:
    assert await checker.failure_of(check) == ""


@pytest.mark.parametrize(
    ("check", "why"),
    [
        (PathExists("b.txt"), "'b.txt' does not exist"),
        (PathAbsent("a.txt"), "'a.txt' exists"),
        (FileContains("a.txt", "moon"), "'a.txt' does not contain 'moon'"),
        (FileContains("b.txt", "moon"), "no such file"),
        (FileContains("folder", "moon"), "is a folder"),
        (PathExists("escape/passwd"), "outside the workspace"),
        (PathAbsent("../x"), "outside the workspace"),
        (Named("unknown"), "no check is registered under 'unknown'"),
        (Named("async"), "x is not 1"),
        (Named("broken"), "raised LookupError: nowhere"),
        (Named("truth"), "returned True, not text"),
        (ToolSucceeded("pay"), "'pay' succeeded is in the run's own record"),
    ],
)
async def test_what_does_not_hold_says_why(checker: WorkspaceChecker, check: Check, why: str) -> None:
    assert why in await checker.failure_of(check)


async def test_without_a_workspace_no_check_of_files_holds() -> None:
    checker = WorkspaceChecker(None)
    for check in (PathExists("a"), PathAbsent("a"), FileContains("a", "b")):
        assert "there is no workspace" in await checker.failure_of(check)
