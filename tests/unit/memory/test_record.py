"""What is recorded of a long result: its head, its shape, and the notable values of all of it."""

from nebulus.memory.record import RECORDED_CHARS, needs_store, stored_result


def test_notable_values_are_found_beyond_the_recorded_head() -> None:
    text = "word " * 1000 + "\nOrder: K-77\n" + "word " * 1000
    result = stored_result(text, address="a" * 64, is_trusted=False)
    assert needs_store(text)
    assert "K-77" not in result.text
    assert [(mark.name, mark.value, mark.where) for mark in result.marks] == [("order", "K-77", "line 2")]
    assert (result.artifact, result.size_bytes, result.shape) == ("a" * 64, len(text), "3 lines")
    assert f"[{len(text) - RECORDED_CHARS} more characters not shown]" in result.text
    assert not result.is_trusted


def test_a_short_text_needs_no_store() -> None:
    assert not needs_store("a\nb")
