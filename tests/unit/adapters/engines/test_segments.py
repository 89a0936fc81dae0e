"""How a run is read back from its segments."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.engines.held import Entry
from nebulus.adapters.engines.segments import (
    Head,
    Segment,
    decode_head,
    encode_head,
    journal,
    parsed_id,
    run_status,
    segment_id,
    segment_prefix,
)
from nebulus.core.errors import JournalError
from nebulus.ports.engine import RunStatus

SEGMENT = Segment(
    run_id="run",
    number=1,
    status="PENDING",
    head=Head(request="{}", created_s=1.0),
    owner="host:1:a",
    version="1",
    updated_s=2.0,
    stop_asked=False,
)


def segment(number: int, *, keep: int = 0) -> Segment:
    head = Head(request="{}", created_s=1.0, keep=keep)
    return msgspec.structs.replace(SEGMENT, number=number, head=head)


def entries(*names: str) -> list[Entry]:
    return [Entry(name, "1") for name in names]


@given(st.text(), st.integers(1, 10**6))
def test_a_segment_id_gives_back_the_run_and_the_number(run_id: str, number: int) -> None:
    assert parsed_id(segment_id(run_id, number)) == (run_id, number)
    assert segment_id(run_id, number).startswith(segment_prefix(run_id))


@pytest.mark.parametrize("foreign", ["run", "run~", "run~x", "run~-1", "~"])
def test_what_is_no_segment_is_refused(foreign: str) -> None:
    with pytest.raises(JournalError, match="is no segment of a run"):
        parsed_id(foreign)


@given(st.text(), st.floats(0, 1e12), st.integers(0, 10**6))
def test_a_head_comes_back_whole(request: str, created_s: float, keep: int) -> None:
    head = Head(request=request, created_s=created_s, keep=keep)
    assert decode_head(encode_head(head)) == head


def test_a_head_that_spells_nothing_is_refused() -> None:
    with pytest.raises(JournalError, match="the head of a segment"):
        decode_head('{"keep": 1}')


def test_a_journal_is_what_each_segment_keeps_and_adds() -> None:
    first, second, third = segment(1), segment(2, keep=2), segment(3, keep=1)
    assert journal([(first, entries("a", "b", "c"))]) == entries("a", "b", "c")
    assert journal([(first, entries("a", "b", "c")), (second, entries("d"))]) == entries("a", "b", "d")
    assert journal(
        [(first, entries("a", "b", "c")), (second, entries("d")), (third, entries("e"))]
    ) == entries("a", "e")


@pytest.mark.parametrize(
    ("status", "is_held", "stop_asked", "expected"),
    [
        ("SUCCESS", False, False, RunStatus.ENDED),
        ("SUCCESS", False, True, RunStatus.ENDED),
        ("PENDING", True, False, RunStatus.RUNNING),
        ("PENDING", True, True, RunStatus.RUNNING),
        ("PENDING", False, False, RunStatus.INTERRUPTED),
        ("PENDING", False, True, RunStatus.CANCELLED),
        ("CANCELLED", False, False, RunStatus.INTERRUPTED),
        ("CANCELLED", False, True, RunStatus.CANCELLED),
        ("ENQUEUED", False, False, RunStatus.INTERRUPTED),
    ],
)
def test_where_a_run_stands_follows_from_its_last_segment(
    status: str, is_held: bool, stop_asked: bool, expected: RunStatus
) -> None:
    last = msgspec.structs.replace(SEGMENT, status=status, stop_asked=stop_asked)
    assert run_status(last, is_held=is_held) is expected
