"""Text of files, bounded: what is too large, or is not text, is refused and never loaded."""

import os
from typing import BinaryIO

from nebulus.adapters.workspaces.tree import Tree
from nebulus.core.errors import ToolError
from nebulus.core.failure import FailureKind

READ_BYTES = 1 << 20
"""The most that one reading returns: far above what a small model can be shown, far below memory."""
EDIT_BYTES = 16 << 20
"""The largest file that is loaded to be searched or edited."""
_LINE_CHARS = 200
_PROBE_BYTES = 8192
"""Source: git takes a file with a NUL in its first 8000 bytes for binary (xdiff-interface.c)."""


def text_of(file: BinaryIO, path: str, *, lines: range | None = None) -> str:
    """Return the text of `lines`, counted from 1, or of all of them.

    Raises:
        ToolError: it is not text, there is no such line, or the lines are larger than `READ_BYTES`.
    """
    first, end = (lines.start, lines.stop) if lines else (1, 0)
    _require_text(file, path)
    kept: list[bytes] = []
    size = number = 0
    while line := file.readline(READ_BYTES + 1):
        number += 1
        if end and number >= end:
            break
        if number < first:
            _skip_rest(file, line)
            continue
        kept.append(line)
        size += len(line)
        if size > READ_BYTES:
            raise _too_large(file, path, number)
    if not kept and number + 1 < first:
        raise ToolError(
            f"{path} has {number} lines",
            kind=FailureKind.INVALID_ARGUMENTS,
            value=f"first_line {first}",
            fix=f"give a first_line up to {number}",
        )
    return _decoded(b"".join(kept), path)


def whole_text(file: BinaryIO, path: str) -> str:
    """Return all of a text file.

    Raises:
        ToolError: it is no text, or larger than `EDIT_BYTES`.
    """
    _require_text(file, path)
    data = file.read(EDIT_BYTES + 1)
    if len(data) > EDIT_BYTES:
        raise ToolError(f"{path} is larger than {EDIT_BYTES} bytes", fix="work on a smaller file")
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


def _skip_rest(file: BinaryIO, line: bytes) -> None:
    """Read on to the end of a line that was longer than one reading."""
    while line and not line.endswith(b"\n"):
        line = file.readline(READ_BYTES)


def _decoded(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _not_text(path) from error


def _not_text(path: str) -> ToolError:
    return ToolError(f"{path} is not UTF-8 text", kind=FailureKind.INVALID_ARGUMENTS, fix="read another file")


def _too_large(file: BinaryIO, path: str, number: int) -> ToolError:
    size = os.fstat(file.fileno()).st_size
    return ToolError(
        f"{path} has {size} bytes, and one reading returns {READ_BYTES}",
        kind=FailureKind.INVALID_ARGUMENTS,
        value=f"the limit was reached in line {number}",
        fix="read a part with read_lines, or use search_files",
    )
