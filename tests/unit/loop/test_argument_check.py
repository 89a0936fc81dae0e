"""A call that contradicts what its step assigns is not judged; a narrower request follows."""

from msgspec.structs import replace

from nebulus.core.answers import OneCall
from nebulus.core.commands import AskModel, JudgeCall
from nebulus.core.failure import FailureKind
from nebulus.core.outcome import Done, Failed, Proof
from nebulus.core.plan import ToolSucceeded
from nebulus.core.tools import Effect
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import Scene, feed


def at_second_step(text: str, **more: bool) -> Scene:
    """A run whose first step is done and whose second says `text`."""
    steps = (sc.step(1, "look", ToolSucceeded("look")), sc.step(2, text, ToolSucceeded("look")))
    scene = sc.begun(*steps, given=replace(sc.setup(), **more))
    return sc.done(scene, "look", "anything", "wrong-9")


def test_after_a_contradiction_the_request_has_one_tool_and_nothing_misleading() -> None:
    before = at_second_step("look value = right-7")
    assert "wrong-9" in before.request.messages[-1].content
    scene = feed(before, sc.called("look", value="wrong-9"))
    again = scene.request
    assert again.form == OneCall("look")
    assert [tool.name for tool in again.tools] == ["look"]
    assert "wrong-9" not in again.messages[-1].content
    assert "1x argument_mismatch: the step says value = right-7" in again.messages[-1].content
    assert isinstance(feed(scene, sc.called("look", value="right-7")).command, JudgeCall)


def test_a_doubt_is_raised_until_one_attempt_is_left_and_then_accepted() -> None:
    scene = at_second_step("look around, as `some note` says")
    for _ in range(2):
        scene = feed(scene, sc.called("look", value="wrong-9"))
        assert isinstance(scene.command, AskModel)
    assert isinstance(feed(scene, sc.called("look", value="wrong-9")).command, JudgeCall)


def test_with_the_check_off_the_call_goes_to_the_guard() -> None:
    scene = at_second_step("look value = right-7", checks_arguments=False)
    assert isinstance(feed(scene, sc.called("look", value="wrong-9")).command, JudgeCall)


def acting_in_doubt(effect: Effect) -> Scene:
    """A run whose only step mentions what its call leaves out, the doubt raised as often as it may be."""
    tools = tuple(replace(tool, effect=effect) for tool in sc.setup().tools)
    given = replace(sc.setup(), tools=tools)
    scene = sc.begun(sc.step(1, "look around, as `some note` says", ToolSucceeded("look")), given=given)
    for _ in range(3):
        scene = feed(scene, sc.called("look", value="another"))
    return scene


def test_a_call_in_doubt_is_named_in_the_outcome() -> None:
    scene = acting_in_doubt(Effect.WRITE)
    scene = sc.returned(sc.allowed(scene), "done")
    outcome = scene.outcome
    assert isinstance(outcome, Done)
    assert outcome.proof is Proof.CLAIMED
    assert outcome.summary.endswith("; in doubt: step 1")
    assert "the step names some note, and the call leaves it out" in outcome.evidence[0].what


def test_what_cannot_be_undone_is_not_done_in_doubt() -> None:
    for effect in (Effect.IRREVERSIBLE, Effect.EGRESS):
        outcome = acting_in_doubt(effect).outcome
        assert isinstance(outcome, Failed)
        assert "the step names some note" in outcome.failure.what


def test_an_argument_that_nothing_asks_for_is_not_offered_again() -> None:
    shape = {"type": "object", "properties": {"value": {"type": "string"}, "most": {"type": "integer"}}}
    tools = tuple(replace(tool, effect=Effect.WRITE, parameters=shape) for tool in sc.setup().tools)
    scene = sc.begun(
        sc.step(1, "look value = a7", ToolSucceeded("look")), given=replace(sc.setup(), tools=tools)
    )
    scene = feed(scene, sc.called("look", value="a7", most=3))
    assert list(scene.request.tools[0].parameters["properties"]) == ["value"]
    assert isinstance(feed(scene, sc.called("look", value="a7")).command, JudgeCall)


def test_a_step_that_needs_a_lost_result_is_not_begun() -> None:
    def after_lost(text: str) -> Scene:
        steps = (sc.step(1, "look", ToolSucceeded("look")), sc.step(2, text, ToolSucceeded("look")))
        scene = sc.allowed(feed(sc.begun(*steps), sc.called("look", value="anything")))
        return sc.returned(scene, "look had taken effect; its result was lost", is_lost=True)

    stopped = after_lost("look value = the id of step 1").outcome
    assert isinstance(stopped, Failed)
    assert stopped.failure.kind is FailureKind.UNKNOWN_OUTCOME
    assert "needs the id of step 1" in stopped.failure.what
    assert stopped.step == 2
    going = after_lost("look value = a7")
    assert isinstance(going.command, AskModel)
    assert not going.state.facts, "a message that an answer was lost is not a value"
