"""A long result is shown as a handle; a later step that needs it reads it, and only then writes."""

import json

from msgspec.structs import replace

from nebulus.adapters.stores.memory import MemoryStore
from nebulus.adapters.tools.stored import looking_tool
from nebulus.core.answers import ModelAnswer, ModelRequest, OneCall, Usage
from nebulus.core.events import RunStarted
from nebulus.core.outcome import Done
from nebulus.core.plan import Goal, Plan, Step, ToolSucceeded
from nebulus.ports.backend import OnText
from nebulus.ports.tool import Tool, ToolOutput
from nebulus.testing.runs import FakeRun
from nebulus.testing.tools import FakeTool
from tests.unit.runtime import worlds as w

PAGE = "\n".join(f"row {n}: code K-{n:03}x" for n in range(400))


class Reader(w.LiteralModel):
    """Looks for row 333 inside what is stored, then puts what it read."""

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        self.requests.append(request)
        shown = request.messages[-1].content
        if "Now: step 1." in shown:
            call = {"name": "look", "arguments": {"value": "page"}}
        elif "Last: look_inside" in shown:
            call = {
                "name": "put",
                "arguments": {"value": shown.split("line 334: row 333: code ")[1].split("\n")[0]},
            }
        else:
            handle = shown.split("Stored:\n- ")[1].split(":")[0]
            call = {"name": "look_inside", "arguments": {"handle": handle, "find": "row 333:"}}
        text = f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
        return ModelAnswer(text=text, usage=Usage(100, 20))


async def test_a_step_reads_a_stored_result_by_its_handle() -> None:
    store, kit, model = MemoryStore(), w.tools(), Reader()
    kit["look"] = FakeTool(kit["look"].spec, [ToolOutput(text=PAGE)])
    looking = looking_tool(store)
    tools: dict[str, Tool] = {**kit, "look_inside": looking}
    world = replace(w.world(kit, model=model), tools=tools, artifacts=store)
    config = replace(w.config(kit), tools=(*w.config(kit).tools, looking.spec))
    steps = (
        Step(number=1, text="look at the page", checks=(ToolSucceeded("look"),)),
        Step(
            number=2, text="put the code of row 333 from the result of step 1", checks=(ToolSucceeded("put"),)
        ),
    )
    driver = w.opened(FakeRun(), kit, world)
    started = RunStarted(goal=Goal(text="Copy."), plan=Plan(steps), config=config, run_id="r")
    assert isinstance(await driver.drive(started), Done)
    assert kit["put"].calls[0][0] == {"value": "K-333x"}
    first, second, third = model.requests
    assert "look_inside" not in {tool.name for tool in first.tools}, "nothing is stored yet"
    assert "look_inside" in {tool.name for tool in second.tools}
    assert second.form == OneCall(""), "it may look before it must put"
    assert "bytes, 400 lines; begins row 0:" in third.messages[-1].content
    assert len(driver.machine.state.artifacts) == 1, "what was read out of it is not stored again"
