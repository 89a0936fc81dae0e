"""A call that goes against the words of its step is not judged; it is asked for again, narrowly."""

from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.answers import ModelRequest, OneCall
from nebulus.core.commands import AskModel, JudgeCall
from nebulus.core.failure import FailureKind
from nebulus.core.outcome import Done, Failed, Proof
from nebulus.core.plan import ToolSucceeded
from nebulus.core.tools import Effect, ToolResult
from tests.unit.loop.scenario import Scene, feed
from tests.unit.loop import scenario as sc


def at_second_step(text: str, **more: bool) -> Scene:
    """A machine whose first step is done and whose second says `text`."""
    steps = (sc.step(1, "look", ToolSucceeded("look")), sc.step(2, text, ToolSucceeded("look")))
    machine = sc.begun(*steps, given=replace(sc.setup(), **more))
    machine = feed(machine, sc.called("look", value="anything"))
    machine = sc.allowed(machine)
    return sc.returned(machine, "wrong-9")


def asked(machine: Scene) -> ModelRequest:
    assert isinstance(machine.command, AskModel)
    return machine.request


def test_a_contradiction_is_asked_again_with_one_tool_and_nothing_that_misled() -> None:
    before = at_second_step("look value = right-7")
    assert "wrong-9" in asked(before).messages[-1].content
    machine = feed(before, sc.called("look", value="wrong-9"))
    again = asked(machine)
    assert again.form == OneCall("look")
    assert [tool.name for tool in again.tools] == ["look"]
    assert "wrong-9" not in again.messages[-1].content
    assert "1x unheeded: the step says value = right-7" in again.messages[-1].content
    assert isinstance(feed(machine, sc.called("look", value="right-7")).command, JudgeCall)


def test_a_doubt_is_raised_until_one_attempt_is_left_and_then_let_be() -> None:
    machine = at_second_step("look around, as `some note` says")
    for _ in range(2):
        machine = feed(machine, sc.called("look", value="wrong-9"))
        assert isinstance(machine.command, AskModel)
    assert isinstance(feed(machine, sc.called("look", value="wrong-9")).command, JudgeCall)


def test_with_heeding_off_the_call_goes_to_the_guard() -> None:
    machine = at_second_step("look value = right-7", checks_arguments=False)
    assert isinstance(feed(machine, sc.called("look", value="wrong-9")).command, JudgeCall)


def acting_in_doubt(effect: Effect) -> Scene:
    """A machine whose only step mentions what its call leaves out, the doubt raised as often as it may be."""
    tools = tuple(replace(tool, effect=effect) for tool in sc.setup().tools)
    given = replace(sc.setup(), tools=tools)
    machine = sc.begun(sc.step(1, "look around, as `some note` says", ToolSucceeded("look")), given=given)
    for _ in range(3):
        machine = feed(machine, sc.called("look", value="another"))
    return machine


def test_a_call_in_doubt_is_written_down_where_the_run_ends() -> None:
    machine = acting_in_doubt(Effect.WRITE)
    machine = sc.allowed(machine)
    machine = sc.returned(machine, "done")
    outcome = machine.outcome
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
    machine = sc.begun(
        sc.step(1, "look value = a7", ToolSucceeded("look")), given=replace(sc.setup(), tools=tools)
    )
    machine = feed(machine, sc.called("look", value="a7", most=3))
    assert list(asked(machine).tools[0].parameters["properties"]) == ["value"]
    assert isinstance(feed(machine, sc.called("look", value="a7")).command, JudgeCall)


def test_a_step_that_needs_an_answer_which_was_lost_is_not_begun() -> None:
    def after_lost(text: str) -> Scene:
        steps = (sc.step(1, "look", ToolSucceeded("look")), sc.step(2, text, ToolSucceeded("look")))
        machine = feed(sc.begun(*steps), sc.called("look", value="anything"))
        machine = sc.allowed(machine)
        lost = ToolResult(text="look had taken effect; what it gave back was lost", is_lost=True)
        return feed(machine, e.ToolReturned(call_id=machine.call.call_id, result=lost))

    stopped = after_lost("look value = the id of step 1").outcome
    assert isinstance(stopped, Failed)
    assert stopped.failure.kind is FailureKind.UNKNOWN_OUTCOME
    assert "needs the id of step 1" in stopped.failure.what
    assert stopped.step == 2
    going = after_lost("look value = a7")
    assert isinstance(going.command, AskModel)
    assert not going.state.facts, "what says that an answer was lost is no value"
