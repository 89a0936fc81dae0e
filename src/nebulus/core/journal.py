"""The record of a run: events in order, chained by digest.

A journal is text anybody can read: one JSON object a line. Only what happened is in it; what was
asked is recomputed from it by the machine. The digests are stored with the events, so that a change made
afterwards shows where it begins; who can rewrite every record can rewrite the digests as well, which only
a digest noted elsewhere shows.
"""

import hashlib
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from nebulus.core.errors import JournalError
from nebulus.core.events import Event

GENESIS = "0" * 16

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class Record(Struct, frozen=True, kw_only=True):
    """One line of a journal: `position` counts from 1; `chain` covers this event and all before it."""

    position: int
    event: Event
    chain: str


_batch_decoder: msgspec.json.Decoder[list[Record]] = msgspec.json.Decoder(list[Record])


def encode_event(event: Event) -> bytes:
    """Return the one spelling of an event: compact JSON."""
    return _encoder.encode(event)


def decode_event(data: bytes | str) -> Event:
    """Return the event that `data` spells.

    Raises:
        JournalError: `data` spells no event of this version.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JournalError(f"a journal record is no event of this version: {error}") from error


def encode_batch(batch: Iterable[Record]) -> bytes:
    """Return records that are made durable together: a JSON array."""
    return _encoder.encode(list(batch))


def decode_batch(data: bytes | str) -> list[Record]:
    """Return the records that were made durable together, at least one; their digests are not checked.

    Raises:
        JournalError: `data` spells no records of this version.
    """
    try:
        batch = _batch_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JournalError(f"what was recorded is no list of records of this version: {error}") from error
    if not batch:
        raise JournalError("what was recorded holds no event")
    return batch


def chained(previous: str, event: Event) -> str:
    """Return the digest of `event` after `previous`: 16 hex digits of SHA-256."""
    return hashlib.sha256(previous.encode() + encode_event(event)).hexdigest()[:16]


def records(events: Iterable[Event]) -> list[Record]:
    """Return `events` numbered from 1 and chained."""
    chain, result = GENESIS, []
    for position, event in enumerate(events, start=1):
        chain = chained(chain, event)
        result.append(Record(position=position, event=event, chain=chain))
    return result


def misfit(record: Record, position: int, chain: str) -> str:
    """Return why `record` does not stand at `position` behind `chain`, "" if it does."""
    if record.position != position:
        return f"it is numbered {record.position}: one is missing, or was put in"
    fitting = chained(chain, record.event)
    if record.chain != fitting:
        return f"its digest is {record.chain}, and its content and all before it give {fitting}"
    return ""
