"""A workspace as files on disk, made and read back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.real_parts.goal import Files

STATE = frozenset({".nebulus", "nebulus.toml"})


@contextmanager
def workspace_of(files: Files) -> Iterator[Path]:
    """Make a fresh folder with `files`, and remove it at the end."""
    with TemporaryDirectory(prefix="goal-") as folder:
        root = Path(folder) / "workspace"
        root.mkdir()
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(text.encode())
        yield root


def files_of(root: Path) -> Files:
    """Return the text of every file below `root`, but for the runtime's own state."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes().decode(errors="replace")
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] not in STATE
    }


def changes(before: Files, after: Files) -> dict[str, str | None]:
    """Return the text of each file that is not as it was; None for one that is gone."""
    paths = sorted(before.keys() | after.keys())
    return {path: after.get(path) for path in paths if before.get(path) != after.get(path)}
