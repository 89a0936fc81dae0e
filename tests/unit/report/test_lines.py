"""Every event of a run is reported in words, under the step and the call that it belongs to."""

import pytest
from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.commands import AskModel
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.limits import Limits
from nebulus.core.plan import Plan, ToolSucceeded
from nebulus.core.references import RealValues
from nebulus.core.result import ResultSpec
from nebulus.core.tools import ToolResult
from nebulus.core.verdict import Allow
from nebulus.report.line_kinds import LineKind, ReportLine
from nebulus.report.lines import Narrator
from tests.unit.loop import scenario as sc

BUSY = Failure(kind=FailureKind.TRANSIENT, fault=Fault.BACKEND, what="the server answered 503")


def told(scene: sc.Scene) -> list[ReportLine]:
    narrator = Narrator()
    return [line for event in scene.events for line in narrator.tell(event)]


def texts(scene: sc.Scene, kind: LineKind) -> list[str]:
    return [line.text for line in told(scene) if line.kind is kind]


def calling(*values: str) -> e.ModelAnswered:
    """Return an answer with one call of `look` for each value."""
    calls = "\n".join(
        f'<tool_call>\n{{"name": "look", "arguments": {{"value": "{value}"}}}}\n</tool_call>'
        for value in values
    )
    return sc.said(calls)


def test_a_proposal_has_the_cost_of_its_answer_and_the_route_its_reason() -> None:
    scene = sc.feed(sc.begun(sc.step(1, "Use look")), sc.called("look", value="a"))
    goal, plan, route, proposal = told(scene)
    assert (goal.text, plan.text) == ("Get it done.", "1 step from the runbook")
    assert route.text == "small is asked to execute: the smallest of 1 that may execute"
    assert proposal.text == 'small proposes look(value="a")'
    assert proposal.cost == "100 + 10 tokens · 0.50 s · 20 tokens/s"
    assert [line.step for line in (goal, plan, route, proposal)] == [0, 0, 1, 1]


def test_calls_of_one_answer_are_distinguished_by_their_ids() -> None:
    scene = sc.feed(sc.begun(sc.step(1, "Use look twice")), calling("a", "b"))
    one, other = [flight.call.call_id for flight in scene.flights]
    for call_id in (one, other):
        scene = sc.feed(scene, e.CallJudged(call_id=call_id, verdict=Allow("r")))
    for call_id, text in ((other, "second"), (one, "first")):
        scene = sc.feed(scene, e.ToolReturned(call_id=call_id, result=ToolResult(text=text)))
    assert texts(scene, LineKind.PROPOSAL) == [
        f'small proposes {one}: look(value="a")',
        f'small proposes {other}: look(value="b")',
    ]
    results = [line for line in told(scene) if line.kind is LineKind.RESULT]
    assert [(line.call_id, line.text) for line in results] == [
        (other, f"look {other} -> second"),
        (one, f"look {one} -> first"),
    ]


def test_steps_under_way_at_once_keep_their_own_lines() -> None:
    scene = sc.begun(sc.step(1, "Use look", after=()), sc.step(2, "Use put", after=()))
    second, first = reversed(scene.commands)
    for asked, answer in ((second, sc.called("put", value="b")), (first, sc.called("look", value="a"))):
        assert isinstance(asked, AskModel)
        scene = sc.feed(scene, replace(answer, step=asked.step, kind=asked.kind, tier=asked.tier))
    proposals = [line for line in told(scene) if line.kind is LineKind.PROPOSAL]
    assert [(line.step, line.text) for line in proposals] == [
        (2, 'small proposes put(value="b")'),
        (1, 'small proposes look(value="a")'),
    ]


@pytest.mark.parametrize(
    ("limits", "kind", "text"),
    [
        (Limits(), LineKind.RECOVERY, "the same tier is asked again and told: "),
        (Limits(attempts=1), LineKind.ESCALATION, "the next tier takes over: "),
    ],
)
def test_what_is_done_about_a_finding_is_reported_with_the_finding(
    limits: Limits, kind: LineKind, text: str
) -> None:
    given = sc.setup(tiers=(sc.SMALL, sc.LARGE), limits=limits)
    scene = sc.feed(sc.begun(sc.step(1, "Use look", ToolSucceeded("look")), given=given), sc.called("look"))
    (finding,) = texts(scene, LineKind.FINDING)
    (line,) = texts(scene, kind)
    assert line == text + finding.removeprefix("small: ")


def test_a_wait_says_for_what_and_how_long() -> None:
    scene = sc.feed(sc.begun(sc.step(1, "Use look")), sc.unanswered(BUSY))
    assert texts(scene, LineKind.FAILURE) == ["small gave no answer: transient: the server answered 503"]
    assert texts(scene, LineKind.RECOVERY) == [
        "the same again after 0.5 s: transient: the server answered 503"
    ]
    assert texts(sc.waited(scene), LineKind.WAITED) == ["waited 0.5 s"]


def test_what_a_model_read_is_reported_with_what_it_did_not_find_and_what_it_made_up() -> None:
    step = replace(sc.step(1, "look", ToolSucceeded("look")), reads={"due": "by when", "who": "whose"})
    for answer, line in (
        ('{"due": "Friday", "who": ""}', "small read from look: due = Friday"),
        ('{"due": "", "who": ""}', "small read from look: no due and no who"),
        (
            '{"due": "Friday", "who": "Nobody Known"}',
            "small read from look: due = Friday; made up, not kept: who",
        ),
    ):
        scene = sc.done(sc.begun(step, sc.step(2, "think")), "look", text="It is due on Friday.")
        assert texts(sc.feed(scene, sc.said(answer)), LineKind.VALUES) == [line]


def test_a_call_that_is_refused_asked_about_and_answered_names_who_decides() -> None:
    scene = sc.feed(sc.begun(sc.step(1, "Use drop")), sc.called("drop", value="a"))
    assert texts(sc.refused(scene, "never", "no_drop"), LineKind.REFUSED) == [
        "drop is refused by no_drop: never"
    ]
    asked = sc.held(scene, "sure?", "careful")
    assert texts(asked, LineKind.QUESTION) == ["a person must decide about drop (careful): sure?"]
    (reply,) = [line for line in told(sc.answered(asked)) if line.kind is LineKind.REPLY]
    assert (reply.text, reply.step, reply.call_id) == (
        "May drop be called? a person said yes",
        1,
        scene.call.call_id,
    )
    assert texts(sc.absent(asked), LineKind.REPLY) == ["May drop be called? Nobody was available to answer"]


def test_a_tool_that_failed_and_one_that_may_have_run_are_reported() -> None:
    scene = sc.allowed(sc.feed(sc.begun(sc.step(1, "Use put")), sc.called("put", value="a")))
    gone = Failure(kind=FailureKind.NOT_FOUND, fault=Fault.TOOL, what="no such file")
    assert texts(sc.broken(scene, gone), LineKind.FAILURE) == ["put failed: not_found: no such file"]
    assert texts(sc.unknown(scene), LineKind.UNKNOWN) == ["put may have taken effect: the process died"]


def test_an_answer_is_reported_as_the_models() -> None:
    scene = sc.done(sc.begun(sc.step(1, "Use look", ToolSucceeded("look")), result=ResultSpec()), "look")
    assert texts(sc.feed(scene, sc.said("It is 7 degrees.")), LineKind.ANSWER) == [
        "small answers: It is 7 degrees."
    ]


def test_a_plan_that_a_model_makes_is_reported() -> None:
    scene = sc.feed(
        sc.begun(plan=Plan(())), sc.said('{"steps": [{"text": "Use look to see.", "tool": "look"}]}')
    )
    assert texts(scene, LineKind.PLAN) == ["1 step from tier small"]


def test_a_resumed_run_says_so() -> None:
    scene = sc.feed(sc.begun(sc.step(1, "Use look")), e.RunResumed())
    assert texts(scene, LineKind.PLAN)[-1] == "resumed"
    changed = sc.feed(scene, e.RunResumed(config=sc.setup(tiers=(sc.LARGE,))))
    assert texts(changed, LineKind.PLAN)[-1] == (
        "resumed; with a changed configuration or policy; tiers: large"
    )


def test_a_call_by_reference_is_shown_with_the_beginning_of_its_value() -> None:
    scene = sc.feed(sc.begun(sc.step(1, "Use look")), calling("a"))
    real = RealValues(call_digest="d", begins={"value": "Dear Sir,\nthe tables"})
    scene = sc.feed(scene, e.CallJudged(call_id=scene.call.call_id, verdict=Allow("r"), real=real))
    assert texts(scene, LineKind.ALLOWED) == ['look is allowed by r; value begins "Dear Sir, ⏎ the tables"']
