"""Errors of the operating system, translated to ours.

Invariant: a call that the system refused did nothing; a call that it did not answer may have.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from nebulus.core.errors import ToolError
from nebulus.core.failure import FailureKind

_SEE = "list_files shows what there is"

_WORDS: dict[int, tuple[FailureKind, str, str]] = {
    errno.ENOENT: (FailureKind.NOT_FOUND, "there is no such file or folder", _SEE),
    errno.ENOTDIR: (FailureKind.INVALID_ARGUMENTS, "a part of the path is not a folder", _SEE),
    errno.EISDIR: (FailureKind.INVALID_ARGUMENTS, "this is a folder, not a file", "name a file"),
    errno.ENAMETOOLONG: (FailureKind.INVALID_ARGUMENTS, "the name is too long", "use a shorter one"),
    errno.EEXIST: (FailureKind.CONFLICT, "there is something already", "choose another name"),
    errno.ENOTEMPTY: (FailureKind.CONFLICT, "the folder is not empty", "choose another one"),
    errno.EACCES: (FailureKind.PERMISSION, "the system does not allow it", "use another path"),
    errno.EPERM: (FailureKind.PERMISSION, "the system does not allow it", "use another path"),
    errno.EROFS: (FailureKind.PERMISSION, "the file system is read-only", "use another path"),
    errno.ELOOP: (FailureKind.PERMISSION, "the path goes through a link", "use the path it leads to"),
    errno.ENOSPC: (FailureKind.PERMANENT, "the disk is full", "free some space"),
    errno.EDQUOT: (FailureKind.PERMANENT, "the disk quota is used up", "free some space"),
    errno.EBUSY: (FailureKind.TRANSIENT, "it is in use", "try again"),
    errno.EAGAIN: (FailureKind.TRANSIENT, "it is in use", "try again"),
    errno.EMFILE: (FailureKind.TRANSIENT, "too many files are open", "try again"),
    errno.ENFILE: (FailureKind.TRANSIENT, "too many files are open", "try again"),
    errno.ECONNREFUSED: (FailureKind.TRANSIENT, "nobody answers at that address", "try again later"),
}


def refusal(error: OSError, path: str = "") -> ToolError | None:
    """Return `error` as a failure if the system refused the call, None if the call may have taken effect.

    `path` is shown in place of the error's own file name, which may be a place on the host.
    """
    known = _WORDS.get(error.errno or 0)
    if known is None:
        return None
    kind, what, fix = known
    return ToolError(what, kind=kind, value=path or str(error.filename or ""), fix=fix)


@contextmanager
def refused(path: str) -> Iterator[None]:
    """Translate what the system refuses within this block, in which nothing lasting is done.

    Raises:
        ToolError: any OSError came, known to us or not.
    """
    try:
        yield
    except OSError as error:
        raise refusal(error, path) or ToolError(
            f"the system refused: {error.strerror}", value=path
        ) from error
