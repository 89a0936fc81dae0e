"""Which version of the runtime recorded a run, and who may go on with it."""

from nebulus.core.errors import JournalError

VERSION = "1"
"""Raised whenever runs recorded before can no longer be replayed; never derived from the sources,
so that an edit which changes nothing strands nobody."""


def refuse_other_version(run_id: str, *, recorded: str, ours: str) -> None:
    """Go on only if `recorded` is `ours`.

    Raises:
        JournalError: it is not.
    """
    if recorded != ours:
        raise JournalError(
            f"run {run_id!r} was recorded by version {recorded!r} of the runtime, and this is version"
            f" {ours!r}; resume it with a nebulus of that version, or start it again"
        )
