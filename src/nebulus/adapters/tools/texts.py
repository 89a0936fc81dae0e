"""Text of files, bounded: what is too large, or is not text, is refused and never loaded."""

from typing import BinaryIO

from nebulus.adapters.workspaces.tree import Tree
from nebulus.core.errors import ToolError
from nebulus.core.failure import FailureKind

TEXT_BYTES = 16 << 20
"""The largest file that is loaded to be read, searched or edited; a long text is stored, and shown in parts."""
_LINE_CHARS = 200
_CHUNK_BYTES = 1 << 16
_PROBE_BYTES = 8192
"""Source: git takes a file with a NUL in its first 8000 bytes for binary (xdiff-interface.c)."""


def counts_of(file: BinaryIO) -> dict[str, int]:
    """Return how many `lines`, `words` and `bytes` a file has; only its bytes if it is not text."""
    lines = words = size = 0
    is_text, is_inside, last = True, False, b""
    while chunk := file.read(_CHUNK_BYTES):
        size += len(chunk)
        is_text = is_text and b"\0" not in chunk
        lines += chunk.count(b"\n")
        words += len(chunk.split()) - (is_inside and not chunk[:1].isspace())
        is_inside, last = not chunk[-1:].isspace(), chunk[-1:]
    lines += last not in (b"", b"\n")
    return {"lines": lines, "words": words, "bytes": size} if is_text else {"bytes": size}


def whole_text(file: BinaryIO, path: str) -> str:
    """Return all of a text file.

    Raises:
        ToolError: it is not text, or larger than `TEXT_BYTES`.
    """
    _require_text(file, path)
    data = file.read(TEXT_BYTES + 1)
    if len(data) > TEXT_BYTES:
        raise ToolError(
            f"{path} is larger than {TEXT_BYTES} bytes",
            fix="work on a smaller file, or cut it with run_command",
        )
    return _decoded(data, path)


def found_in(tree: Tree, path: str, query: str) -> list[str] | None:
    """Return `path:line: text` of each line that contains `query`, None if the file can't be searched."""
    try:
        with tree.reading(path) as file:
            text = whole_text(file, path)
    except ToolError:  # Binary, too large, or gone since it was listed: the caller counts it as skipped.
        return None
    if query not in text:
        return []
    return [
        f"{path}:{number}: {line.strip()[:_LINE_CHARS]}"
        for number, line in enumerate(text.split("\n"), start=1)
        if query in line
    ]


def _require_text(file: BinaryIO, path: str) -> None:
    if b"\0" in file.read(_PROBE_BYTES):
        raise _not_text(path)
    file.seek(0)


def _decoded(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _not_text(path) from error


def _not_text(path: str) -> ToolError:
    return ToolError(f"{path} is not UTF-8 text", kind=FailureKind.INVALID_ARGUMENTS, fix="read another file")
