"""What a goal names literally is found by its form alone."""

import pytest

from nebulus.memory.mentions import Mention, mentions_of, unused_after


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("Move notes/may.md to archive/may.md.", ["notes/may.md", "archive/may.md"]),
        ("Tidy the inbox/ folder, then read `todo.txt`!", ["todo.txt", "inbox/"]),
        ("Count the rows of sales.csv's first column", ["sales.csv"]),
        ("Use and/or logic, e.g. with os.path, in version 2.0 of example.com", []),
        ("See https://example.com/a.md or write to ada@example.md", []),
        ("Delete notes/*.md", []),
    ],
)
def test_paths_are_recognised_by_their_ending(text: str, paths: list[str]) -> None:
    assert [mention.text for mention in mentions_of(text) if mention.is_path] == paths


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('Write "Hello, world" into it', ["Hello, world"]),
        ("Replace 'old' with 'new', don't ask", ["old", "new"]),
        ("It's Ada's and Tom's", []),
        ("Set \u201cdebug\u201d to `true`", ["debug", "true"]),
    ],
)
def test_quotations_are_recognised_and_apostrophes_are_not(text: str, quoted: list[str]) -> None:
    assert [mention.text for mention in mentions_of(text)] == quoted


def test_a_path_is_used_by_an_argument_and_a_quotation_also_by_a_result() -> None:
    mentions = (Mention("a/b.md", is_path=True), Mention("hello"), Mention("never"))
    left = unused_after(mentions, {"edits": [{"path": "a/b.md"}]}, "line 1: hello")
    assert left == (Mention("never"),)
    assert unused_after(mentions[:1], {"path": "c.md"}, "a/b.md") == mentions[:1]
