"""A call is compared with the arguments of its step; a doubt is distinguished from a certainty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.calls.step_arguments import contradicted, differing, doubted, is_code_name, unasked
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
    finding = doubted(step, Call(tool.name, dict(arguments)), tool)
    return "" if finding is None else f"{finding.where} {finding.rule}"


def test_a_quoted_value_after_a_sign_must_be_what_the_call_gives() -> None:
    step = 'Use write_file with path = "drafts/date.md", content: `Friday at noon` and lines = "3".'
    right = {"path": "drafts/date.md", "content": "Friday at noon", "lines": 3}
    assert rule(step, WRITE, **right) == ""
    assert rule(step, WRITE, **{**right, "path": "news.md"}) == "/path the step says path = drafts/date.md"
    assert rule(step, WRITE, **{**right, "content": "Friday"}).startswith("/content the step says")
    assert rule(step, WRITE, **{**right, "lines": 4}) == "/lines the step says lines = 3"
    assert rule(step, WRITE, path="drafts/date.md", content="Friday at noon").startswith("/lines")


def test_what_is_not_in_quotes_after_a_sign_is_at_most_a_doubt() -> None:
    for step in (
        "write_file path = a.md",
        "write_file where the path is `a.md`",
        "write_file `a.md` as path",
    ):
        assert rule(step, WRITE, path="b.md") == ""
        assert doubt(step, WRITE, path="b.md") == "/path the step says path = a.md"


@pytest.mark.parametrize(
    "value",
    [
        "Order for SYNX is completed.",
        "lunch for 12",
        "..",
        "Cheers!",
        "file1.txt, file2.txt",
        "a; b | c & d",
        "50% off, with 'quotes' in it",
        "as path, lines = 3",
    ],
)
def test_a_value_that_is_written_where_the_parameter_is_named_is_never_doubted(value: str) -> None:
    step = f"Use write_file with path = notes.md, content = {value}"
    assert doubt(step, WRITE, path="notes.md", content=value) == ""


@given(value=st.text(min_size=1, max_size=40))
def test_no_right_value_without_quotes_is_ever_called_a_contradiction(value: str) -> None:
    assert rule(f"Use write_file with content = {value}", WRITE, content=value).count("path") == 0


def test_a_quoted_value_may_be_written_with_escapes() -> None:
    step = r'Use write_file with content = "one\ntwo"'
    assert rule(step, WRITE, content="one\ntwo") == rule(step, WRITE, content=r"one\ntwo") == ""


def test_arguments_that_are_data_are_compared_by_value() -> None:
    def wrong(given: dict[str, object], **arguments: object) -> str:
        finding = differing(Call("write_file", dict(arguments)), given)
        return "" if finding is None else f"{finding.where} {finding.rule}"

    assert wrong({"lines": 3, "tags": ["a", {"b": 1}]}, lines=3.0, tags=["a", {"b": 1}], path="x") == ""
    assert wrong({"lines": 1}, lines=True) == "/lines the step gives lines = 1"
    assert wrong({"content": "a b"}, content="a").startswith("/content")
    assert wrong({"path": "a.md"}) == '/path the step gives path = "a.md"'


def test_a_name_that_prose_uses_too_does_not_make_a_sentence_an_instruction() -> None:
    assert all(map(is_code_name, ("write_file", "activateBrake", "get-user", "path2")))
    assert not any(map(is_code_name, ("sort", "find", "Write")))


def test_values_of_several_words_without_quotes_are_not_certain() -> None:
    assert (
        rule("write_file content = the result of step 2, path = a.md", WRITE, content="x", path="a.md") == ""
    )


def test_truth_is_spelled_in_any_case_and_other_names_are_no_assignment() -> None:
    assert rule("move_file force = True", MOVE, force=True) == ""
    assert rule("move_file enforce=x and resource = y", MOVE, force=True, source="z") == ""


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


def test_a_value_that_was_cut_across_a_quotation_mark_or_a_name_is_a_doubt() -> None:
    step = "write_file takes a.md and says 'Friday at noon'"
    assert doubt(step, WRITE, path="a.md", content="says 'Friday at").endswith("the value cuts a quoted one")
    step = "send_note hello with reply_to ada"
    over = doubt(step, SEND, text="hello with reply_to", to="ada")
    assert over == "/text the value runs over a parameter's name"
    assert rule(step, SEND, text="hello with reply_to", to="ada") == ""


def test_a_value_that_the_step_gives_to_another_parameter_is_a_doubt() -> None:
    step = "write_file notes with content = `Friday`"
    assert doubt(step, WRITE, path="Friday", content="Friday") == "/path the step gives that value to content"
    assert doubt(f"{step}, also named Friday", WRITE, path="Friday", content="Friday") == ""


def test_a_preposition_is_the_name_of_a_parameter_only_before_a_sign() -> None:
    step = "Use send_note: tell ada, copy to bob@example.org"
    assert doubt(step, SEND, text="hi", to="ada") == ""
    assert doubt("send_note text = hi, to = bob", SEND, text="hi", to="ada").startswith("/to the step says")


def test_words_and_paths_of_other_calls_in_the_step_are_no_doubt() -> None:
    step = "Use write_file: put 'monday.md' and `tuesday.md` into notes/week.md, and tell bob@example.org"
    assert doubt(step, WRITE, path="notes/week.md", content="plan") == ""


def test_an_optional_argument_of_a_change_that_nothing_asks_for_is_a_doubt() -> None:
    def extra(step: str, beside: str = "", **more: object) -> str:
        call = Call("send_note", {"text": "hi", "to": "ada", **more})
        finding = unasked(step, call, SEND, beside=beside)
        assert finding is None or finding.kind is FindingKind.ARGUMENT_MISMATCH
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
        doubt(step, SEND, text="hi", to="ada")
        == "/reply_to the step names reply_to, and the call leaves it out"
    )
    assert doubt(step, SEND, text="hi", to="ada", reply_to="bob") == ""
    assert doubt("send_note text to ada", SEND, text="text", to="ada").endswith("own name is not a value")
    assert doubt("send_note hi to ada in copies", SEND, text="hi", to="ada") == "", (
        "copies is a word of prose"
    )


def test_one_of_a_few_options_is_asked_for_too() -> None:
    shape = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}}
    paint = ToolSpec(name="paint", parameters=shape, effect=Effect.WRITE)
    assert unasked("paint with no arguments", Call("paint", {"colour": "red"}), paint) is not None
    assert unasked("paint it red", Call("paint", {"colour": "red"}), paint) is None
