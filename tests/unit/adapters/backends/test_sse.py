"""Streams as lines, in whatever pieces they come."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.backends.bounds import LineSplitter
from nebulus.adapters.backends.sse import payload


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_lines_do_not_depend_on_where_a_stream_is_cut(stream: bytes, cuts: list[int]) -> None:
    whole, pieces = LineSplitter(1000), LineSplitter(1000)
    lines: list[bytes] = []
    at = 0
    for cut in sorted(min(cut, len(stream)) for cut in cuts):
        lines += pieces.feed(stream[at:cut])
        at = cut
    lines += pieces.feed(stream[at:])
    assert lines == whole.feed(stream)
    assert pieces.finish() == whole.finish()


def test_only_json_is_a_payload() -> None:
    assert payload(b'data: {"a":1}') == b'{"a":1}'
    assert payload(b'data:{"a":1}\r'.rstrip()) == b'{"a":1}'
    assert payload(b'{"done":false}') == b""
    assert payload(b'{"done":false}', is_bare=True) == b'{"done":false}'
    for line in (b"data: [DONE]", b": ping", b"event: message_start", b"", b"retry: 10", b"id: 3"):
        assert payload(line) == b""
