"""What both engines check about the batches of a run: text, how many are kept, and which version wrote them."""

from collections.abc import Sequence

from nebulus.core.errors import ConfigError, JournalError, StoreError

VERSION = "1"
"""Raised whenever runs recorded before can no longer be replayed; never derived from the sources,
so that an edit which changes nothing strands nobody."""


def text_of(data: bytes, what: str) -> str:
    """Return `data` as text.

    Raises:
        StoreError: it is not UTF-8; `what` names it.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise StoreError(f"{what} is not UTF-8 text ({error})", fix="an engine stores JSON") from error


def refuse_negative(keep: int | None) -> None:
    """Accept `keep` as a number of batches, or None for all of them.

    Raises:
        ConfigError: it is negative.
    """
    if keep is not None and keep < 0:
        raise ConfigError(f"keep={keep} batches is negative", fix="0 keeps none, leaving it out keeps all")


def encoded(batches: Sequence[str]) -> tuple[bytes, ...]:
    """Return stored batches as they were recorded."""
    return tuple(batch.encode() for batch in batches)


def refuse_other_version(run_id: str, *, recorded: str, ours: str) -> None:
    """Continue only if `recorded` is `ours`.

    Raises:
        JournalError: it is not.
    """
    if recorded != ours:
        raise JournalError(
            f"run {run_id!r} was recorded by version {recorded!r} of the runtime, and this is version {ours!r}",
            fix="resume it with a nebulus of that version, or start it again",
        )
