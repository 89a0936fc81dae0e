"""Calls in pieces: whatever the server does with index and id, two calls are never joined."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.backends.anthropic_wire import AnthropicStream
from nebulus.adapters.backends.bounds import MOST_CALLS
from nebulus.adapters.backends.call_merge import CallMerger
from nebulus.adapters.backends.ollama_wire import OllamaStream
from nebulus.core.answers import RawCall
from nebulus.core.errors import BackendError

names = st.sampled_from(["read_file", "write_file"])
texts = st.lists(st.text('{}"ab:,', min_size=1, max_size=4), max_size=4)
asked = st.lists(st.tuples(names, texts), min_size=1, max_size=4)


@given(asked, st.booleans(), st.booleans(), st.booleans())
def test_any_way_of_telling_calls_apart_is_enough(
    calls: list[tuple[str, list[str]]], is_index_shared: bool, has_ids: bool, names_repeat: bool
) -> None:
    if names_repeat and not has_ids:
        return  # then nothing tells a second call from a repeated name
    merger = CallMerger()
    for at, (name, pieces) in enumerate(calls):
        index, call_id = (0 if is_index_shared else at), (f"c{at}" if has_ids else "")
        merger.add(index, call_id=call_id, name=name)
        for piece in pieces:
            again = {"call_id": call_id, "name": name} if names_repeat else {}
            merger.add(index, arguments=piece, **again)
    assert [(call.name, call.arguments) for call in merger.calls()] == [
        (name, "".join(pieces)) for name, pieces in calls
    ]


@given(asked)
def test_pieces_of_parallel_calls_may_be_interleaved(calls: list[tuple[str, list[str]]]) -> None:
    merger = CallMerger()
    for at, (name, _) in enumerate(calls):
        merger.add(at, call_id=f"c{at}", name=name)
    for round_ in range(4):
        for at, (_, pieces) in enumerate(calls):
            if round_ < len(pieces):
                merger.add(at, arguments=pieces[round_])
    assert [call.arguments for call in merger.calls()] == ["".join(pieces) for _, pieces in calls]


@pytest.mark.parametrize("call_id", ["", "c1"])
def test_a_name_is_never_appended_to_a_name(call_id: str) -> None:
    merger = CallMerger()
    merger.add(0, call_id=call_id, name="write_file")
    merger.add(0, call_id=call_id, name="write_file", arguments="{}")
    assert {call.name for call in merger.calls()} == {"write_file"}


def test_whole_calls_on_one_index_without_ids_stay_apart() -> None:
    merger = CallMerger()
    merger.add(0, name="search", arguments='{"query":"A"}')
    merger.add(0, name="search", arguments='{"query":"B"}')
    assert merger.calls() == (RawCall("search", '{"query":"A"}'), RawCall("search", '{"query":"B"}'))


def test_one_id_with_two_names_is_two_calls() -> None:
    merger = CallMerger()
    merger.add(0, call_id="same", name="read_file", arguments="{}")
    merger.add(0, call_id="same", name="write_file", arguments="{}")
    assert [call.name for call in merger.calls()] == ["read_file", "write_file"]


def test_a_stream_may_begin_only_so_many_calls() -> None:
    merger = CallMerger()
    for number in range(MOST_CALLS):
        merger.add(0, call_id=str(number))
    with pytest.raises(BackendError, match="too many calls"):
        merger.add(0, call_id="one more")


def test_a_message_of_anthropic_may_begin_only_so_many_blocks() -> None:
    stream = AnthropicStream("m", lambda piece: None)
    for number in range(MOST_CALLS + 1):
        stream.feed(b'{"type": "content_block_start", "index": %d}' % number)
    with pytest.raises(BackendError, match="too many calls"):
        stream.feed(b'{"type": "content_block_start", "index": 7777}')


def test_a_reply_of_ollama_may_have_only_so_many_calls() -> None:
    with pytest.raises(BackendError, match="too many calls"):
        OllamaStream("m", lambda piece: None).feed(
            b'{"message": {"tool_calls": [' + b"{}," * MOST_CALLS + b"{}]}}"
        )
