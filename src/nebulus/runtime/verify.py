"""Whether a stored journal is whole: every record chained to the one before, and legal where it is.

Invariant: this reads and never repairs.
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
    """What was found: the number of whole `records`, and the digest of the last (`head`).

    `broken` is the position of the first record that does not fit, 0 if all do; `why` says what is wrong, empty if
    nothing is.
    """

    records: int
    head: str
    broken: int = 0
    why: str = ""
    chain: tuple[str, ...] = ()
    """The digest of each whole record, in order."""
    version: int = JOURNAL_VERSION
    """The version of the journal; one of another version is checked for changes, and not replayed."""

    def has_had(self, digest: str) -> bool:
        """Whether a whole record has `digest`: what was noted when the run was shorter is still there."""
        return digest in self.chain

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found."""
        return not self.why


def verify(batches: Iterable[bytes], outcome: Outcome | None) -> Verification:
    """Return what is wrong with the records of a run that ended in `outcome` (None: it has not ended)."""
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
    """Return what is wrong with a journal of another version: its digests alone can be checked."""
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
    return f"the run's result is {type(outcome).__name__}, and its records lead to {shown}"


def _broken(position: int, chain: str, links: list[str], *, why: str) -> Verification:
    return Verification(records=position, head=chain, broken=position + 1, why=why, chain=tuple(links))
