"""What others wrote can't take over the terminal, nor leave its line."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.cli.words import one_line, safe, seconds, spelled
from nebulus.core.findings import Call


@given(st.text())
def test_no_text_moves_the_cursor_or_leaves_its_line(text: str) -> None:
    assert one_line(text).isprintable()
    assert safe(text).isprintable()


@given(st.text(alphabet="ab \n", min_size=0, max_size=400))
def test_a_line_is_bounded(text: str) -> None:
    assert len(one_line(text, 40)) <= 40


def test_escape_sequences_are_spelled_out() -> None:
    assert one_line("\x1b[2Jgone") == "\\x1b[2Jgone"
    assert one_line("a\r\nb\u202e") == "a ⏎ b\\u202e"


def test_a_call_reads_like_code() -> None:
    assert spelled(Call("move", {"source": "a b", "count": 2})) == 'move(source="a b", count=2)'


def test_times_are_said_in_a_unit_that_fits() -> None:
    assert [seconds(0.04), seconds(59.9), seconds(125)] == ["0.0 s", "59.9 s", "2 min 5 s"]
