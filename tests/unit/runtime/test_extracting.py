"""What must be read from a tool's text is read during a run, even if its process dies at any time."""

import json

import pytest
from msgspec.structs import replace

from nebulus.core.answers import ModelAnswer, ModelRequest, Shape, Usage
from nebulus.core.outcome import Done
from nebulus.core.plan import Plan, Step, ToolSucceeded
from nebulus.core.tools import ToolSpec
from nebulus.ports.backend import OnText
from nebulus.ports.tool import ToolOutput
from nebulus.runtime.driver import RunDriver
from nebulus.testing.runs import Died, FakeRun
from nebulus.testing.tools import FakeTool
from tests.unit.runtime import worlds as w

READS = {"weight": "what the parcel came to"}
FILLER = [f"Paragraph {n} is about nothing that matters to anybody." for n in range(800)]
PAGE = "\n".join([*FILLER[:500], "On the scale the parcel came to 12.50 kg, they say.", *FILLER[500:]])
STEPS = (
    Step(number=1, text="look at-the-letter", checks=(ToolSucceeded("look"),)),
    Step(number=2, text="sync the weight of step 1", checks=(ToolSucceeded("sync"),)),
)


class Reader(w.LiteralModel):
    """Does what the step says, and reads what it is shown: the weight, if it is there, else a lie."""

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        if not isinstance(request.form, Shape):
            return await super().answer(request, on_text)
        self.requests.append(request)
        said = "12.50 kg" if "12.50 kg" in request.messages[-1].content else "99 kg"
        return ModelAnswer(text=json.dumps({"weight": said}), usage=Usage(100, 20))


def kit_with(reads: dict[str, str], text: str = PAGE) -> dict[str, FakeTool]:
    kit = w.tools()
    spec: ToolSpec = replace(kit["look"].spec, reads=reads)
    return kit | {"look": FakeTool(spec, [ToolOutput(text=text)])}


async def driven(run: FakeRun, kit: dict[str, FakeTool], model: Reader, *steps: Step) -> RunDriver:
    driver = w.opened(run, kit, model=model)
    first = () if driver.machine.position else (w.started(kit, Plan(steps or STEPS)),)
    assert isinstance(await driver.drive(*first), Done)
    return driver


async def test_a_value_deep_in_a_long_text_is_read_and_used_by_the_next_step() -> None:
    kit, model = kit_with(READS), Reader()
    driver = await driven(FakeRun(), kit, model)
    assert kit["sync"].calls[0][0] == {"value": "12.50 kg"}
    (fact,) = [fact for fact in driver.machine.state.facts if fact.name == "step 1 weight"]
    assert fact.where == "line 501"
    asked = model.requests[1].messages[-1].content
    assert len(asked) < 8000 < len(PAGE)
    assert "more bytes not shown" in asked


async def test_a_step_says_what_must_be_read_of_a_tool_that_does_not() -> None:
    kit, model = kit_with({}), Reader()
    await driven(FakeRun(), kit, model, replace(STEPS[0], reads=READS), STEPS[1])
    assert kit["sync"].calls[0][0] == {"value": "12.50 kg"}


async def test_a_lie_is_dropped_and_the_run_ends_without_it() -> None:
    kit, model = kit_with(READS, "Nobody has weighed it.\nGreetings"), Reader()
    driver = await driven(FakeRun(), kit, model)
    assert "99" not in str(driver.machine.state.facts)
    assert [lesson.kind for lesson in driver.machine.state.lessons] == ["ungrounded"]


@pytest.mark.parametrize("is_recorded", [True, False])
async def test_a_death_at_any_write_changes_nothing_of_what_was_read(is_recorded: bool) -> None:
    whole = FakeRun()
    state = (await driven(whole, kit_with(READS), Reader())).machine.state
    for position in range(1, whole.writes + 1):
        run = FakeRun(dies_at=position, is_recorded=is_recorded)
        with pytest.raises(Died):
            await driven(run, kit_with(READS), Reader())
        driver = await driven(run.reopened(), kit_with(READS), Reader())
        assert driver.machine.state == state, position
