"""Finished work stays finished: whatever happens, and from wherever a run is resumed."""

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core import events as e
from nebulus.core.commands import AskModel, JudgeCall, RunTool, Wait
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.plan import FINISHED_STATUSES, ToolSucceeded
from nebulus.loop import transitions
from nebulus.loop.pending import commands
from nebulus.loop.transitions import replay
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import Scene, feed

BROKEN = Failure(kind=FailureKind.NOT_FOUND, fault=Fault.TOOL, what="not there")


def next_scene(scene: Scene, choice: int) -> Scene | None:
    """The scene after something that may happen now: mostly what helps, at times what does not."""
    match scene.command:
        case AskModel():
            words = sc.said("it is done") if choice == 1 else sc.called("look", value="a")
            return feed(scene, sc.said("") if choice == 2 else words)
        case JudgeCall():
            return sc.allowed(scene)
        case RunTool() if choice == 3:
            return sc.broken(scene, BROKEN)
        case RunTool():
            return sc.returned(scene, "x" * 900 if choice == 4 else f"value {choice}")
        case Wait():
            return sc.waited(scene)
        case _:
            return None


def finished(scene: Scene) -> set[int]:
    return {step.number for step in scene.state.plan.steps if step.status in FINISHED_STATUSES}


@given(choices=st.lists(st.integers(0, 9), max_size=60), cut=st.integers(0, 60))
def test_no_step_that_is_done_is_ever_asked_for_again(choices: list[int], cut: int) -> None:
    steps = tuple(sc.step(n, "look at the result of step 1", ToolSucceeded("look")) for n in range(1, 7))
    scene = sc.begun(*steps)
    for choice in choices:
        after = next_scene(scene, choice)
        if after is None:
            break
        assert finished(scene) <= finished(after)
        scene = after
        if isinstance(scene.command, AskModel):
            assert scene.active not in finished(scene)
            assert f"Now: step {scene.active}. " in scene.shown
    resumed = replay(scene.events[: cut + 1])
    for event in scene.events[cut + 1 :]:
        resumed = transitions.feed(resumed, event)
    assert resumed.state == scene.state
    assert commands(resumed) == scene.commands


def test_a_resumed_run_asks_for_no_step_that_is_done() -> None:
    steps = tuple(sc.step(n, "look", ToolSucceeded("look")) for n in (1, 2))
    scene = sc.done(sc.begun(*steps), "look")
    for event in (sc.said("") for _ in range(9)):
        if scene.outcome is not None:
            break
        scene = feed(scene, event)
    resumed = feed(scene, e.RunResumed())
    assert finished(resumed) == {1}
    assert resumed.asked.step == 2
