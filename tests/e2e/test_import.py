"""`import nebulus` is quiet and light."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.unit.house.source import ROOT

HEAVY = frozenset({"aiohttp", "dbos", "typer", "rich", "sqlalchemy", "xllamacpp", "torch", "mcp", "pydantic"})

OBSERVE = """
import json, sys
touched = []
def watch(event, details):
    if event == "open":
        path, mode, _ = details
        if isinstance(path, str) and (set(mode or "r") & set("wax+") or path.endswith(".env")):
            touched.append(path)
    elif event in {"os.mkdir", "os.rename", "os.remove", "socket.connect", "subprocess.Popen"}:
        touched.append(f"{event} {details}")
sys.addaudithook(watch)
import importlib
importlib.import_module(sys.argv[1])
found = {"touched": list(touched), "modules": sorted(sys.modules)}
print("\\n" + json.dumps(found))
"""


def import_complaints(package: str, *, source: Path, folder: Path) -> list[str]:
    """What importing a package does beyond defining names, seen in a fresh process in an empty folder."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(source),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
    }
    command = [sys.executable, "-c", OBSERVE, package]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    printed, _, found = run.stdout.rstrip("\n").rpartition("\n")
    observed = json.loads(found)
    return [
        *([f"prints {printed.strip()!r}"] if printed.strip() else []),
        *([f"prints {run.stderr.strip()!r} as an error"] if run.stderr.strip() else []),
        *(f"touches {path}" for path in observed["touched"]),
        *(f"creates {path.name}" for path in sorted(folder.iterdir())),
        *(f"imports {module}" for module in sorted(HEAVY & set(observed["modules"]))),
    ]


def test_importing_nebulus_prints_nothing_creates_nothing_and_stays_light(tmp_path: Path) -> None:
    assert import_complaints("nebulus", source=ROOT / "src", folder=tmp_path) == []


def test_an_import_with_side_effects_is_found(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "folder"
    source.mkdir()
    folder.mkdir()
    (folder / ".env").write_text("")
    (source / "loud.py").write_text(
        "import sys, aiohttp\nprint('hello')\nprint('oh', file=sys.stderr)\nopen('left.txt', 'w').close()\nopen('.env').close()\n"
    )
    complaints = import_complaints("loud", source=source, folder=folder)
    assert {"prints 'hello'", "prints 'oh' as an error", "touches left.txt", "touches .env"} <= set(
        complaints
    )
    assert {"creates left.txt", "imports aiohttp"} <= set(complaints)
