"""What others wrote can't take over the terminal or leave its line."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.findings import Call
from nebulus.report.text import format_call, format_seconds, one_line, safe


@given(st.text())
def test_no_text_moves_the_cursor_or_leaves_its_line(text: str) -> None:
    assert one_line(text).isprintable()
    assert safe(text).isprintable()


@given(st.text(alphabet="ab \n", min_size=0, max_size=400))
def test_a_line_is_bounded(text: str) -> None:
    assert len(one_line(text, 40)) <= 40


def test_escape_sequences_are_shown_and_not_sent() -> None:
    assert one_line("\x1b[2Jgone") == "\\x1b[2Jgone"
    assert one_line("a\r\nb\u202e") == "a ⏎ b\\u202e"


def test_a_call_reads_like_code() -> None:
    assert format_call(Call("move", {"source": "a b", "count": 2})) == 'move(source="a b", count=2)'


def test_durations_have_a_unit_that_fits() -> None:
    assert [format_seconds(value_s) for value_s in (0.04, 59.9, 125)] == ["0.0 s", "59.9 s", "2 min 5 s"]
