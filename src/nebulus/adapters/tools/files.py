"""The tools that look at files in a workspace, and those that change them.

Invariants: each takes canonical paths and follows no link; what is too large or is not text is refused with a way
out, before it fills the memory; each that changes something can tell afterwards whether it did.
"""

import os
from datetime import datetime
from itertools import islice
from typing import Any

from nebulus.adapters.tools.edits import difference, lines_of, nearest, with_endings_of
from nebulus.adapters.tools.texts import counts_of, found_in, whole_text
from nebulus.adapters.workspaces.tree import Tree
from nebulus.core.errors import ToolError
from nebulus.core.failure import FailureKind
from nebulus.core.text import counted

COPY_BYTES = 64 << 20
"""The largest file that is copied: it is in memory as a whole."""
_ENTRIES_SHOWN = 1000
_MATCHES_SHOWN = 100
_FILES_SEARCHED = 20_000


class FileReading:
    """Listing, reading, searching."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def list_files(self, path: str = ".") -> dict[str, Any]:
        """List the files and folders in a folder, as paths that other tools take. Folders end with /.

        Args:
            path: The folder to list, the workspace if left out.
        """
        if self._tree.kind(path) == "file":
            return {"path": path, "total": 1, "entries": [path]}
        below = "" if path == "." else f"{path}/"
        names = [f"{below}{name}{'/' * is_folder}" for name, is_folder in self._tree.entries(path)]
        return {"path": path, "total": len(names), "entries": names[:_ENTRIES_SHOWN]}

    def read_file(self, path: str) -> str:
        """Read a text file.

        Args:
            path: The file.
        """
        with self._tree.reading(path) as file:
            return whole_text(file, path)

    def file_info(self, path: str) -> dict[str, Any]:
        """Count the lines, words and bytes of a file, and tell when it was last changed.

        Args:
            path: The file.
        """
        with self._tree.reading(path) as file:
            counted = counts_of(file)
            changed = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime).astimezone()
        return {"path": path, **counted, "changed": changed.isoformat(sep=" ", timespec="seconds")}

    def search_files(self, query: str, path: str = ".") -> str:
        """Find the lines that contain a text, in a file or in all files of a folder.

        Args:
            query: The text to find, literally; upper and lower case differ.
            path: The file or folder to search.
        """
        if not query:
            raise ToolError(
                "the query is empty", kind=FailureKind.INVALID_ARGUMENTS, fix="give a text to find"
            )
        if not self._tree.kind(path):
            raise ToolError("there is no such file or folder", kind=FailureKind.NOT_FOUND, value=path)
        lines: list[str] = []
        searched = skipped = 0
        files = self._tree.files(path)
        for name in islice(files, _FILES_SEARCHED):
            matches = found_in(self._tree, name, query)
            searched += 1
            skipped += matches is None
            lines += matches or []
            if len(lines) >= _MATCHES_SHOWN:
                break
        lines = lines[:_MATCHES_SHOWN]
        notes = [f"{counted(len(lines), 'line')} found in {counted(searched, 'file')}"]
        if skipped:
            notes.append(f"{skipped} skipped: no text, or too large")
        if next(files, ""):
            notes.append("not all were searched: search a smaller folder, or for a longer text")
        return "\n".join([*lines, f"({'; '.join(notes)})"])


class FileChanges:
    """Writing, editing, moving, deleting."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def write_file(self, path: str, content: str) -> dict[str, Any]:
        """Write a text file. Replaces the file if it exists; makes folders as needed.

        Args:
            path: The file.
            content: The whole text of the file.
        """
        data = content.encode()
        self._tree.write(path, data)
        return {"path": path, "bytes": len(data)}

    def has_written(self, path: str, content: str) -> bool:
        """Tell whether the file contains exactly this text."""
        if self._tree.kind(path) != "file":
            return False
        data = content.encode()
        with self._tree.reading(path) as file:
            return file.read(len(data) + 1) == data

    def append_file(self, path: str, text: str) -> dict[str, Any]:
        """Add text at the end of a text file, on lines of its own. The file is made if it does not exist.

        Args:
            path: The file.
            text: The line or lines to add.
        """
        if not text:
            raise ToolError("text is empty", kind=FailureKind.INVALID_ARGUMENTS, fix="give the text to add")
        before = self._text(path) if self._tree.kind(path) else ""
        added = with_endings_of(before, text if text.endswith("\n") else f"{text}\n")
        data = f"{_ended(before)}{added}".encode()
        self._tree.write(path, data)
        return {"path": path, "lines_added": len(added.splitlines()), "bytes": len(data)}

    def has_appended(self, path: str, text: str) -> bool | None:
        """Tell that the text was not added if the file does not end with it; None if it does, as it may have before."""
        if self._tree.kind(path) != "file":
            return False
        before = self._text(path)
        return None if before.rstrip("\r\n").endswith(with_endings_of(before, text).rstrip("\r\n")) else False

    def edit_file(self, path: str, old: str, new: str, *, replace_all: bool = False) -> dict[str, Any]:
        """Replace a piece of a text file. The piece must occur exactly once.

        Args:
            path: The file.
            old: The text to replace, copied exactly from the file.
            new: The text to put in its place.
            replace_all: Replace every occurrence.
        """
        if not old or old == new:
            what = "old is empty" if not old else "old and new are the same"
            raise ToolError(
                what, kind=FailureKind.INVALID_ARGUMENTS, fix="give the text to replace and a new one"
            )
        text = self._text(path)
        old, new = with_endings_of(text, old), with_endings_of(text, new)
        count, lines = text.count(old), lines_of(text, old)
        if not count:
            raise _missing(path, text, old)
        if count > 1 and not replace_all:
            raise ToolError(
                f"old occurs {count} times in {path}, not once",
                kind=FailureKind.CONFLICT,
                value=f"in line {', '.join(map(str, lines))}{', …' if count > len(lines) else ''}",
                fix="add the lines around the right one to old, or set replace_all to true",
            )
        data = text.replace(old, new).encode()
        self._tree.write(path, data)
        return {"path": path, "line": lines[0], "replaced": count, "bytes": len(data)}

    def has_edited(self, path: str, old: str, new: str, *, replace_all: bool = False) -> bool | None:
        """Tell by what the file contains now; None where both states could look like this."""
        text = self._text(path)
        old, new = with_endings_of(text, old), with_endings_of(text, new)
        if new and new in text and old not in text:
            return True
        count = text.count(old)
        return False if (count == 1 or (replace_all and count)) and new not in text else None

    def copy_file(self, source: str, target: str) -> dict[str, Any]:
        """Copy a file. The target must not exist yet; the source stays.

        Args:
            source: The file to copy.
            target: The path of the copy, with its name.
        """
        if self._tree.kind(target):
            raise ToolError(
                "there is a file or folder already",
                kind=FailureKind.CONFLICT,
                value=target,
                fix="choose another name",
            )
        data = self._bytes(source)
        self._tree.write(target, data)
        return {"source": source, "target": target, "bytes": len(data)}

    def has_copied(self, source: str, target: str) -> bool:
        """Tell whether the target has the content of the source."""
        if self._tree.kind(source) != "file" or self._tree.kind(target) != "file":
            return False
        return self._bytes(source) == self._bytes(target)

    def move_file(self, source: str, target: str) -> dict[str, Any]:
        """Move or rename a file or folder. The target must not exist yet.

        Args:
            source: The file or folder to move.
            target: Its new path, with its name.
        """
        self._tree.move(source, target)
        return {"source": source, "target": target}

    def has_moved(self, source: str, target: str) -> bool | None:
        """Tell by which of the two paths exists; None if both or neither do."""
        match bool(self._tree.kind(source)), bool(self._tree.kind(target)):
            case False, True:
                return True
            case True, False:
                return False
            case _:
                return None

    def delete_file(self, path: str) -> dict[str, Any]:
        """Delete a file for good. It can't be brought back.

        Args:
            path: The file.
        """
        self._tree.remove(path)
        return {"deleted": path}

    def has_deleted(self, path: str) -> bool:
        """Tell whether it is gone."""
        return not self._tree.kind(path)

    def _bytes(self, path: str) -> bytes:
        with self._tree.reading(path) as file:
            data = file.read(COPY_BYTES + 1)
        if len(data) > COPY_BYTES:
            raise ToolError(f"{path} is larger than {COPY_BYTES} bytes", fix="copy it outside of this run")
        return data

    def _text(self, path: str) -> str:
        with self._tree.reading(path) as file:
            return whole_text(file, path)


def _ended(text: str) -> str:
    """Return `text` with its last line ended."""
    return text if not text or text.endswith("\n") else f"{text}{with_endings_of(text, chr(10))}"


def _missing(path: str, text: str, old: str) -> ToolError:
    """Return the error for a piece that is not in the text, with the passage that is most like it."""
    what = f"{path} does not contain old"
    passage = nearest(text, old)
    if passage is None:
        fix = "read the file, and copy the text to replace from it"
        return ToolError(
            what, kind=FailureKind.NOT_FOUND, value=f"nothing in it is like {old[:80]!r}", fix=fix
        )
    return ToolError(
        what,
        kind=FailureKind.NOT_FOUND,
        value=f"nearest is {passage.place}:\n{passage.text}\n",
        fix=f"what differs: {difference(passage, old)}; copy old exactly from these lines",
    )
