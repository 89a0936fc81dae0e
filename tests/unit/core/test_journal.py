"""A journal says what happened in one form only, and a changed record is found."""

from collections.abc import Iterable
from typing import get_args

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nebulus.core.errors import JournalError
from nebulus.core.events import Event, PersonAbsent, RunResumed, WaitEnded
from nebulus.core.journal import (
    GENESIS,
    Record,
    chained,
    decode_batch,
    decode_event,
    encode_batch,
    encode_event,
    misfit,
    readable,
    records,
)
from tests.unit.core.values import any_of

EVENTS = any_of(Event)
JOURNALS = st.lists(EVENTS, min_size=1, max_size=6)


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_kind_of_event_is_decoded_as_it_was_recorded(kind: type) -> None:
    @given(any_of(kind))
    def comes_back(event: Event) -> None:
        encoded = encode_event(event)
        assert decode_event(encoded) == event
        assert kind is RunResumed or encode_event(decode_event(encoded)) == encoded, "sets have no order"
        assert b"\n" not in encoded
        assert msgspec.json.decode(encoded)["type"] == kind.__name__

    comes_back()


@pytest.mark.parametrize(
    "data", ["", "{}", "null", '{"type":"Nothing"}', '{"type":"WaitEnded"}', "{", b"\xff"]
)
def test_what_is_not_an_event_is_refused_with_a_reason(data: str | bytes) -> None:
    with pytest.raises(JournalError, match=r"is not an event of version \d+: "):
        decode_event(data)


def first_broken(journal: Iterable[Record]) -> int:
    """The position of the first record that does not fit, 0 if all do."""
    chain = GENESIS
    for position, record in enumerate(journal, start=1):
        why, _, chain = misfit(encode_batch([record]), position - 1, chain)
        if why:
            return position
    return 0


@given(JOURNALS)
def test_a_journal_is_numbered_from_one_and_unbroken(events: list[Event]) -> None:
    journal = records(events)
    assert [record.position for record in journal] == list(range(1, len(events) + 1))
    assert [record.event for record in journal] == events
    assert first_broken(journal) == 0


def test_an_empty_journal_is_unbroken() -> None:
    assert records([]) == []
    assert first_broken([]) == 0


@given(JOURNALS, st.data())
def test_any_flipped_byte_of_any_event_is_found_at_its_position(
    events: list[Event], data: st.DataObject
) -> None:
    journal = records(events)
    index = data.draw(st.integers(0, len(journal) - 1))
    encoded = bytearray(encode_event(journal[index].event))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        changed = decode_event(bytes(encoded))
    except JournalError:
        return  # the record can't be read any more, which is also found
    if encode_event(changed) == encode_event(journal[index].event):
        return  # another spelling of the same event (an unknown field, say): what happened is unchanged
    journal[index] = msgspec.structs.replace(journal[index], event=changed)
    assert first_broken(journal) == index + 1


@given(JOURNALS, st.data())
def test_a_changed_digest_is_found_at_its_position(events: list[Event], data: st.DataObject) -> None:
    journal = records(events)
    index = data.draw(st.integers(0, len(journal) - 1))
    journal[index] = msgspec.structs.replace(journal[index], chain=GENESIS)
    assert first_broken(journal) == index + 1


@given(st.lists(EVENTS, min_size=2, max_size=6), st.data())
def test_a_lost_record_is_found_unless_it_was_the_last(events: list[Event], data: st.DataObject) -> None:
    journal = records(events)
    index = data.draw(st.integers(0, len(journal) - 2))
    del journal[index]
    assert first_broken(journal) == index + 1


def test_two_exchanged_records_are_found() -> None:
    journal = records([WaitEnded(step=1, seconds=1.0), PersonAbsent(question_id="q1")])
    assert first_broken(journal[::-1]) == 1


@given(EVENTS, EVENTS)
@example(WaitEnded(step=1, seconds=1.0), WaitEnded(step=1, seconds=2.0))
def test_the_chain_covers_what_went_before(first: Event, second: Event) -> None:
    data = encode_event(second)
    after_genesis = chained(GENESIS, data)
    assert chained(chained(GENESIS, encode_event(first)), data) != after_genesis
    assert len(after_genesis) == 16


def test_a_record_renumbered_by_hand_is_found() -> None:
    [record] = records([PersonAbsent(question_id="q1")])
    assert first_broken([Record(position=2, event=record.event, chain=record.chain)]) == 1


@given(JOURNALS)
def test_events_that_were_made_durable_together_come_back_together(events: list[Event]) -> None:
    assert decode_batch(encode_batch(records(events))) == records(events)


@pytest.mark.parametrize(
    "data", ["[]", "{}", '[{"position":1,"chain":"0","event":{"type":"Nothing"}}]', b"[\xff]", ""]
)
def test_what_is_not_a_batch_of_events_is_refused_with_a_reason(data: str | bytes) -> None:
    with pytest.raises(
        JournalError,
        match=r"^what was recorded (is not a list of records of version \d+: .|contains no event$)",
    ):
        decode_batch(data)


def test_a_journal_of_another_version_can_be_read_and_checked_though_not_replayed() -> None:
    event = b'{"type":"GoalGiven","goal":{"text":"g"}}'
    line = b'[{"position":1,"event":%s,"chain":"%s"}]' % (event, chained(GENESIS, event).encode())
    assert [record["event"]["type"] for record in readable([line])] == ["GoalGiven"]
    assert misfit(line, 0, GENESIS)[0] == ""
    with pytest.raises(JournalError):
        decode_batch(line)
