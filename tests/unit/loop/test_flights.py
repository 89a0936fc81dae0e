"""Calls of one answer and steps of one plan under way at the same time, and what waits for what."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.budget import Budget
from nebulus.core.commands import AskModel, AskPerson, JudgeCall, RunTool
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.limits import Limits
from nebulus.core.outcome import Blocked, Done, Exhausted, Refused
from nebulus.core.plan import Step, ToolSucceeded
from nebulus.core.tools import ToolResult
from nebulus.core.verdict import Allow, Ask, Refuse
from nebulus.loop import phases as p
from nebulus.loop.transitions import replay
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import Scene, feed

BROKEN = Failure(kind=FailureKind.PERMANENT, fault=Fault.TOOL, what="it broke")


def proposing(*calls: tuple[str, str], step: Step | None = None) -> Scene:
    """A run whose model has answered with `calls`, all of them before the guard or queued."""
    text = "".join(sc.called(tool, value=value).answer.text for tool, value in calls)
    return feed(sc.begun(step or sc.step(1, "look around and put it away")), sc.said(text))


def wanted(scene: Scene) -> list[tuple[str, str]]:
    """Return what is wanted: the kind of each command and the value of its call."""
    return [
        (type(command).__name__, str(command.call.arguments["value"]))
        for command in scene.commands
        if isinstance(command, JudgeCall | RunTool)
    ]


def allow(scene: Scene, index: int = 0) -> Scene:
    return feed(scene, e.CallJudged(call_id=call_id(scene, index), verdict=Allow("r")))


def allow_all(scene: Scene) -> Scene:
    """Return the scene with every call that is before the guard allowed."""
    while any(isinstance(command, JudgeCall) for command in scene.commands):
        judged = next(command for command in scene.commands if isinstance(command, JudgeCall))
        scene = feed(scene, e.CallJudged(call_id=judged.call.call_id, verdict=Allow("r")))
    return scene


def call_id(scene: Scene, index: int) -> str:
    return scene.flights[index].call.call_id


def come_back(scene: Scene, call: str, text: str) -> Scene:
    return feed(scene, e.ToolReturned(call_id=call, result=ToolResult(text=text)))


def test_several_reads_of_one_answer_are_all_wanted_at_once() -> None:
    scene = allow_all(proposing(("look", "a"), ("look", "b"), ("look", "c")))
    assert wanted(scene) == [("RunTool", "a"), ("RunTool", "b"), ("RunTool", "c")]


@given(order=st.permutations(range(4)))
def test_reads_may_settle_in_any_order_with_the_same_final_state(order: list[int]) -> None:
    def settled(order: list[int]) -> Scene:
        scene = allow_all(proposing(*(("look", value) for value in "abcd")))
        ids = [flight.call.call_id for flight in scene.flights]
        for index in order:
            scene = come_back(scene, ids[index], f"celsius: {index}")
        return scene

    scene, in_order = settled(order), settled([0, 1, 2, 3])
    assert scene.activity is in_order.activity is p.Asking
    assert {repr(fact) for fact in scene.state.facts} == {repr(fact) for fact in in_order.state.facts}
    assert sorted(map(repr, scene.machine.calls)) == sorted(map(repr, in_order.machine.calls))
    assert scene.machine.spent == in_order.machine.spent
    assert replay(scene.events) == scene.machine


def test_an_effect_waits_for_everything_before_it_and_nothing_passes_it() -> None:
    scene = allow_all(proposing(("look", "a"), ("look", "b"), ("put", "c"), ("look", "d")))
    assert wanted(scene) == [("RunTool", "a"), ("RunTool", "b")]
    a, b = call_id(scene, 0), call_id(scene, 1)
    scene = come_back(scene, b, "ok")
    assert wanted(scene) == [("RunTool", "a")]
    scene = come_back(scene, a, "ok")
    assert wanted(scene) == [("JudgeCall", "c")]
    scene = allow(scene, 2)
    assert wanted(scene) == [("RunTool", "c")], "the read after the effect sees what the effect brought"
    assert wanted(come_back(scene, call_id(scene, 2), "ok")) == [("JudgeCall", "d")]


def test_reads_after_an_effect_that_is_settled_are_under_way_at_once() -> None:
    scene = allow(proposing(("put", "a"), ("look", "b"), ("look", "c")))
    scene = come_back(scene, call_id(scene, 0), "ok")
    assert wanted(scene) == [("JudgeCall", "b"), ("JudgeCall", "c")]


def test_an_effect_is_judged_with_what_the_calls_before_it_have_done() -> None:
    scene = proposing(("put", "a"), ("put", "b"))
    scene = come_back(allow(scene), call_id(scene, 0), "ok")
    assert scene.context.usage.by_tool == {"put": 1}


def test_a_failing_call_drops_the_queued_ones_and_lets_running_ones_settle_before_the_step_goes_on() -> None:
    scene = allow_all(proposing(("look", "a"), ("look", "b"), ("put", "c")))
    a, b = call_id(scene, 0), call_id(scene, 1)
    scene = feed(scene, e.ToolFailed(call_id=a, failure=BROKEN))
    assert wanted(scene) == [("RunTool", "b")]
    assert [type(flight.state) for flight in scene.flights] == [p.Broken, p.Running, p.Dropped]
    scene = come_back(scene, b, "ok")
    assert isinstance(scene.command, AskModel), "the strategy is carried out once nothing is under way"
    assert scene.attempts.succeeded == ("look",), "what succeeded is kept"
    assert replay(scene.events) == scene.machine


def test_a_refused_call_drops_the_queued_ones_and_the_model_is_told_why() -> None:
    scene = proposing(("put", "a"), ("put", "b"))
    scene = feed(scene, e.CallJudged(call_id=call_id(scene, 0), verdict=Refuse("r", "never put")))
    assert isinstance(scene.command, AskModel)
    assert "never put" in scene.shown
    assert scene.machine.usage.calls == 0


def test_a_call_without_progress_drops_those_after_it() -> None:
    scene = proposing(("put", "a"), ("put", "b"))
    scene = feed(scene, e.CallDropped(call_id=call_id(scene, 0), reason="it was made already"))
    assert isinstance(scene.command, AskModel)
    assert scene.machine.usage.calls == 0


def test_each_call_is_approved_by_itself() -> None:
    scene = proposing(("look", "a"), ("look", "b"))
    for index in (0, 1):
        scene = feed(scene, e.CallJudged(call_id=call_id(scene, index), verdict=Ask("r", "sure?")))
    asked = [command.question for command in scene.commands if isinstance(command, AskPerson)]
    assert len({question.digest for question in asked}) == 2
    scene = feed(scene, e.PersonAnswered(question_id=asked[1].question_id, is_yes=True))
    assert wanted(scene) == [("RunTool", "b")]
    assert sum(isinstance(command, AskPerson) for command in scene.commands) == 1


# several steps


def free(number: int, text: str) -> Step:
    return sc.step(number, text, ToolSucceeded("look"), after=())


def at_work(*steps: Step, **config: object) -> Scene:
    return sc.begun(*steps, given=replace(sc.setup(), **config))


def steps_asking(scene: Scene) -> list[int]:
    return [command.step for command in scene.commands if isinstance(command, AskModel)]


def answer(scene: Scene, step: int, *answers: e.ModelAnswered) -> Scene:
    """Return the scene with the question of `step` answered by the first of `answers`, a call of look by default."""
    given_answer = answers[0] if answers else sc.called("look", value=str(step))
    return feed(scene, replace(given_answer, step=step, tier=scene.machine.config.tiers[0].name))


def do(scene: Scene, step: int, text: str = "ok") -> Scene:
    """Return the scene with a call of look made in `step`."""
    scene = allow_all(answer(scene, step))
    run = next(c for c in scene.commands if isinstance(c, RunTool) and c.step == step)
    return come_back(scene, run.call.call_id, text)


def test_independent_steps_are_under_way_at_once() -> None:
    scene = at_work(free(1, "look a"), free(2, "look b"), free(3, "look c"))
    assert steps_asking(scene) == [1, 2, 3]
    assert scene.state.active_steps == (1, 2, 3)


def test_no_more_steps_are_under_way_than_the_limit_allows() -> None:
    scene = at_work(*(free(n, f"look {n}") for n in range(1, 5)), limits=Limits(parallel_steps=2))
    assert steps_asking(scene) == [1, 2]
    assert steps_asking(do(scene, 1)) == [2, 3]


def test_a_step_begins_when_all_that_it_comes_after_are_done() -> None:
    last = sc.step(3, "look c", ToolSucceeded("look"), after=(1, 2))
    for order in permutations((1, 2)):
        scene = at_work(free(1, "look a"), free(2, "look b"), last)
        scene = do(scene, order[0])
        assert steps_asking(scene) == [order[1]]
        scene = do(scene, order[1])
        assert steps_asking(scene) == [3]
        assert isinstance(do(scene, 3).outcome, Done)


@given(order=st.permutations((1, 2, 3)))
def test_independent_steps_may_end_in_any_order_with_the_same_facts(order: list[int]) -> None:
    steps = (free(1, "look a"), free(2, "look b"), free(3, "look c"))
    scene = at_work(*steps)
    for step in order:
        scene = do(scene, step, f"celsius: {step}")
    outcome = scene.outcome
    assert isinstance(outcome, Done)
    facts = {(fact.step, fact.value) for fact in scene.state.facts}
    assert facts == {(step, f"celsius: {step}") for step in (1, 2, 3)}
    assert replay(scene.events) == scene.machine


def test_attempts_are_those_of_a_step_alone() -> None:
    scene = at_work(free(1, "look a"), free(2, "look b"), tiers=(sc.SMALL, sc.LARGE))
    for _ in range(2):
        scene = answer(scene, 1, sc.said(""))
    tiers = {command.step: command.tier for command in scene.commands if isinstance(command, AskModel)}
    assert tiers == {1: "large", 2: "small"}
    assert not scene.machine.task(2).attempts.findings


def test_an_approval_in_one_step_leaves_the_others_at_work() -> None:
    scene = at_work(free(1, "look a"), free(2, "look b"))
    scene = answer(scene, 1)
    scene = feed(scene, e.CallJudged(call_id=call_id(scene, 0), verdict=Ask("r", "sure?")))
    assert [type(command) for command in scene.commands] == [AskPerson, AskModel]
    scene = do(scene, 2)
    assert [type(command) for command in scene.commands] == [AskPerson]
    assert [type(command) for command in sc.answered(scene).commands] == [RunTool]


def test_what_one_step_was_refused_counts_for_no_other() -> None:
    scene = at_work(free(1, "look a"), free(2, "look b"), limits=Limits(refusals=2))
    for step in (1, 2):
        scene = answer(scene, step)
        judged = next(command for command in scene.commands if isinstance(command, JudgeCall))
        scene = feed(scene, e.CallJudged(call_id=judged.call.call_id, verdict=Refuse("r", "no")))
    assert scene.outcome is None
    assert steps_asking(scene) == [1, 2]


def test_a_budget_is_spent_by_all_steps_together() -> None:
    scene = at_work(free(1, "look a"), free(2, "look b"), budget=Budget(calls={"look": 1}))
    scene = do(scene, 1)
    outcome = allow_all(answer(scene, 2)).outcome
    assert isinstance(outcome, Exhausted)
    assert outcome.undone == ("2. look b",)


# an end while something is under way


def one_running_and_one_asked() -> Scene:
    """Two steps: the first has a tool running, the second a call before a person."""
    scene = allow_all(answer(at_work(free(1, "look a"), free(2, "look b")), 1))
    scene = answer(scene, 2)
    judged = next(command for command in scene.commands if isinstance(command, JudgeCall))
    return feed(scene, e.CallJudged(call_id=judged.call.call_id, verdict=Ask("r", "sure?")))


def test_a_run_whose_outcome_is_decided_waits_for_running_tools_and_records_their_results() -> None:
    scene = sc.answered(one_running_and_one_asked(), is_yes=False)
    assert scene.phase is p.Stopping
    assert [type(command) for command in scene.commands] == [RunTool]
    scene = come_back(scene, call_id(scene, 0), "celsius: 8")
    assert isinstance(scene.outcome, Refused)
    assert [(record.tool, record.step) for record in scene.machine.calls] == [("look", 1)]
    assert [fact.value for fact in scene.state.facts] == ["celsius: 8"]
    assert replay(scene.events) == scene.machine


def test_an_effect_that_failed_or_is_unknown_while_a_run_stops_is_recorded_and_ends_it() -> None:
    stopping = sc.absent(one_running_and_one_asked())
    running = call_id(stopping, 0)
    for event in (
        e.ToolFailed(call_id=running, failure=BROKEN),
        e.OutcomeUnknown(call_id=running, why="the process died"),
    ):
        scene = feed(stopping, event)
        assert isinstance(scene.outcome, Blocked)
        assert replay(scene.events) == scene.machine


def test_nothing_new_begins_once_the_outcome_is_decided() -> None:
    text = "".join(sc.called("look", value=value).answer.text for value in "ab")
    text += sc.called("put", value="c").answer.text
    scene = allow_all(answer(at_work(free(1, "look a"), free(2, "look b")), 1, sc.said(text)))
    scene = answer(scene, 2)
    judged = next(command for command in scene.commands if isinstance(command, JudgeCall))
    scene = feed(scene, e.CallJudged(call_id=judged.call.call_id, verdict=Ask("r", "sure?")))
    scene = sc.absent(scene)
    assert wanted(scene) == [("RunTool", "a"), ("RunTool", "b")]
    scene = come_back(scene, call_id(scene, 0), "ok")
    assert scene.phase is p.Stopping
    scene = come_back(scene, call_id(scene, 1), "ok")
    assert isinstance(scene.outcome, Blocked)
