"""How a run lies in DBOS: as segments, one DBOS workflow for each time that a process held the run.

Laws: a segment is written by the one process that began it, and by nobody once it is closed; a run's
journal is its segments in order, each saying how much of what came before it keeps. So a run keeps its
name when it is resumed or cut, and what was cut off stays on record.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from nebulus.adapters.engines.held import Entry
from nebulus.core.errors import JournalError
from nebulus.ports.engine import RunStatus

_MARK = "~"


class Head(Struct, frozen=True, kw_only=True):
    """What a segment begins with.

    The run's request (JSON text), the seconds since the epoch at which the run was made, and how many
    records of the earlier segments are kept.
    """

    request: str
    created_s: float
    keep: int = 0


class Segment(Struct, frozen=True, kw_only=True):
    """One segment as the database has it; `status` is DBOS's word, `owner` the process that began it."""

    run_id: str
    number: int
    status: str
    head: Head
    owner: str
    version: str
    updated_s: float
    stop_asked: bool
    result: str = ""

    @property
    def workflow_id(self) -> str:
        """The segment's name in DBOS."""
        return segment_id(self.run_id, self.number)


def segment_id(run_id: str, number: int) -> str:
    """Return the DBOS workflow id of segment `number` (from 1) of a run."""
    return f"{run_id}{_MARK}{number}"


def segment_prefix(run_id: str) -> str:
    """Return what the ids of all segments of a run begin with; those of other runs may, too."""
    return f"{run_id}{_MARK}"


def parsed_id(workflow_id: str) -> tuple[str, int]:
    """Return the run id and the number that `segment_id` was given.

    Raises:
        JournalError: it never made this id.
    """
    run_id, mark, number = workflow_id.rpartition(_MARK)
    if not mark or not number.isdecimal():
        raise JournalError(f"workflow {workflow_id!r} is no segment of a run; something else wrote it here")
    return run_id, int(number)


def encode_head(head: Head) -> str:
    """Return the text under which `head` is stored."""
    return msgspec.json.encode(head).decode()


def decode_head(text: str) -> Head:
    """Return the head that `text` spells.

    Raises:
        JournalError: it spells none.
    """
    try:
        return msgspec.json.decode(text, type=Head)
    except msgspec.MsgspecError as error:
        raise JournalError(f"the head of a segment can't be read: {error}") from error


def journal(segments: Iterable[tuple[Segment, Sequence[Entry]]]) -> list[Entry]:
    """Return the journal that segments, in order, and their own entries make together."""
    entries: list[Entry] = []
    for segment, own in segments:
        entries = [*entries[: segment.head.keep], *own]
    return entries


def run_status(last: Segment, *, is_held: bool) -> RunStatus:
    """Return where a run stands, given its last segment and whether a living process writes it."""
    match last.status:
        case "SUCCESS":
            return RunStatus.ENDED
        case "PENDING" if is_held:
            return RunStatus.RUNNING
        case _:
            return RunStatus.CANCELLED if last.stop_asked else RunStatus.INTERRUPTED
