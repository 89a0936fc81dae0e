"""What every engine checks before it stores or resumes something."""

from nebulus.core.errors import ConfigError, JournalError, StoreError

VERSION = "1"
"""Raised whenever runs recorded before can no longer be replayed; never derived from the sources,
so that an edit which changes nothing leaves every run resumable."""


def refuse_other_version(run_id: str, *, recorded: str, ours: str) -> None:
    """Continue only if `recorded` is `ours`.

    Raises:
        JournalError: it is not.
    """
    if recorded != ours:
        raise JournalError(
            f"run {run_id!r} was recorded by version {recorded!r} of the runtime, and this is version"
            f" {ours!r}; resume it with a nebulus of that version, or start it again under another name"
        )


def refuse_negative(keep: int | None) -> None:
    """Continue only if `keep` is a number of batches, or None.

    Raises:
        ConfigError: it is negative.
    """
    if keep is not None and keep < 0:
        raise ConfigError(f"keep={keep} is negative; 0 keeps no batch, leaving it out keeps all")


def text_of(data: bytes, what: str) -> str:
    """Return `data` as text.

    Raises:
        StoreError: it is not UTF-8; `what` names it.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise StoreError(f"{what} is not UTF-8 text ({error}); an engine stores JSON") from error
