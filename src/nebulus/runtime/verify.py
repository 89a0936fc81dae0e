"""Checks whether a stored journal is intact: every record is chained to the one before, and legal in its place.

Invariant: it only reads; it never repairs.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from nebulus.core.errors import IllegalEventError, JournalError
from nebulus.core.events import JOURNAL_VERSION
from nebulus.core.journal import GENESIS, decode_batch, misfit, version_of
from nebulus.core.outcome import Outcome
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.transitions import NO_CONFIG, feed


class Verification(Struct, frozen=True, kw_only=True):
    """The result of a check: the number of intact `records`, and the digest of the last one (`head`).

    `broken` is the position of the first record that does not fit, 0 if all do; `why` says what is wrong, "" if
    nothing is.
    """

    records: int
    head: str
    broken: int = 0
    why: str = ""
    chain: tuple[str, ...] = ()
    """The digest of each intact record, in order."""
    version: int = JOURNAL_VERSION
    """The version of the journal; one of another version is checked for changes, but not replayed."""

    def has_had(self, digest: str) -> bool:
        """Whether an intact record has `digest`, for example one that was noted when the run was shorter."""
        return digest in self.chain

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.why


def verify(batches: Iterable[bytes], outcome: Outcome | None) -> Verification:
    """Check the records of a run that ended in `outcome` (None if it has not ended)."""
    batches = tuple(batches)
    version = version_of(batches)
    if version != JOURNAL_VERSION:
        return _verify_chain(batches, version)
    machine, chain, position, links = new_machine(NO_CONFIG), GENESIS, 0, list[str]()
    for batch in batches:
        why, position, chain = misfit(batch, position, chain)
        if why:
            return _broken(position, chain, links, why=why)
        try:
            for record in decode_batch(batch):
                machine = feed(machine, record.event)
                links.append(record.chain)
        except (IllegalEventError, JournalError, LookupError, AssertionError) as error:
            at = len(links)
            return _broken(
                at, links[-1] if links else GENESIS, links, why=f"it can't have happened here: {error}"
            )
    why = _wrong_end(machine, outcome)
    return Verification(records=position, head=chain, why=why, chain=tuple(links))


def _verify_chain(batches: Iterable[bytes], version: int) -> Verification:
    """Check a journal of another version: only its digests can be checked."""
    chain, position, links = GENESIS, 0, list[str]()
    for batch in batches:
        why, position, chain = misfit(batch, position, chain)
        if why:
            return _broken(position, chain, links, why=why)
        links.append(chain)
    return Verification(records=position, head=chain, chain=tuple(links), version=version)


def _wrong_end(machine: Machine, outcome: Outcome | None) -> str:
    if outcome is None or msgspec.json.encode(outcome) == msgspec.json.encode(machine.outcome):
        return ""
    shown = type(machine.outcome).__name__ if machine.outcome else "no outcome: the last records are missing"
    return f"the run's result is {type(outcome).__name__}, but its records lead to {shown}"


def _broken(position: int, chain: str, links: list[str], *, why: str) -> Verification:
    return Verification(records=position, head=chain, broken=position + 1, why=why, chain=tuple(links))
