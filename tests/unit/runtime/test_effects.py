"""What a tool may do to a run: take too long, return a secret, be under way when the run ends."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nebulus.adapters.tools.builtin import builtin_tools
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.commands import RunTool
from nebulus.core.events import OutcomeUnknown, ToolFailed, ToolReturned
from nebulus.core.failure import FailureKind
from nebulus.core.findings import Call
from nebulus.core.outcome import Refused
from nebulus.core.tools import Effect
from nebulus.guard.secrets import Secret, Secrets
from nebulus.memory.record import RECORDED_CHARS
from nebulus.ports.backend import OnText
from nebulus.ports.tool import ToolOutput
from nebulus.runtime.effects import run_tool
from nebulus.testing.runs import FakeRun
from nebulus.testing.tools import FakeTool
from tests.unit.runtime import worlds as w

KEY = "tk-R7hQ2w9Zp4xk"


class Slow(FakeTool):
    """Takes far longer than it may, the first time."""

    async def run(self, arguments: dict[str, Any], key: str) -> Any:
        if not self.calls:
            self.calls.append((arguments, key))
            await asyncio.sleep(5)
        return await super().run(arguments, key)


async def test_a_tool_that_takes_too_long_is_left_and_its_outcome_is_not_guessed() -> None:
    for name, expected in (("look", ToolFailed), ("send", OutcomeUnknown)):
        run, kit = FakeRun(), w.tools()
        kit[name] = Slow(replace(kit[name].spec, timeout_s=0.001))
        await w.driven(run, kit, w.plan_of(f"{name} a"))
        event = next(event for event in w.events_of(run) if isinstance(event, expected))
        assert "took longer than 0.001 s" in str(event)
        assert not isinstance(event, ToolFailed) or event.failure.kind is FailureKind.TIMEOUT


async def test_of_a_secret_that_a_long_result_is_cut_in_nothing_is_recorded_or_stored() -> None:
    run, kit = FakeRun(), w.tools()
    text = "x" * (RECORDED_CHARS - 9) + KEY + "y" * 500
    kit["look"] = FakeTool(kit["look"].spec, [ToolOutput(text=text)])
    store = w.DictStore()
    world = replace(w.world(kit), secrets=Secrets((Secret("KEY", KEY),)), artifacts=store)
    await w.opened(run, kit, world).drive(w.started(kit, w.plan_of("look a")))
    assert [KEY in kept for kept in store.kept.values()] == [False]
    result = next(event.result for event in w.events_of(run) if isinstance(event, ToolReturned))
    assert KEY[:6] not in result.text


class Lingering(w.LiteralModel):
    """Answers the first request; is long in letting go of any other."""

    is_asked = False
    has_ended = False

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        if request.messages[-1].content.rsplit("Now: step ", 1)[1].startswith("1"):
            return await super().answer(request, on_text)
        self.is_asked = True
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            self.has_ended = True
        raise AssertionError("nobody answers")


async def test_a_request_that_is_no_longer_wanted_has_ended_before_the_run_has() -> None:
    run, model, kit = FakeRun(), Lingering(), w.tools()
    kit["leave"] = FakeTool(w.spec("leave", Effect.EGRESS))
    world = replace(w.world(kit), backends={"small": model})
    plan = w.plan_of("leave a", "look b", after=())
    outcome = await w.opened(run, kit, world).drive(w.started(kit, plan))
    assert isinstance(outcome, Refused)
    assert (model.is_asked, model.has_ended) == (True, True)


async def test_a_write_that_a_crash_may_have_left_half_done_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("half of wh")
    workspace = FolderWorkspace(tmp_path)
    kit = {tool.spec.name: tool for tool in builtin_tools(workspace, None)}
    world = replace(w.world(kit), workspace=workspace)
    call = Call("write_file", {"path": "a.txt", "content": "whole"}, "c1")
    event = await run_tool(RunTool(call=call, key="k", unseen=("a.txt",)), world, may_have_run=True)
    assert isinstance(event, ToolReturned)
    assert (tmp_path / "a.txt").read_text() == "whole"


@pytest.mark.parametrize(("unseen", "expected"), [(("a.txt",), "ours"), (("b.txt",), "new"), ((), "new")])
async def test_a_file_that_the_run_has_not_seen_is_not_overwritten(
    tmp_path: Path, unseen: tuple[str, ...], expected: str
) -> None:
    (tmp_path / "a.txt").write_text("ours")
    workspace = FolderWorkspace(tmp_path)
    kit = {tool.spec.name: tool for tool in builtin_tools(workspace, None)}
    call = Call("write_file", {"path": "a.txt", "content": "new"}, "c1")
    world = replace(w.world(kit), workspace=workspace)
    event = await run_tool(RunTool(call=call, key="k", unseen=unseen), world, may_have_run=False)
    assert (tmp_path / "a.txt").read_text() == expected
    assert isinstance(event, ToolFailed) == (expected == "ours")
    assert not isinstance(event, ToolFailed) or event.failure.kind is FailureKind.CONFLICT
