"""A call is held against the words of its step, and a doubt is told from a certainty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.calls.heed import contradicted, doubted, overlooked, spelled_out, unasked
from nebulus.core.findings import Call, FindingKind
from nebulus.core.tools import Effect, ToolSpec

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


SEND = ToolSpec(
    name="send_note",
    parameters={
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "to": {"type": "string"},
            "copies": {"type": "integer"},
            "is_urgent": {"type": "boolean"},
            "reply_to": {"type": "string"},
        },
        "required": ["text", "to"],
    },
    effect=Effect.WRITE,
    grounded=("reply_to",),
)


def borrowed(step: str, tool: ToolSpec, **arguments: object) -> str:
    finding = doubted(step, Call(tool.name, dict(arguments)), tool)
    return "" if finding is None else f"{finding.where} {finding.rule}"


def test_half_of_a_quoted_value_is_a_contradiction_where_the_step_names_the_parameter() -> None:
    step = "Use write_file, path `a.md`, content 'Friday; at noon'"
    assert rule(step, WRITE, path="a.md", content="Friday; at noon") == ""
    assert (
        rule(step, WRITE, path="a.md", content="Friday") == "/content the step says content = Friday; at noon"
    )


def test_half_of_a_quoted_value_is_a_doubt_where_it_does_not() -> None:
    step = "Write 'Friday; at noon' into a.md by write_file"
    assert doubt(step, WRITE, path="a.md", content="Friday").startswith("the step names Friday; at noon")
    spread = "Write 'Friday into a.md' by write_file"
    assert doubt(spread, WRITE, path="a.md", content="Friday") == "", "a quoted phrase may be spread"


def test_a_value_that_was_cut_across_a_quotation_mark_or_a_name_is_a_contradiction() -> None:
    step = "write_file takes a.md and says 'Friday at noon'"
    assert rule(step, WRITE, path="a.md", content="says 'Friday at").endswith("the value cuts a quoted one")
    step = "send_note hello with reply_to ada"
    over = rule(step, SEND, text="hello with reply_to", to="ada")
    assert over == "/text the value runs over a parameter's name"
    assert rule(step, SEND, text="hello", to="ada") == ""


def test_a_value_that_the_step_gives_to_another_parameter_is_a_doubt() -> None:
    step = "write_file into notes.md with content = `Friday`"
    assert borrowed(step, WRITE, path="Friday", content="Friday").endswith("the call leaves it out")
    step = "write_file notes with content = `Friday`"
    assert (
        borrowed(step, WRITE, path="Friday", content="Friday") == "/path the step gives that value to content"
    )
    assert borrowed(f"{step}, also named Friday", WRITE, path="Friday", content="Friday") == ""


def test_an_optional_argument_that_nothing_asks_for_is_left_out_of_a_change() -> None:
    def extra(step: str, beside: str = "", **more: object) -> str:
        call = Call("send_note", {"text": "hi", "to": "ada", **more})
        finding = unasked(step, call, SEND, beside=beside)
        assert finding is None or finding.kind is FindingKind.UNREQUESTED_ARGUMENT
        return "" if finding is None else finding.where

    step = "send_note hi to ada"
    assert extra(step) == ""
    assert extra(step, copies=3) == "/copies"
    assert extra(step, is_urgent=False) == "/is_urgent"
    assert extra(step, reply_to="bob") == "/reply_to"
    assert extra(step, beside="Always send 3.", copies=3) == ""
    assert extra(f"{step} three times", copies=3) == ""
    assert extra(f"{step}, urgently, in copies", copies=2, is_urgent=True) in ("", "/is_urgent")
    assert extra(f"{step} from bob", reply_to="bob") == ""
    assert extra("send_note with no arguments for bob", reply_to="bob") == "/reply_to"
    assert extra("send_note text = bob, to ada", reply_to="bob") == "/reply_to", "that is what the text is"


def test_what_only_looks_may_be_given_more_than_was_asked_for() -> None:
    look = ToolSpec(name="list", parameters={"type": "object", "properties": {"most": {"type": "integer"}}})
    assert unasked("list them", Call("list", {"most": 5}), look) is None


def test_a_parameter_that_the_step_names_and_the_call_leaves_out_is_a_doubt() -> None:
    step = "send_note hi to ada, the reply_to bob"
    assert (
        borrowed(step, SEND, text="hi", to="ada")
        == "/reply_to the step names reply_to, and the call leaves it out"
    )
    assert borrowed(step, SEND, text="hi", to="ada", reply_to="bob") == ""
    assert borrowed("send_note text to ada", SEND, text="text", to="ada").endswith("own name is no value")
    assert borrowed("send_note hi to ada in copies", SEND, text="hi", to="ada") == "", (
        "copies is a word of prose"
    )


def test_one_of_a_few_options_is_asked_for_too() -> None:
    shape = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}}
    paint = ToolSpec(name="paint", parameters=shape, effect=Effect.WRITE)
    assert unasked("paint with no arguments", Call("paint", {"colour": "red"}), paint) is not None
    assert unasked("paint it red", Call("paint", {"colour": "red"}), paint) is None
