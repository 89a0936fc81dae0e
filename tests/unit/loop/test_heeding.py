"""A call that goes against the words of its step is not judged; it is asked for again, narrowly."""

from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.answers import ModelRequest, OneCall
from nebulus.core.commands import AskModel, Judge
from nebulus.core.plan import ToolSucceeded
from nebulus.core.tools import ToolResult
from nebulus.loop.machine import feed
from nebulus.loop.progress import Machine
from tests.unit.loop import scenario as sc


def at_second_step(text: str, **more: bool) -> Machine:
    """A machine whose first step is done and whose second says `text`."""
    steps = (sc.step(1, "look", ToolSucceeded("look")), sc.step(2, text, ToolSucceeded("look")))
    machine = sc.begun(*steps, given=replace(sc.setup(), **more))
    machine = feed(machine, sc.called("look", value="anything"))
    machine = feed(machine, e.CallAllowed(call_id=machine.call.call_id, rule="r"))
    return feed(machine, e.ToolReturned(call_id=machine.call.call_id, result=ToolResult(text="wrong-9")))


def asked(machine: Machine) -> ModelRequest:
    assert isinstance(machine.command, AskModel)
    return machine.command.request


def test_a_contradiction_is_asked_again_with_one_tool_and_nothing_that_misled() -> None:
    before = at_second_step("look value = right-7")
    assert "wrong-9" in asked(before).messages[-1].content
    machine = feed(before, sc.called("look", value="wrong-9"))
    again = asked(machine)
    assert again.form == OneCall("look")
    assert [tool.name for tool in again.tools] == ["look"]
    assert "wrong-9" not in again.messages[-1].content
    assert "1x unheeded: the step says value = right-7" in again.messages[-1].content
    assert isinstance(feed(machine, sc.called("look", value="right-7")).command, Judge)


def test_a_doubt_is_raised_until_one_attempt_is_left_and_then_let_be() -> None:
    machine = at_second_step("look around, as `some note` says")
    for _ in range(2):
        machine = feed(machine, sc.called("look", value="wrong-9"))
        assert isinstance(machine.command, AskModel)
    assert isinstance(feed(machine, sc.called("look", value="wrong-9")).command, Judge)


def test_with_heeding_off_the_call_goes_to_the_guard() -> None:
    machine = at_second_step("look value = right-7", heeds_steps=False)
    assert isinstance(feed(machine, sc.called("look", value="wrong-9")).command, Judge)
