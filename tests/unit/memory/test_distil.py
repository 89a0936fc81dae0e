"""What happened becomes state: nothing done is lost, nothing is done twice."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.plan import Goal, Plan, Step, StepStatus
from nebulus.core.state import State
from nebulus.core.tools import ToolResult
from nebulus.memory.distil import FACT_VALUE_CHARS, with_active, with_result, with_step_ended


def fresh(steps: int = 3) -> State:
    return State(goal=Goal(text="g"), plan=Plan(tuple(Step(number=n, text="t") for n in range(1, steps + 1))))


def facts_of(result: ToolResult) -> dict[str, str]:
    state = with_result(with_active(fresh(), 2), tool="t", call_id="c1", result=result)
    return {fact.name: fact.value for fact in state.facts}


def test_declared_fields_become_facts_with_their_origin() -> None:
    state = with_result(
        with_active(fresh(), 2), tool="t", call_id="c1", result=ToolResult(text="{}", fields={"n": 3})
    )
    (fact,) = state.facts
    assert (fact.name, fact.value, fact.step) == ("step 2 n", "3", 2)
    assert fact.provenance.origins[0].ref == "t c1"


def test_a_field_called_result_or_a_short_line_is_the_steps_own_fact() -> None:
    assert facts_of(ToolResult(text="{}", fields={"result": "zed7"})) == {"step 2": "zed7"}
    assert facts_of(ToolResult(text="zed7")) == {"step 2": "zed7"}


def test_a_long_text_is_no_fact_but_an_artifact_behind_a_handle() -> None:
    assert facts_of(ToolResult(text="x" * (FACT_VALUE_CHARS + 1))) == {}
    result = ToolResult(text="head", artifact="f" * 64, size_bytes=100_000)
    state = with_result(with_active(fresh(), 1), tool="t", call_id="c9", result=result)
    assert (state.artifacts[0].handle, state.artifacts[0].size_bytes) == ("c9", 100_000)


@given(ends=st.lists(st.sampled_from([StepStatus.PROVEN, StepStatus.CLAIMED]), max_size=3))
def test_a_step_that_was_done_is_never_offered_again(ends: list[StepStatus]) -> None:
    state = fresh()
    for status in ends:
        number = state.next_pending()
        state = with_step_ended(with_active(state, number), status)
        assert state.next_pending() != number
    assert state.done_count == len(ends)
