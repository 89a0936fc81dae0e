"""How a path may be written, before anybody looks at the disk. Pure.

Invariant: a path that means one thing here and another thing elsewhere is refused, never guessed at.
"""

import re
from collections.abc import Collection
from unicodedata import category, normalize

from nebulus.core.failure import Failure, FailureKind, Fault

_DRIVE = re.compile(r"[A-Za-z]:")
OWN_NAMES = frozenset({".nebulus", "nebulus.toml"})
"""Where the runtime keeps its runs, and what it is set by: no tool may read or change either."""
_EXAMPLE = "give a path inside the workspace, such as notes/today.txt"


def malformed(path: str) -> Failure | None:
    """Return why `path` is not a path that we take, None if it may be resolved.

    Refused: nothing, control characters (NUL, newline), text that is not Unicode, backslashes, drive
    letters and a home folder (`~`).
    """
    if not path.strip():
        return _invalid("the path is empty", path, _EXAMPLE)
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        return _invalid("the path contains a control character", ascii(path), "leave it out")
    if any("\ud800" <= character <= "\udfff" for character in path):
        return _invalid("the path is not Unicode text", ascii(path), "write it with whole characters")
    if "\\" in path:
        return _invalid("the path contains a backslash", path, "write / between folders")
    if _DRIVE.match(path):
        return _invalid("the path begins with a drive letter", path, _EXAMPLE)
    if path == "~" or path.startswith("~/"):
        return _invalid("the path begins with a home folder", path, _EXAMPLE)
    return None


def owned(path: str, kept: Collection[str] = ()) -> Failure | None:
    """Return why a canonical path is not for tools, None if it is: what governs a run is out of its reach.

    `kept` are further paths that belong to the runtime, with all beneath them, such as a policy. Names that some
    file systems take for the same (other case, other composition, characters that are not seen) count as the same.
    """
    if OWN_NAMES.isdisjoint(_keys(path)) and not any(_is_within(path, own) for own in kept):
        return None
    return _reserved("the path belongs to the runtime, and no tool may touch it", path)


def unchangeable(path: str, kept: Collection[str] = ()) -> Failure | None:
    """Return why what is at a canonical path is not for tools to change, None if it is.

    Beside what is in `kept`, these are the folders above it: who replaces one replaces what is in it.
    """
    if any(_is_within(path, own) for own in kept):
        return _reserved("the path belongs to the runtime, and no tool may change it", path)
    if any(_is_within(own, path) for own in kept):
        return _reserved(
            "the path contains something that belongs to the runtime, and can't be replaced", path
        )
    return None


def _is_within(path: str, folder: str) -> bool:
    inner, outer = _keys(path), _keys(folder)
    return inner[: len(outer)] == outer


def _keys(path: str) -> tuple[str, ...]:
    """Return the parts of a path in a form in which names that any file system may confuse are equal.

    Source: case folding and normalisation of ext4 and APFS; HFS+ ignores format characters (CVE-2014-9390).
    """
    if not path.isascii():
        path = normalize("NFKC", "".join(character for character in path if category(character) != "Cf"))
    return tuple(part for part in path.casefold().split("/") if part not in ("", "."))


def _reserved(what: str, path: str) -> Failure:
    return Failure(kind=FailureKind.PERMISSION, fault=Fault.MODEL, what=what, value=path, fix=_EXAMPLE)


def outside(path: str) -> Failure:
    """Return the failure of a path that leads out of the workspace."""
    return Failure(
        kind=FailureKind.PERMISSION,
        fault=Fault.MODEL,
        what="the path leads outside the workspace",
        value=path,
        fix=_EXAMPLE,
    )


def looping(path: str) -> Failure:
    """Return the failure of a path whose links lead back to themselves."""
    return _invalid("the path has links that lead in a circle", path, "use another path")


def _invalid(what: str, value: str, fix: str) -> Failure:
    return Failure(
        kind=FailureKind.INVALID_ARGUMENTS, fault=Fault.MODEL, what=what, value=value[:200], fix=fix
    )
