"""Whether a stored journal is whole: every record chained to the one before, and legal where it stands.

Law: this reads and never repairs.
"""

from collections.abc import Iterable

from msgspec import Struct

from nebulus.core.errors import IllegalEventError, JournalError
from nebulus.core.journal import GENESIS, decode_batch, misfit
from nebulus.core.outcome import Outcome
from nebulus.loop.machine import feed
from nebulus.loop.progress import Machine, Setup, new_machine


class Verification(Struct, frozen=True, kw_only=True):
    """What was found: the number of whole `records`, the digest of the last (`head`), and what broke.

    `broken` is the position of the first record that does not fit, 0 if all do; `why` says what is wrong,
    "" if nothing is.
    """

    records: int
    head: str
    broken: int = 0
    why: str = ""
    chain: tuple[str, ...] = ()
    """The digest of each whole record, in order."""

    def has_had(self, digest: str) -> bool:
        """Whether a whole record has `digest`: what was noted when the run was shorter still holds."""
        return digest in self.chain

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found."""
        return not self.why


def verify(batches: Iterable[bytes], setup: Setup, outcome: Outcome | None) -> Verification:
    """Return what is wrong with the records of a run on `setup` that ended in `outcome` (None: it has not)."""
    machine, chain, position, links = new_machine(setup), GENESIS, 0, list[str]()
    for batch in batches:
        try:
            records = decode_batch(batch)
        except JournalError as error:
            return _broken(position, chain, str(error))
        for record in records:
            why = misfit(record, position + 1, chain)
            if why:
                return _broken(position, chain, why)
            try:
                machine = feed(machine, record.event)
            except (IllegalEventError, LookupError, AssertionError) as error:
                return _broken(position, chain, f"it can't have happened here: {error}")
            position, chain = record.position, record.chain
            links.append(chain)
    why = _wrong_end(machine, outcome)
    return Verification(records=position, head=chain, why=why, chain=tuple(links))


def _wrong_end(machine: Machine, outcome: Outcome | None) -> str:
    if outcome is None or outcome == machine.outcome:
        return ""
    shown = type(machine.outcome).__name__ if machine.outcome else "no outcome: the last records are missing"
    return f"the run's result is {type(outcome).__name__}, and its records lead to {shown}"


def _broken(position: int, chain: str, why: str) -> Verification:
    return Verification(records=position, head=chain, broken=position + 1, why=why)
