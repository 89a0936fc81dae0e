"""A call is held against the words of its step, and a doubt is told from a certainty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.calls.heed import assigned, contradicted, overlooked, spelled_out
from nebulus.core.findings import Call
from nebulus.core.tools import ToolSpec

MOVE = ToolSpec(
    name="move_file",
    parameters={
        "type": "object",
        "properties": {
            "source": {"type": "string"},
            "target": {"type": "string"},
            "force": {"type": "boolean"},
        },
    },
)
WRITE = ToolSpec(
    name="write_file",
    parameters={
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "content": {"type": "string"},
            "lines": {"type": "integer"},
        },
    },
)


def rule(step: str, tool: ToolSpec, **arguments: object) -> str:
    finding = contradicted(step, Call(tool.name, dict(arguments)), tool)
    return "" if finding is None else f"{finding.where} {finding.rule}"


def doubt(step: str, tool: ToolSpec, **arguments: object) -> str:
    finding = overlooked(step, Call(tool.name, dict(arguments)), tool)
    return "" if finding is None else finding.rule


def test_what_a_step_assigns_by_name_must_be_what_the_call_gives() -> None:
    step = 'Use write_file with path = drafts/date.md, content = "Friday at noon" and lines = 3.'
    assert rule(step, WRITE, path="drafts/date.md", content="Friday at noon", lines=3) == ""
    right = {"path": "drafts/date.md", "content": "Friday at noon", "lines": 3}
    assert (
        rule(step, WRITE, **{**right, "path": "drafts/news.md"})
        == "/path the step says path = drafts/date.md"
    )
    assert (
        rule(step, WRITE, **{**right, "content": "Friday"})
        == "/content the step says content = Friday at noon"
    )
    assert rule(step, WRITE, **{**right, "lines": 4}) == "/lines the step says lines = 3"
    assert (
        rule(step, WRITE, path="drafts/date.md", content="Friday at noon") == "/lines the step says lines = 3"
    )


def test_values_of_several_words_without_quotes_are_not_certain() -> None:
    assert (
        rule("write_file content = the result of step 2, path = a.md", WRITE, content="x", path="a.md") == ""
    )
    assert list(assigned("write_file content = Release notes for May", WRITE)) == []


def test_truth_is_spelled_in_any_case_and_other_names_are_no_assignment() -> None:
    assert rule("move_file force = True", MOVE, force=True) == ""
    assert rule("move_file enforce=x and resource = y", MOVE, force=True, source="z") == ""


@pytest.mark.parametrize(
    ("step", "spelled"),
    [
        ("Move inbox/a.md to archive/", ["inbox/a.md", "archive/"]),
        ('Write `drafts/x.md`, say "hello there" to bob@x.org', ["drafts/x.md", "hello there", "bob@x.org"]),
        ("It's step 3's result, e.g. nothing. See 'notes'.", ["notes"]),
        ("and/or", ["and/or"]),
    ],
)
def test_quoted_words_paths_and_addresses_are_spelled_out(step: str, spelled: list[str]) -> None:
    assert list(spelled_out(step)) == spelled


def test_what_the_step_names_and_no_argument_holds_is_a_doubt() -> None:
    step = "Move `inbox/a.md` into archive/ by move_file"
    assert doubt(step, MOVE, source="inbox/a.md", target="archive/a.md") == ""
    assert doubt(step, MOVE, source="inbox/b.md", target="archive/b.md").startswith(
        "the step names inbox/a.md"
    )
    assert doubt("`source` is `a.md`", MOVE, source="a.md") == ""


@given(step=st.text(max_size=200), value=st.text(max_size=40))
def test_any_text_is_read_without_an_error(step: str, value: str) -> None:
    doubt(step, WRITE, path=value)
    rule(step, WRITE, path=value)


@given(value=st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20))
def test_the_right_call_is_never_complained_of(value: str) -> None:
    step = f'Use write_file with path = "{value}"'
    assert rule(step, WRITE, path=value) == doubt(step, WRITE, path=value) == ""
