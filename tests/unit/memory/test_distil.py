"""What happened becomes state: nothing done is lost, nothing is done twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.plan import Goal, Plan, Step, StepStatus
from nebulus.core.provenance import Origin
from nebulus.core.state import State
from nebulus.core.tools import Mark, ToolResult
from nebulus.memory.distil import FACT_VALUE_CHARS, with_active, with_result, with_step_ended
from nebulus.memory.prompt import compose_step


def fresh(steps: int = 3) -> State:
    return State(goal=Goal(text="g"), plan=Plan(tuple(Step(number=n, text="t") for n in range(1, steps + 1))))


def facts_of(result: ToolResult) -> dict[str, str]:
    state = with_result(with_active(fresh(), 2), step=2, tool="t", call_id="c1", result=result)
    return {fact.name: fact.value for fact in state.facts}


def test_declared_fields_become_facts_with_their_origin() -> None:
    state = with_result(
        with_active(fresh(), 2), step=2, tool="t", call_id="c1", result=ToolResult(text="{}", fields={"n": 3})
    )
    (fact,) = state.facts
    assert (fact.name, fact.value, fact.step) == ("step 2 n", "3", 2)
    assert fact.provenance.origins == (Origin("tool", "t", "c1"),)


def test_a_field_called_result_or_a_short_line_is_the_steps_own_fact() -> None:
    assert facts_of(ToolResult(text="{}", fields={"result": "zed7"})) == {"step 2": "zed7"}
    assert facts_of(ToolResult(text="zed7")) == {"step 2": "zed7"}


def test_a_long_text_is_not_a_fact_but_an_artifact_behind_a_handle() -> None:
    assert facts_of(ToolResult(text="x" * (FACT_VALUE_CHARS + 1))) == {}
    result = ToolResult(text="head", artifact="f" * 64, size_bytes=100_000)
    state = with_result(with_active(fresh(), 1), step=1, tool="t", call_id="c9", result=result)
    assert (state.artifacts[0].handle, state.artifacts[0].size_bytes) == ("c9", 100_000)


def test_a_short_text_of_several_lines_is_one_fact_and_its_notable_values_are_others() -> None:
    assert facts_of(ToolResult(text="Mail: a@b.example\nthe end")) == {
        "step 2": "Mail: a@b.example\nthe end",
        "step 2 mail": "a@b.example",
    }


def test_a_tool_that_declares_its_facts_gives_only_these_inner_ones_too() -> None:
    result = ToolResult(text='{"a": 1, "b": 2, "user": {"mail": "x@y.example"}}', fields={"a": 1, "b": 2})
    state = with_result(
        with_active(fresh(), 2),
        step=2,
        tool="t",
        call_id="c",
        result=result,
        declared=("b", "user.mail", "gone"),
    )
    assert {fact.name: fact.value for fact in state.facts} == {
        "step 2 b": "2",
        "step 2 user.mail": "x@y.example",
    }


def test_marks_that_were_recorded_with_a_stored_result_become_its_facts() -> None:
    marks = (Mark("date", "2026-11-02", "line 900: due 2026-11-02"),)
    result = ToolResult(text="head 77", artifact="f" * 64, size_bytes=9, marks=marks)
    state = with_result(with_active(fresh(), 2), step=2, tool="t", call_id="c", result=result)
    assert [(fact.name, fact.where) for fact in state.facts] == [("step 2 date", "line 900: due 2026-11-02")]


def test_a_step_that_was_done_can_not_become_active_again() -> None:
    state = with_step_ended(with_active(fresh(), 1), 1, StepStatus.CALLED)
    with pytest.raises(ValueError, match="step 1 is called"):
        with_active(state, 1)


@given(ends=st.lists(st.sampled_from([StepStatus.PROVEN, StepStatus.CLAIMED]), max_size=3))
def test_a_step_that_was_done_is_never_offered_again(ends: list[StepStatus]) -> None:
    state = fresh()
    for status in ends:
        number = state.next_pending()
        state = with_step_ended(with_active(state, number), number, status)
        assert state.next_pending() != number
    assert state.done_count == len(ends)


def test_what_the_calls_of_one_answer_returned_is_shown_together_and_replaces_what_came_before() -> None:
    state = with_active(fresh(), 1)
    for call_id, city in (("c3", "Bergen"), ("c7", "Oslo"), ("c7.1", "Rome")):
        state = with_result(
            state,
            step=1,
            tool="weather",
            call_id=call_id,
            result=ToolResult(text=f"It rains in {city}"),
            arguments=f'{{"city":"{city}"}}',
        )
    shown = compose_step(state, step=1).messages()[-1].content
    assert 'Last: weather({"city":"Oslo"}) -> It rains in Oslo' in shown
    assert 'Last: weather({"city":"Rome"}) -> It rains in Rome' in shown
    assert 'weather({"city":"Bergen"})' not in shown


def test_one_output_is_shown_without_its_arguments() -> None:
    state = with_result(
        with_active(fresh(), 1),
        step=1,
        tool="t",
        call_id="c1",
        result=ToolResult(text="yes"),
        arguments='{"a":1}',
    )
    assert "Last: t -> yes" in compose_step(state, step=1).messages()[-1].content
