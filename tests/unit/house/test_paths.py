"""No tracked file mentions a developer's machine."""

import re
import shutil
import subprocess

import pytest

from tests.unit.house.source import ROOT, WAIVER

MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home/[a-z][\w.-]*|root/|work/|Users/\w)")
SCRATCH_PATH = re.compile(r"(?<![\w.~-])/tmp/(?!nebulus)[A-Za-z]")
"""What lies in a machine's scratch folder; a sandbox has a scratch folder of its own, by the same name."""
BINARY = frozenset({".gguf", ".png", ".ico", ".woff2"})


def path_complaints(name: str, text: str) -> list[str]:
    rules = (MACHINE_PATH,) if "sandbox" in name else (MACHINE_PATH, SCRATCH_PATH)
    return [
        f"{name}:{number}: {match[0]!r} is a path of somebody's machine"
        for number, line in enumerate(text.splitlines(), start=1)
        for rule in rules
        if (match := rule.search(line)) and WAIVER not in line
    ]


def tracked_files() -> list[str]:
    run = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [name for name in run.stdout.split("\0") if name]


@pytest.mark.skipif(
    not (shutil.which("git") and (ROOT / ".git").exists()),
    reason="no git checkout: nothing says which files are tracked",
)
def test_no_tracked_file_names_a_path_of_a_machine() -> None:
    paths = [ROOT / name for name in tracked_files()]
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for path in paths
        if path.suffix not in BINARY and path.is_file()
    }
    assert len(texts) > 50
    complaints = [complaint for name, text in texts.items() for complaint in path_complaints(name, text)]
    assert not complaints, "\n" + "\n".join(complaints)


@pytest.mark.parametrize("folder", ["home/ann", "root/", "work/", "Users/ann", "tmp/scratch"])
def test_a_path_of_a_machine_is_found(folder: str) -> None:
    assert path_complaints("x.md", f'open "/{folder}/x"') != []
    assert path_complaints("x.md", f"see docs/{folder}") == []
