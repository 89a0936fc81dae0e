"""An answer in pieces is read as the same answer whole."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nebulus.calls import StreamReader, read
from nebulus.core.answers import FinishReason, ModelAnswer, RawCall
from nebulus.core.findings import Call, FindingKind
from tests.unit.calls.samples import OSLO, TOOLS, fixture_cases, said

TEXTS = [case["text"] for _, case in fixture_cases()]
ARGUMENTS = '{"city": "Oslo", "days": 2}'


@given(st.sampled_from(TEXTS), st.lists(st.integers(0, 400), max_size=6))
def test_any_way_to_split_a_text_reads_the_same(text: str, places: list[int]) -> None:
    cuts = sorted({0, len(text), *(place for place in places if place < len(text))})
    reader = StreamReader(TOOLS)
    for start, end in pairwise(cuts):
        reader.feed(text[start:end])
    assert reader.close() == said(text)


def test_the_servers_calls_grow_piece_by_piece() -> None:
    for place in range(len(ARGUMENTS) + 1):
        reader = StreamReader(TOOLS)
        reader.feed_call(0, call_id="a", name="get_weather", arguments=ARGUMENTS[:place])
        reader.feed_call(0, arguments=ARGUMENTS[place:])
        answer = ModelAnswer(calls=(RawCall("get_weather", ARGUMENTS, "a"),))
        assert reader.close(FinishReason.CALLS) == read(answer, TOOLS)


def test_parallel_calls_that_all_have_index_0_are_told_apart_by_their_ids() -> None:
    reader = StreamReader(TOOLS)
    reader.feed_call(0, call_id="a", name="get_weather", arguments=ARGUMENTS)
    reader.feed_call(0, call_id="b", name="now", arguments="{}")
    assert reader.close().calls == (OSLO, Call("now", {}))


def test_calls_glued_into_one_are_a_finding() -> None:
    reader = StreamReader(TOOLS)
    reader.feed_call(0, name="get_weather", arguments=ARGUMENTS)
    reader.feed_call(0, arguments=ARGUMENTS.replace("Oslo", "Bergen"))
    reading = reader.close()
    assert (reading.calls, reading.finding is None) == ((), False)


def test_a_name_sent_with_every_piece_is_one_name() -> None:
    reader = StreamReader(TOOLS)
    for piece in (ARGUMENTS[:5], ARGUMENTS[5:]):
        reader.feed_call(0, name="get_weather", arguments=piece)
    assert reader.close().calls == (OSLO,)


def test_a_stream_that_was_cut_is_never_executed() -> None:
    reader = StreamReader(TOOLS)
    reader.feed_reasoning("I look it up.")
    reader.feed_call(0, name="get_weather", arguments=ARGUMENTS)
    finding = reader.close(FinishReason.LENGTH).finding
    assert finding is not None
    assert finding.kind is FindingKind.TRUNCATED
