"""What recovery decides is carried out: something changes, nothing is lost, every end is loud."""

from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.commands import AskModel, AskPerson, Finish, Intend, JudgeCall, RunTool, Wait
from nebulus.core.failure import Failure, FailureKind, Fault, Recognised
from nebulus.core.outcome import Done, Failed
from nebulus.core.plan import Goal, Plan, StepStatus, ToolSucceeded
from nebulus.core.tools import ToolResult
from tests.unit.loop.scenario import Scene, feed
from nebulus.core.limits import Limits
from tests.unit.loop import scenario as sc


def broken(kind: FailureKind, *, recognised: Recognised = Recognised.STRUCTURE, what: str = "no") -> Failure:
    return Failure(kind=kind, fault=Fault.TOOL, what=what, recognised=recognised)


def running(machine: Scene, tool: str, value: str = "a", tier: str = "small") -> Scene:
    """Return the machine with a call of `tool` under way."""
    machine = feed(machine, sc.called(tool, tier, value=value))
    machine = sc.allowed(machine)
    if isinstance(machine.command, RunTool):
        return machine
    return machine


def failed(machine: Scene, failure: Failure) -> Scene:
    return sc.broken(machine, failure)


def returned(machine: Scene, text: str = "ok") -> Scene:
    return sc.returned(machine, text)


def asked(machine: Scene) -> AskModel:
    assert isinstance(machine.command, AskModel)
    return machine.command


def offered(machine: Scene) -> set[str]:
    return {tool.name for tool in asked(machine).request.tools}


def test_a_transient_failure_is_waited_for_and_the_very_same_call_is_made_again() -> None:
    machine = running(sc.begun(sc.step(1, "put a", ToolSucceeded("put"))), "put")
    key = machine.key
    machine = failed(machine, broken(FailureKind.TRANSIENT))
    assert isinstance(machine.command, Wait)
    again = sc.waited(machine).command
    assert isinstance(again, RunTool)
    assert again.key == key


def test_an_effect_is_never_repeated_because_of_mere_words() -> None:
    step = sc.step(1, "drop a", ToolSucceeded("drop"))
    guessed = broken(FailureKind.TRANSIENT, recognised=Recognised.TEXT)
    assert not isinstance(failed(running(sc.begun(step), "drop"), guessed).command, Wait)
    told = broken(FailureKind.PERMANENT, what="connection reset by peer")
    assert not isinstance(failed(running(sc.begun(step), "drop"), told).command, Wait)


def test_a_conflict_is_answered_by_a_look_before_the_next_change() -> None:
    machine = failed(running(sc.begun(sc.step(1, "change it")), "put"), broken(FailureKind.CONFLICT))
    assert offered(machine) == {"look"}
    assert offered(returned(running(machine, "look"))) >= {"put", "look"}


def test_a_tool_without_permission_is_taken_away_where_another_may_do() -> None:
    machine = failed(running(sc.begun(sc.step(1, "change it")), "put"), broken(FailureKind.PERMISSION))
    assert "put" not in offered(machine)


def test_a_person_is_asked_whether_the_cause_is_mended_and_a_yes_tries_anew() -> None:
    machine = sc.begun(sc.step(1, "put a", ToolSucceeded("put")))
    for _ in range(2):
        machine = failed(running(machine, "put"), broken(FailureKind.PERMISSION))
    assert isinstance(machine.command, AskPerson)
    assert machine.command.question.kind == "question"
    yes = feed(machine, e.PersonAnswered(question_id="q", is_yes=True, text="granted"))
    assert yes.phase is Phase.ASKING
    assert "granted" in asked(yes).request.messages[-1].content
    again = feed(yes, sc.called("put", value="a"))
    assert isinstance(again.command, JudgeCall), "the very call that failed may be made again"
    for answer in (e.PersonAnswered(question_id="q", is_yes=False), e.PersonAbsent(question_id="q")):
        outcome = feed(machine, answer).outcome
        assert isinstance(outcome, Failed)
        assert outcome.failure.kind is FailureKind.PERMISSION


def test_a_plan_of_a_tier_is_made_anew_from_where_it_stands_and_a_runbook_never_is() -> None:
    rows = {"tool.not_found": "replan, stop"}
    steps = (sc.step(1, "look a", ToolSucceeded("look")), sc.step(2, "put b", ToolSucceeded("put")))
    for origin, phase in (("tier small", Phase.PLANNING), ("runbook", Phase.FINISHED)):
        begun = feed(
            new_machine(sc.setup(limits=Limits(strategies=rows))),
            e.GoalGiven(goal=Goal(text="Do it."), plan=Plan(steps, origin=origin), run_id="r"),
        )
        machine = returned(running(begun, "look"))
        machine = failed(running(machine, "put", "b"), broken(FailureKind.NOT_FOUND, what="no b"))
        assert machine.phase is phase
    machine = failed(
        running(returned(running(_planned(steps, rows), "look")), "put", "b"), broken(FailureKind.NOT_FOUND)
    )
    shown = asked(machine).request.messages[-1].content
    assert "step 1: look a" in shown
    assert "not_found" in shown
    machine = feed(machine, sc.said('{"steps": [{"text": "look at c", "tool": "look"}]}'))
    assert [step.status for step in machine.state.plan.steps] == [
        StepStatus.CALLED,
        StepStatus.DROPPED,
        StepStatus.ACTIVE,
    ]
    outcome = returned(running(machine, "look", "c")).outcome
    assert isinstance(outcome, Done)
    assert outcome.summary.startswith("2 steps done")


def test_a_new_plan_is_asked_for_with_what_the_tool_said_and_not_only_that_it_was_asked_in_vain() -> None:
    rows = {"tool.permanent": "ask 2, replan, stop", "model.no_progress": "replan, stop"}
    machine = _planned((sc.step(1, "put b", ToolSucceeded("put")),), rows)
    for _ in range(2):
        machine = failed(running(machine, "put", "b"), broken(FailureKind.PERMANENT, what="b is read-only"))
    machine = feed(machine, sc.called("put", value="b"))
    assert machine.phase is Phase.PLANNING
    assert "b is read-only" in asked(machine).request.messages[-1].content


def _planned(steps: tuple[object, ...], rows: dict[str, str]) -> Scene:
    plan = Plan(steps, origin="tier small")  # type: ignore[arg-type]
    given = new_machine(sc.setup(limits=Limits(strategies=rows)))
    return feed(given, e.GoalGiven(goal=Goal(text="Do it."), plan=plan, run_id="r"))


def test_a_call_that_brought_nothing_twice_is_not_made_a_third_time() -> None:
    machine = sc.begun(sc.step(1, "think about a"))
    for _ in range(2):
        machine = returned(running(machine, "look"), "the same")
    machine = feed(machine, sc.called("look", value="a"))
    assert isinstance(machine.command, AskModel), "it was blocked, and the model is told"
    assert "no_progress" in asked(machine).request.messages[-1].content


def test_who_insists_on_a_change_that_is_made_is_done() -> None:
    machine = returned(running(sc.begun(sc.step(1, "change it")), "put"), "first")
    for _ in range(2):
        machine = feed(machine, sc.called("put", value="a"))
    assert isinstance(machine.outcome, Done)
    assert machine.machine.spent.tool_calls == 1, "the change was made once"


def test_a_claim_that_the_ledger_contradicts_does_not_end_a_step() -> None:
    machine = feed(sc.begun(sc.step(1, "write it down")), sc.said("I have written notes/a.md."))
    assert machine.outcome is None
    assert "dishonest_claim" in asked(machine).request.messages[-1].content
    machine = feed(machine, sc.said("I have written notes/a.md, really."))
    assert isinstance(machine.outcome, Failed)
    assert machine.outcome.failure.kind is FailureKind.DISHONEST_CLAIM


def test_saying_that_it_can_not_be_done_is_not_done() -> None:
    machine = sc.begun(sc.step(1, "think"))
    for _ in range(2):
        machine = feed(machine, sc.said("I'm sorry, I can't do that."))
    assert isinstance(machine.outcome, Failed)


def test_a_step_that_a_larger_tier_ended_is_recorded_against_both() -> None:
    setup = sc.setup(tiers=(sc.SMALL, sc.LARGE))
    machine = sc.begun(sc.step(1, "put a", ToolSucceeded("put")), sc.step(2, "look a"), given=setup)
    for _ in range(2):
        machine = feed(machine, sc.said("it is there"))
    assert asked(machine).tier == "large"
    machine = returned(running(machine, "put", tier="large"))
    assert "by large; small gave up: malformed_answer after 2" in machine.evidence[0].what
    assert asked(machine).tier == "small", "the next step begins with the first tier again"


def test_each_failure_ends_in_one_loud_outcome_whatever_its_class() -> None:
    for kind in FailureKind:
        machine = sc.begun(sc.step(1, "put a", ToolSucceeded("put")))
        for _ in range(60):
            match machine.command:
                case Finish():
                    break
                case Wait(seconds=seconds):
                    machine = sc.waited(machine)
                case AskPerson():
                    machine = sc.absent(machine)
                case RunTool():
                    machine = failed(machine, broken(kind))
                case JudgeCall():
                    machine = sc.allowed(machine)
                case Intend():
                    machine = machine
                case _:
                    machine = feed(machine, sc.called("put", value="a"))
        assert isinstance(machine.outcome, Failed), kind
        assert machine.outcome.failure.evidence, kind


def test_an_override_of_a_row_is_part_of_what_a_run_was_set_up_with() -> None:
    setup = sc.setup()
    other = replace(setup, limits=Limits(strategies={"tool.timeout": "stop"}))
    assert setup.digest() != other.digest()
