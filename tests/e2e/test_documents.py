"""What is marked in the documents runs, and the reference pages are those of the code."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nebulus.app.bootstrap import nano_path
from tests.unit.house.source import ROOT
from tests.unit.house.test_docs import PAGES, blocks_of, page_name


def run_blocks(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the marked blocks of one page, in order, as one program in `folder`."""
    program = "\n".join(block.code for block in blocks_of(text) if block.is_run)
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def run_shell_blocks(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the marked shell blocks of one page, in order, as one script in `folder`; any command that fails ends it."""
    shim = folder / "bin" / "nebulus"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from nebulus.cli.main import run; run()" "$@"\n')
    shim.chmod(0o755)
    work = folder / "work"
    work.mkdir()
    script = "\n".join(block.code for block in blocks_of(text) if block.is_shell_run)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "PATH": f"{shim.parent}:/usr/bin:/bin",
        "HOME": str(folder),
    }
    command = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)


def reference(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "reference"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python run" in page.read_text("utf-8")], ids=page_name
)
def test_every_block_that_is_marked_runs(page: Path, tmp_path: Path) -> None:
    run = run_blocks(page.read_text("utf-8"), tmp_path)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(
    not nano_path().exists() or importlib.util.find_spec("xllamacpp") is None,
    reason="the nano model or xllamacpp is not here: make nano, pip install 'nebulus[local]'",
)
@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```sh run" in page.read_text("utf-8")], ids=page_name
)
def test_every_shell_block_that_is_marked_runs(page: Path, tmp_path: Path) -> None:
    run = run_shell_blocks(page.read_text("utf-8"), tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_shell_block_that_fails_is_found(tmp_path: Path) -> None:
    page = "```sh run\nfalse\ntrue\n```\n"
    assert run_shell_blocks(page, tmp_path).returncode != 0


def test_the_reference_pages_are_those_of_the_code() -> None:
    run = reference("--check")
    assert run.returncode == 0, run.stdout + run.stderr


def test_code_that_fails_is_found(tmp_path: Path) -> None:
    page = "```python run\nx = 1\n```\nand\n```python\nx = 2\n```\nthen\n```python run\nassert x == {}\n```\n"
    assert run_blocks(page.format(1), tmp_path).returncode == 0
    assert run_blocks(page.format(2), tmp_path).returncode != 0


def test_a_stale_reference_page_is_found(tmp_path: Path) -> None:
    assert reference("--out", str(tmp_path)).returncode == 0
    page = tmp_path / "events.md"
    page.write_text(page.read_text("utf-8").replace("## RunStarted", "## RunBegun"), "utf-8")
    run = reference("--out", str(tmp_path), "--check")
    assert run.returncode == 1
    assert "events.md" in run.stdout
