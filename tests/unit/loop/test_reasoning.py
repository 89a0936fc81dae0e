"""A tier that reasons first is asked to, the window keeps room for it, and its thoughts are not reused."""

from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.answers import ModelAnswer, Usage
from nebulus.core.commands import AskModel, JudgeCall
from nebulus.core.plan import ToolSucceeded
from nebulus.core.tiers import Tier
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import Scene, feed

THINKER = Tier(name="small", window_tokens=4096, reserve_tokens=512, reasoning_tokens=256)
SECRET_THOUGHT = "perhaps the cupboard"


def begun(tier: Tier = THINKER) -> Scene:
    steps = (sc.step(1, "look", ToolSucceeded("look")), sc.step(2, "look again", ToolSucceeded("look")))
    return sc.begun(*steps, given=sc.setup(tiers=(tier,)))


def thought_of(answered: e.ModelAnswered, **changes: object) -> e.ModelAnswered:
    return replace(answered, answer=replace(answered.answer, reasoning=SECRET_THOUGHT, **changes))


def test_a_tier_is_asked_for_as_long_a_thought_as_it_was_given() -> None:
    assert (begun().request.reasoning_tokens, begun().request.max_tokens) == (256, 512)
    assert begun(sc.SMALL).request.reasoning_tokens == 0


def test_the_thought_is_left_room_next_to_the_answer() -> None:
    assert THINKER.room_tokens == 4096 - 512 - 256
    tight = replace(THINKER, window_tokens=940)
    assert begun(tight).composed.is_tight
    assert not begun(replace(tight, reasoning_tokens=0)).composed.is_tight


def test_a_thought_is_in_no_later_prompt() -> None:
    scene = feed(begun(), thought_of(sc.called("look", value="a")))
    assert isinstance(scene.command, JudgeCall)
    scene = sc.returned(sc.allowed(scene), "found")
    again = feed(scene, thought_of(sc.called("look", wrong="b")))
    for later in (scene, again):
        assert SECRET_THOUGHT not in str(later.request.messages)


def test_the_tokens_of_a_thought_are_paid_for_and_do_not_make_an_answer_cut() -> None:
    usage = Usage(100, 600, reasoning_tokens=250)
    scene = feed(begun(), thought_of(sc.called("look", value="a"), usage=usage))
    assert isinstance(scene.command, JudgeCall)
    assert scene.machine.spent.completion_tokens == 600


def test_thought_and_answer_that_fill_their_caps_are_never_executed() -> None:
    usage = Usage(100, 512 + 256)
    scene = feed(begun(), thought_of(sc.called("look", value="a"), usage=usage))
    assert isinstance(scene.command, AskModel)
    assert scene.attempts.findings


def test_a_call_in_a_text_that_begins_inside_a_thought_is_not_made() -> None:
    inside = sc.called("look", value="a")
    inside = replace(inside, answer=replace(inside.answer, starts_in_reasoning=True))
    assert isinstance(feed(begun(sc.SMALL), inside).command, AskModel)
    ended = ModelAnswer(text=f"hm</think>{inside.answer.text}", starts_in_reasoning=True)
    assert isinstance(feed(begun(sc.SMALL), replace(inside, answer=ended)).command, JudgeCall)
