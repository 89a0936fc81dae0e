"""What recovery decides is carried out: something changes, nothing is lost, no failure is silent."""

from msgspec.structs import replace

from nebulus.core.commands import AskModel, AskPerson, Finish, JudgeCall, RunTool, Wait
from nebulus.core.failure import Failure, FailureKind, Fault, Recognised
from nebulus.core.limits import Limits
from nebulus.core.outcome import Done, Failed
from nebulus.core.plan import Plan, Step, StepStatus, ToolSucceeded
from nebulus.loop import phases as p
from tests.unit.loop import scenario as sc
from tests.unit.loop.scenario import Scene, feed


def broken(kind: FailureKind, *, recognised: Recognised = Recognised.STRUCTURE, what: str = "no") -> Failure:
    return Failure(kind=kind, fault=Fault.TOOL, what=what, recognised=recognised)


def running(scene: Scene, tool: str, value: str = "a") -> Scene:
    """Return the scene with a call of `tool` under way."""
    return sc.allowed(feed(scene, sc.called(tool, value=value)))


def offered(scene: Scene) -> set[str]:
    return {tool.name for tool in scene.request.tools}


def test_a_transient_failure_is_waited_for_and_the_very_same_call_is_made_again() -> None:
    scene = running(sc.begun(sc.step(1, "put a", ToolSucceeded("put"))), "put")
    assert isinstance(scene.command, RunTool)
    key = scene.command.key
    scene = sc.broken(scene, broken(FailureKind.TRANSIENT))
    assert isinstance(scene.command, Wait)
    again = sc.waited(scene).command
    assert isinstance(again, RunTool)
    assert again.key == key


def test_an_effect_is_never_repeated_because_of_mere_words() -> None:
    step = sc.step(1, "drop a", ToolSucceeded("drop"))
    guessed = broken(FailureKind.TRANSIENT, recognised=Recognised.TEXT)
    assert not isinstance(sc.broken(running(sc.begun(step), "drop"), guessed).command, Wait)
    told = broken(FailureKind.PERMANENT, what="connection reset by peer")
    assert not isinstance(sc.broken(running(sc.begun(step), "drop"), told).command, Wait)


def test_a_conflict_is_followed_by_a_read_before_the_next_change() -> None:
    scene = sc.broken(running(sc.begun(sc.step(1, "change it")), "put"), broken(FailureKind.CONFLICT))
    assert offered(scene) == {"look"}
    assert offered(sc.returned(running(scene, "look"))) >= {"put", "look"}


def test_a_tool_without_permission_is_taken_away_where_another_may_do() -> None:
    scene = sc.broken(running(sc.begun(sc.step(1, "change it")), "put"), broken(FailureKind.PERMISSION))
    assert "put" not in offered(scene)


def test_a_person_is_asked_whether_the_cause_is_fixed_and_a_yes_tries_again() -> None:
    scene = sc.begun(sc.step(1, "put a", ToolSucceeded("put")))
    for _ in range(2):
        scene = sc.broken(running(scene, "put"), broken(FailureKind.PERMISSION))
    assert isinstance(scene.command, AskPerson)
    assert scene.command.question.kind == "question"
    yes = sc.answered(scene, text="granted")
    assert isinstance(yes.command, AskModel)
    assert "granted" in yes.shown
    again = feed(yes, sc.called("put", value="a"))
    assert isinstance(again.command, JudgeCall), "the very call that failed may be made again"
    for over in (sc.answered(scene, is_yes=False), sc.absent(scene)):
        outcome = over.outcome
        assert isinstance(outcome, Failed)
        assert outcome.failure.kind is FailureKind.PERMISSION


def planned(*steps: Step, rows: dict[str, str], origin: str = "tier small") -> Scene:
    given = sc.setup(limits=Limits(strategies=rows))
    return sc.begun(given=given, plan=Plan(steps, origin=origin))


def test_a_plan_of_a_tier_is_replaced_from_where_it_is_and_a_runbook_never_is() -> None:
    rows = {"tool.not_found": "replan, stop"}
    steps = (sc.step(1, "look a", ToolSucceeded("look")), sc.step(2, "put b", ToolSucceeded("put")))
    for origin, phase in (("runbook", p.Finished), ("tier small", p.Planning)):
        scene = sc.returned(running(planned(*steps, rows=rows, origin=origin), "look"))
        scene = sc.broken(running(scene, "put", "b"), broken(FailureKind.NOT_FOUND, what="no b"))
        assert scene.phase is phase
    assert "step 1: look a" in scene.shown
    assert "not_found" in scene.shown
    scene = feed(scene, sc.said('{"steps": [{"text": "look at c", "tool": "look"}]}'))
    assert [step.status for step in scene.state.plan.steps] == [
        StepStatus.CALLED,
        StepStatus.DROPPED,
        StepStatus.ACTIVE,
    ]
    outcome = sc.returned(running(scene, "look", "c")).outcome
    assert isinstance(outcome, Done)
    assert outcome.summary.startswith("2 steps done")


def test_a_new_plan_is_requested_with_what_the_tool_said_and_not_only_with_the_repeated_call() -> None:
    rows = {"tool.permanent": "ask 2, replan, stop", "model.no_progress": "replan, stop"}
    scene = planned(sc.step(1, "put b", ToolSucceeded("put")), rows=rows)
    for _ in range(2):
        scene = sc.broken(running(scene, "put", "b"), broken(FailureKind.PERMANENT, what="b is read-only"))
    scene = feed(scene, sc.called("put", value="b"))
    assert scene.phase is p.Planning
    assert "b is read-only" in scene.shown


def test_a_call_that_gave_nothing_new_twice_is_not_made_a_third_time() -> None:
    scene = sc.begun(sc.step(1, "think about a"))
    for _ in range(2):
        scene = sc.returned(running(scene, "look"), "the same")
    scene = feed(scene, sc.called("look", value="a"))
    assert isinstance(scene.command, AskModel), "it was blocked, and the model is told"
    assert "no_progress" in scene.shown


def test_a_model_that_insists_on_a_change_already_made_is_done() -> None:
    scene = sc.returned(running(sc.begun(sc.step(1, "change it")), "put"), "first")
    for _ in range(2):
        scene = feed(scene, sc.called("put", value="a"))
    assert isinstance(scene.outcome, Done)
    assert scene.machine.spent.tool_calls == 1, "the change was made once"


def test_a_claim_that_the_ledger_contradicts_does_not_end_a_step() -> None:
    scene = feed(sc.begun(sc.step(1, "write it down")), sc.said("I have written notes/a.md."))
    assert scene.outcome is None
    assert "dishonest_claim" in scene.shown
    scene = feed(scene, sc.said("I have written notes/a.md, really."))
    assert isinstance(scene.outcome, Failed)
    assert scene.outcome.failure.kind is FailureKind.DISHONEST_CLAIM


def test_saying_that_it_cannot_be_done_is_not_done() -> None:
    scene = sc.begun(sc.step(1, "think"))
    for _ in range(2):
        scene = feed(scene, sc.said("I'm sorry, I can't do that."))
    assert isinstance(scene.outcome, Failed)


def test_a_step_that_a_larger_tier_ended_is_recorded_against_both() -> None:
    config = sc.setup(tiers=(sc.SMALL, sc.LARGE))
    scene = sc.begun(sc.step(1, "put a", ToolSucceeded("put")), sc.step(2, "look a"), given=config)
    for _ in range(2):
        scene = feed(scene, sc.said("it is there"))
    assert scene.asked.tier == "large"
    scene = sc.returned(running(scene, "put"))
    assert "by large; small gave up: malformed_answer after 2" in scene.machine.evidence[0].what
    assert scene.asked.tier == "small", "the next step begins with the first tier again"


def test_each_failure_ends_in_one_typed_outcome_whatever_its_class() -> None:
    for kind in FailureKind:
        scene = sc.begun(sc.step(1, "put a", ToolSucceeded("put")))
        for _ in range(60):
            match scene.command:
                case Finish():
                    break
                case Wait():
                    scene = sc.waited(scene)
                case AskPerson():
                    scene = sc.absent(scene)
                case RunTool():
                    scene = sc.broken(scene, broken(kind))
                case JudgeCall():
                    scene = sc.allowed(scene)
                case _:
                    scene = feed(scene, sc.called("put", value="a"))
        assert isinstance(scene.outcome, Failed), kind
        assert scene.outcome.failure.evidence, kind


def test_an_override_of_a_row_is_part_of_the_configuration() -> None:
    config = sc.setup()
    other = replace(config, limits=Limits(strategies={"tool.timeout": "stop"}))
    assert config.digest() != other.digest()
