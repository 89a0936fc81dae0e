"""What a run says of its tiers: which is asked and why, why not the others, and what became of an answer."""

from nebulus.report.line_kinds import LineKind
from nebulus.report.lines import Narrator
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import SMALL, begun, step
from tests.unit.loop.test_route import CLOUD, FIRST_SMALL, MEASURED, PRIVATE, given


def lines(scene: sc.Scene) -> list[tuple[LineKind, str]]:
    narrator = Narrator()
    return [(line.kind, line.text) for event in scene.events for line in narrator.tell(event)]


def test_a_choice_says_why_and_why_not_the_others() -> None:
    (said,) = [
        text
        for kind, text in lines(begun(step(1, "put 7"), given=given(PRIVATE, SMALL, CLOUD)))
        if kind is LineKind.ROUTE
    ]
    assert said.startswith("small is asked to execute: ")
    assert "not cloud: the data is private" in said


def test_a_refused_route_is_shown_without_asking_for_details() -> None:
    said = lines(begun(step(1, "put 7"), given=given(PRIVATE, CLOUD)))
    assert any(kind is LineKind.REFUSED and "cloud: the data is private" in text for kind, text in said)


def test_an_answer_that_is_not_used_says_which_tier_is_asked_instead() -> None:
    scene = begun(step(1, "put the value 7"), given=given(MEASURED), skills=FIRST_SMALL)
    scene = sc.feed(scene, sc.called("put", value="something that nobody wrote"))
    (said,) = [text for kind, text in lines(scene) if kind is LineKind.ESCALATION]
    assert said.startswith("small's answer is not used, large is asked: ")
