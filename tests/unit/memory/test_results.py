"""A reference finds what a tool returned, whole, or says what there is."""

from msgspec.structs import replace

from nebulus.core.history import CallRecord
from nebulus.core.plan import Goal, Plan, Step, StepStatus
from nebulus.core.provenance import Origin, Provenance
from nebulus.core.references import EarlierResult, Reference
from nebulus.core.state import State
from nebulus.core.tools import Effect, ToolResult
from nebulus.memory.distil import OBSERVATIONS_KEPT, with_error, with_result, with_step_ended
from nebulus.memory.results import find_result

LABEL = Provenance((Origin("tool", "look", "c1"),), is_trusted=True)


def record(number: int, *, step: int = 1, tool: str = "look", **more: bool) -> CallRecord:
    return CallRecord(
        call_id=f"c{number}",
        step=step,
        tool=tool,
        effect=Effect.READ,
        call_digest=str(number),
        result_digest=str(number),
        **more,
    )


def worked(*texts: str, is_open: bool = True) -> tuple[State, list[CallRecord]]:
    """Return the state after calls of step 1 that returned `texts`; "!" is a failure."""
    state = State(goal=Goal(text="g"), plan=Plan((Step(number=1, text="s", is_open=is_open),)))
    calls = []
    for number, text in enumerate(texts, start=1):
        if text == "!":
            state = with_error(state, step=1, tool="look", text="no", provenance=LABEL, call_id=f"c{number}")
        else:
            result = ToolResult(text=text)
            state = with_result(state, step=1, tool="look", call_id=f"c{number}", result=result)
        calls.append(record(number, is_error=text == "!"))
    return state, calls


def found(state: State, calls: list[CallRecord], reference: Reference, step: int = 1, **more: object) -> str:
    result = find_result(state, calls, reference, step=step, **more)  # type: ignore[arg-type]
    return result if isinstance(result, str) else f"{result.source}: {result.text or result.address}"


def test_a_call_is_found_by_its_number_in_the_step() -> None:
    state, calls = worked("one", "!", "three")
    assert found(state, calls, Reference("call", 1)) == "call 1: one"
    assert found(state, calls, Reference("call", 3)) == "call 3: three"
    assert found(state, calls, Reference("call", 2)) == "call 2 (look) failed, so it has no result"
    assert found(state, calls, Reference("call", 7)) == (
        "there is no call 7; calls 1 to 3 were made: 1 look, 2 look (failed), 3 look"
    )
    assert found(state, [], Reference("call", 1)) == "there is no call 1; no call was made yet"


def test_the_last_result_is_named_so_that_it_stays_the_same() -> None:
    state, calls = worked("one", "two", "!")
    assert found(state, calls, Reference("last")) == "call 2: two"
    assert found(state, [], Reference("last")) == "there is no last result; no call was made yet"


def test_the_last_result_is_not_what_a_writing_tool_said_that_it_did() -> None:
    state, calls = worked("one", "wrote 3 bytes")
    calls[1] = replace(calls[1], tool="write")
    assert found(state, calls, Reference("last"), receipts={"write"}) == "call 1: one"
    state, calls = worked("wrote 3 bytes")
    calls[0] = replace(calls[0], tool="write")
    assert found(state, calls, Reference("last"), receipts={"write"}) == "call 1: wrote 3 bytes"


def test_a_stored_result_is_found_where_it_is_stored_with_its_provenance() -> None:
    state = worked()[0]
    result = ToolResult(text="begin", artifact="address", size_bytes=9, is_trusted=False)
    state = with_result(state, step=1, tool="look", call_id="c1", result=result)
    item = find_result(state, [record(1)], Reference("call", 1, "a.b"), step=1)
    label = Provenance((Origin("tool", "look", "c1"),), is_trusted=False)
    assert item == EarlierResult("call 1", address="address", path="a.b", provenance=label)


def test_what_was_lost_or_empty_is_no_result() -> None:
    state, calls = worked("")
    assert found(state, calls, Reference("call", 1)) == "call 1 (look) returned nothing"
    lost = [replace(calls[0], is_lost=True)]
    assert found(state, lost, Reference("call", 1)) == "the result of call 1 (look) was lost"


def planned(count: int, last: str) -> tuple[State, list[CallRecord]]:
    steps = tuple(Step(number=number, text="s") for number in range(1, count))
    state = State(goal=Goal(text="g"), plan=Plan((*steps, Step(number=count, text=last))))
    calls = []
    for step in range(1, count):
        result = ToolResult(text=f"text {step}")
        state = with_result(state, step=step, tool="look", call_id=f"c{step}", result=result)
        state = with_step_ended(state, step, StepStatus.CALLED)
        calls.append(record(step, step=step))
    return state, calls


def test_a_step_is_its_last_result_however_long_ago_if_the_plan_asks_for_it() -> None:
    count = 2 * OBSERVATIONS_KEPT
    state, calls = planned(count, "put the result of step 2 there")
    assert found(state, calls, Reference("step", 2), step=count) == "step 2: text 2"
    assert found(state, calls, Reference("step", 3), step=count) == (
        "the result of step 3 (look) is not kept any more"
    )
    assert found(state, calls, Reference("step", 99), step=count).startswith(
        "there is no result of step 99; there are results of step "
    )


def test_a_step_can_not_refer_to_itself() -> None:
    state, calls = worked("one")
    assert found(state, calls, Reference("step", 1)) == (
        "there is no result of step 1; call 1 was made: 1 look"
    )
