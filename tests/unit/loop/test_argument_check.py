"""A call that contradicts what its step assigns is not judged; a narrower request follows."""

import pytest
from msgspec.structs import replace

from nebulus.core.answers import OneCall
from nebulus.core.commands import AskModel, JudgeCall
from nebulus.core.failure import FailureKind
from nebulus.core.outcome import Done, Failed, Proof
from nebulus.core.plan import Step, ToolSucceeded
from nebulus.core.tools import Effect
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import Scene, feed

LOOK = replace(sc.LOOK, name="look_up")


def at_second_step(text: str, **more: bool) -> Scene:
    """A run whose first step is done and whose second says `text`."""
    steps = (sc.step(1, "look_up", ToolSucceeded("look_up")), sc.step(2, text, ToolSucceeded("look_up")))
    scene = sc.begun(*steps, given=replace(sc.setup(), tools=(LOOK,), **more))
    return sc.done(scene, "look_up", "anything", "wrong-9")


def test_after_a_contradiction_the_request_has_one_tool_and_nothing_misleading() -> None:
    before = at_second_step('look_up value = "right-7"')
    assert "wrong-9" in before.request.messages[-1].content
    scene = feed(before, sc.called("look_up", value="wrong-9"))
    again = scene.request
    assert again.form == OneCall("look_up")
    assert [tool.name for tool in again.tools] == ["look_up"]
    assert "wrong-9" not in again.messages[-1].content
    assert "1x argument_mismatch: the step says value = right-7" in again.messages[-1].content
    assert isinstance(feed(scene, sc.called("look_up", value="right-7")).command, JudgeCall)


def test_a_contradiction_of_a_quoted_value_is_never_accepted() -> None:
    scene = at_second_step('look_up value = "right-7"')
    for _ in range(3):
        scene = feed(scene, sc.called("look_up", value="wrong-9"))
    assert isinstance(scene.outcome, Failed)


def test_a_doubt_is_raised_until_one_attempt_is_left_and_then_accepted() -> None:
    scene = at_second_step("look_up value = right-7")
    for _ in range(2):
        scene = feed(scene, sc.called("look_up", value="wrong-9"))
        assert isinstance(scene.command, AskModel)
    assert isinstance(feed(scene, sc.called("look_up", value="wrong-9")).command, JudgeCall)


@pytest.mark.parametrize(
    "sentence",
    [
        "Put 'monday.md' and `tuesday.md` into week.md, and mail it to bob@example.org.",
        "If the value is 'late' anywhere, I'd like to see where.",
        "The value as `three`, please, and look again.",
    ],
)
def test_a_sentence_that_does_not_name_the_tool_raises_no_doubt(sentence: str) -> None:
    scene = feed(at_second_step(sentence), sc.called("look_up", value="anything else"))
    assert isinstance(scene.command, JudgeCall)


def test_arguments_that_are_data_must_be_given_and_prose_beside_them_is_not_read() -> None:
    step = Step(
        number=1,
        text="look_up value = old",
        checks=(ToolSucceeded("look_up"),),
        arguments={"value": "right-7"},
    )
    scene = feed(sc.begun(step, given=replace(sc.setup(), tools=(LOOK,))), sc.called("look_up", value="old"))
    assert isinstance(scene.command, AskModel)
    assert 'the step gives value = "right-7"' in scene.attempts.findings[-1].sentence()
    assert isinstance(feed(scene, sc.called("look_up", value="right-7")).command, JudgeCall)


def test_with_the_check_off_the_call_goes_to_the_guard() -> None:
    scene = at_second_step('look_up value = "right-7"', checks_arguments=False)
    assert isinstance(feed(scene, sc.called("look_up", value="wrong-9")).command, JudgeCall)


def acting_in_doubt(effect: Effect) -> Scene:
    """A run whose only call is not what its step seems to say; the doubt was raised as often as it may be."""
    given = replace(sc.setup(), tools=(replace(LOOK, effect=effect),))
    scene = sc.begun(sc.step(1, "look_up value = right-7", ToolSucceeded("look_up")), given=given)
    for _ in range(3):
        scene = feed(scene, sc.called("look_up", value="another"))
    return scene


def test_a_call_in_doubt_is_named_in_the_outcome() -> None:
    scene = acting_in_doubt(Effect.WRITE)
    scene = sc.returned(sc.allowed(scene), "done")
    outcome = scene.outcome
    assert isinstance(outcome, Done)
    assert outcome.proof is Proof.CLAIMED
    assert outcome.summary.endswith("; in doubt: step 1")
    assert "the step says value = right-7" in outcome.evidence[0].what


def test_a_call_in_doubt_goes_to_the_guard_whatever_its_effect() -> None:
    for effect in Effect:
        assert isinstance(acting_in_doubt(effect).command, JudgeCall)


def test_an_argument_that_nothing_asks_for_is_recorded_and_delays_nothing() -> None:
    shape = {"type": "object", "properties": {"value": {"type": "string"}, "most": {"type": "integer"}}}
    tool = replace(LOOK, effect=Effect.WRITE, parameters=shape)
    scene = sc.begun(
        sc.step(1, "look_up value = a7", ToolSucceeded("look_up")), given=replace(sc.setup(), tools=(tool,))
    )
    scene = feed(scene, sc.called("look_up", value="a7", most=3))
    assert isinstance(scene.command, JudgeCall)
    assert scene.attempts.doubt == "nothing asks for most"


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
