"""Finished work stays finished: whatever happens, and from wherever a run is taken up again."""

from hypothesis import given, settings
from hypothesis import strategies as st

from nebulus.core import events as e
from nebulus.core.commands import AskModel, Intend, JudgeCall, RunTool, Wait
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.plan import FINISHED_STATUSES, Plan, ToolSucceeded
from nebulus.core.tools import ToolResult
from nebulus.loop.transitions import replay
from tests.unit.loop.scenario import Scene, feed
from tests.unit.loop import scenario as sc

BROKEN = Failure(kind=FailureKind.NOT_FOUND, fault=Fault.TOOL, what="not there")


def next_event(machine: Scene, choice: int) -> e.Event | None:
    """Something that may happen now: mostly what helps, at times what does not."""
    match machine.command:
        case AskModel():
            words = sc.said("it is done") if choice == 1 else sc.called("look", value="a")
            return sc.said("") if choice == 2 else words
        case JudgeCall(call=call):
            return e.CallAllowed(call_id=call.call_id, rule="r")
        case Intend(call=call, key=key):
            return e.EffectIntended(call_id=call.call_id, key=key)
        case RunTool(call=call) if choice == 3:
            return e.ToolFailed(call_id=call.call_id, failure=BROKEN)
        case RunTool(call=call):
            text = "x" * 900 if choice == 4 else f"value {choice}"
            return e.ToolReturned(call_id=call.call_id, result=ToolResult(text=text))
        case Wait(seconds=seconds):
            return e.TimePassed(seconds=seconds)
        case _:
            return None


def finished(machine: Scene) -> set[int]:
    return {step.number for step in machine.state.plan.steps if step.status in FINISHED_STATUSES}


@settings(max_examples=40, deadline=None)
@given(choices=st.lists(st.integers(0, 9), max_size=60), cut=st.integers(0, 60))
def test_no_step_that_is_done_is_ever_asked_for_again(choices: list[int], cut: int) -> None:
    steps = tuple(sc.step(n, "look at the result of step 1", ToolSucceeded("look")) for n in range(1, 7))
    machine = sc.begun(*steps)
    events: list[e.Event] = []
    for choice in choices:
        event = next_event(machine, choice)
        if event is None:
            break
        before = finished(machine)
        machine = feed(machine, event)
        events.append(event)
        assert before <= finished(machine)
        if isinstance(machine.command, AskModel):
            assert machine.active not in finished(machine)
            assert f"Now: step {machine.active}. " in machine.request.messages[-1].content
    given_goal = e.GoalGiven(goal=machine.state.goal, plan=Plan(steps), run_id="r")
    resumed = replay(sc.setup(), (given_goal, *events[:cut]))
    for event in events[cut:]:
        resumed = feed(resumed, event)
    assert resumed.state == machine.state
    assert resumed.command == machine.command
