"""The record of a run: events in order, chained by digest.

A journal is text that anybody can read: JSON records with one event each. Records that were made durable together
are one batch. The digests are stored with the events, so a later change is detected at the record where it begins.
Whoever can rewrite every record can rewrite the digests too; only a digest noted elsewhere reveals that.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from nebulus.core.errors import JournalError
from nebulus.core.events import JOURNAL_VERSION, Event
from nebulus.core.unreadable import UNREADABLE

GENESIS = "0" * 16

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class Record(Struct, frozen=True, kw_only=True):
    """One record of a journal: `position` counts from 1; `chain` covers this event and all before it."""

    position: int
    event: Event
    chain: str


class RawRecord(Struct, frozen=True, kw_only=True):
    """A record whose event is still the text that was stored."""

    position: int
    event: Raw
    chain: str


_batch_decoder: msgspec.json.Decoder[list[Record]] = msgspec.json.Decoder(list[Record])
_raw_decoder: msgspec.json.Decoder[list[RawRecord]] = msgspec.json.Decoder(list[RawRecord])


def encode_event(event: Event) -> bytes:
    """Return an event as compact JSON: the only form in which it is stored."""
    return _encoder.encode(event)


def decode_event(data: bytes | str) -> Event:
    """Return the event that `data` contains.

    Raises:
        JournalError: `data` is not an event of this version.
    """
    try:
        return _decoder.decode(data)
    except UNREADABLE as error:
        raise JournalError(
            f"a journal record is not an event of version {JOURNAL_VERSION}: {error}"
        ) from error


def encode_batch(batch: Iterable[Record | RawRecord]) -> bytes:
    """Return records that are made durable together: a JSON array."""
    return _encoder.encode(list(batch))


def decode_batch(data: bytes | str) -> list[Record]:
    """Return the records that were made durable together, at least one; their digests are not checked.

    Raises:
        JournalError: `data` is not a list of records of this version.
    """
    try:
        batch = _batch_decoder.decode(data)
    except UNREADABLE as error:
        raise JournalError(
            f"what was recorded is not a list of records of version {JOURNAL_VERSION}: {error}"
        ) from error
    if not batch:
        raise JournalError("what was recorded contains no event")
    return batch


def decode_raw_batch(data: bytes | str) -> list[RawRecord]:
    """Return the records of a batch with their events as they were stored.

    Raises:
        JournalError: `data` is not a list of records.
    """
    try:
        return _raw_decoder.decode(data)
    except UNREADABLE as error:
        raise JournalError(f"what was recorded is not a list of records: {error}") from error


def events_of(batches: Iterable[bytes]) -> Iterator[Event]:
    """Yield the events of batches, in order.

    Raises:
        JournalError: as `decode_batch`.
    """
    return (record.event for batch in batches for record in decode_batch(batch))


def readable(batches: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield every record of batches as plain JSON, whatever version wrote it: for people, never for replay.

    Raises:
        JournalError: a batch is not JSON.
    """
    for batch in batches:
        try:
            yield from msgspec.json.decode(batch, type=list[dict[str, Any]])
        except UNREADABLE as error:
            raise JournalError(f"what was recorded is not JSON: {error}") from error


def version_of(batches: Sequence[bytes]) -> int:
    """Return the version of a journal by its first record; 0 where it has none, or none that can be read."""
    try:
        first = next(readable(batches[:1]), {})
    except JournalError:
        return JOURNAL_VERSION  # whatever it was, its first record is broken, which is to be found
    event = first.get("event")
    version = event.get("version", 0) if isinstance(event, dict) else 0
    return version if isinstance(version, int) else 0


def chained(previous: str, event: bytes) -> str:
    """Return the digest of an encoded event after `previous`: 16 hex digits of SHA-256."""
    return hashlib.sha256(previous.encode() + event).hexdigest()[:16]


def records(events: Iterable[Event]) -> list[Record]:
    """Return `events` numbered from 1 and chained."""
    chain, result = GENESIS, []
    for position, event in enumerate(events, start=1):
        chain = chained(chain, encode_event(event))
        result.append(Record(position=position, event=event, chain=chain))
    return result


def misfit(data: bytes, position: int, chain: str) -> tuple[str, int, str]:
    """Return what is wrong with a stored batch that follows `position` and `chain`, and the new position and chain.

    The digests cover the stored text, so a journal of any version can be checked. The first value is empty if
    every record fits.
    """
    try:
        raw = decode_raw_batch(data)
    except JournalError as error:
        return str(error), position, chain
    if not raw:
        return "it contains no event", position, chain
    for record in raw:
        if record.position != position + 1:
            return f"it is numbered {record.position}: one is missing, or was put in", position, chain
        fitting = chained(chain, bytes(record.event))
        if record.chain != fitting:
            why = f"its digest is {record.chain}, and its content and all before it give {fitting}"
            return why, position, chain
        position, chain = record.position, record.chain
    return "", position, chain
