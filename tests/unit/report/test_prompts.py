"""Prompts are composed again as they were asked, and answers are shown verbatim."""

from msgspec.structs import replace

from nebulus.core.answers import Message, ModelAnswer, Usage
from nebulus.core.events import ModelAnswered
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.plan import Plan, ToolSucceeded
from nebulus.core.result import ResultSpec
from nebulus.report.prompts import Asked, asked_lines, asked_models, asked_row
from tests.unit.loop import scenario as sc

BUSY = Failure(kind=FailureKind.TRANSIENT, fault=Fault.BACKEND, what="the server answered 503")
PLAN = '{"steps": [{"text": "Use look to see who sent it.", "tool": "look"}]}'


def asked_in_turn() -> tuple[sc.Scene, list[tuple[Message, ...]]]:
    """Return a run that plans, fails, tries again, acts and answers, and what each question was made of."""
    scene, seen = sc.begun(plan=Plan(()), result=ResultSpec()), []
    for answer in (
        sc.said(PLAN),
        sc.unanswered(BUSY),
        sc.called("look"),
        sc.called("look", value="a"),
    ):
        seen.append(scene.request.messages)
        scene = sc.feed(scene, answer)
        scene = sc.waited(scene) if type(scene.command).__name__ == "Wait" else scene
    scene = sc.returned(sc.allowed(scene), "from Ann")
    seen.append(scene.request.messages)
    return sc.feed(scene, sc.said("Ann sent it.")), seen


def test_each_prompt_is_composed_as_it_was_when_it_was_asked() -> None:
    scene, seen = asked_in_turn()
    asked = list(asked_models(scene.events))
    assert [one.messages for one in asked] == seen
    assert [one.kind.value for one in asked] == ["plan", "execute", "execute", "execute", "answer"]
    assert asked[1].failure == BUSY
    assert [one.position for one in asked] == sorted({one.position for one in asked})


def test_a_reading_of_a_result_is_shown_with_its_call() -> None:
    step = replace(sc.step(1, "Use look", ToolSucceeded("look")), reads={"due": "by when"})
    scene = sc.done(sc.begun(step), "look", text="It is due on Friday.")
    wanted, call_id = scene.request.messages, scene.call.call_id
    *_, asked = asked_models(sc.feed(scene, sc.said('{"due": "Friday"}')).events)
    assert (asked.messages, asked.call_id) == (wanted, call_id)
    assert f"reading the result of {call_id}" in asked_lines(asked, prompt=True, answer=True)[0].text


def answered(answer: ModelAnswer, *, sent_bytes: int) -> Asked:
    """Return the question that `answer` answers, whose prompt had `sent_bytes`."""
    scene = sc.begun(sc.step(1, "Use look"))
    event = ModelAnswered(step=1, kind=scene.asked.kind, tier="small", answer=answer, prompt_bytes=sent_bytes)
    (asked,) = asked_models(sc.feed(scene, event).events)
    return asked


def text_of(asked: Asked) -> str:
    return "\n".join(line.text for line in asked_lines(asked, prompt=True, answer=True))


def test_a_prompt_that_differs_from_what_was_sent_says_so() -> None:
    size = sc.begun(sc.step(1, "Use look")).composed.size_bytes
    same, other = (answered(ModelAnswer(text="Done."), sent_bytes=sent) for sent in (size, size + 1))
    assert (same.is_same_size, other.is_same_size) == (True, False)
    assert "were sent" not in text_of(same)
    assert f"{size + 1:,} bytes were sent, so this is not what was sent" in text_of(other)
    assert asked_row(other, prompt=True, answer=False)["prompt"]["is_same_size"] is False


def test_an_answer_is_shown_with_its_reasoning_and_without_moving_the_cursor() -> None:
    text = "\x1b[2JDone.\nReally."
    asked = answered(ModelAnswer(text=text, reasoning="Hm.", usage=Usage(10, 2)), sent_bytes=0)
    lines = [line.text for line in asked_lines(asked, prompt=False, answer=True)]
    assert all(line.isprintable() for line in lines)
    assert lines[2:6] == ["  [reasoning]", "    Hm.", "  [text]", "    \\x1b[2JDone."]
    assert asked_row(asked, prompt=False, answer=True)["answer"].text == text
