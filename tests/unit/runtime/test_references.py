"""What a reference stands for reaches the guard, the tool and the host whole; a replay needs no store."""

import asyncio
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nebulus.adapters.stores.memory import MemoryStore
from nebulus.core.answers import ModelAnswer, ModelRequest, Usage
from nebulus.core.commands import RunTool
from nebulus.core.context import Context
from nebulus.core.events import CallJudged, ToolFailed, ToolReturned
from nebulus.core.failure import FailureKind
from nebulus.core.findings import Call
from nebulus.core.outcome import Done, Outcome
from nebulus.core.plan import Plan, Step, ToolSucceeded
from nebulus.core.tools import Effect, ToolResult, ToolSpec
from nebulus.core.verdict import Allow, Ask, Verdict
from nebulus.guard.secrets import Secret, Secrets
from nebulus.loop.transitions import replay
from nebulus.ports.backend import OnText
from nebulus.ports.tool import ToolOutput
from nebulus.runtime.driver import RunDriver
from nebulus.runtime.perform import handed_out, perform
from nebulus.runtime.world import World
from nebulus.testing.runs import FakeRun
from nebulus.testing.tools import FakeTool
from tests.unit.runtime import worlds as w

TEXT = {"type": "string"}
SAVE = ToolSpec(
    name="save",
    parameters={
        "type": "object",
        "properties": {"name": TEXT, "text": TEXT},
        "required": ["name", "text"],
        "additionalProperties": False,
    },
    effect=Effect.WRITE,
    references=("text",),
)
PLAN = Plan(
    (
        Step(number=1, text="look at the page", checks=(ToolSucceeded("look"),)),
        Step(number=2, text="save with text = the result of step 1", checks=(ToolSucceeded("save"),)),
    )
)
PAGE = "\n".join(f'line {number}: "é" {{x}} \\ ' for number in range(1000)) + "\n\n"


class Copier(w.LiteralModel):
    """Looks at the page, then saves it by reference."""

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        self.requests.append(request)
        call: dict[str, Any] = {"name": "look", "arguments": {"value": "page"}}
        if "Now: step 2." in request.messages[-1].content:
            call = {"name": "save", "arguments": {"name": "b", "text": {"from": "step 1"}}}
        return ModelAnswer(text=json.dumps(call), usage=Usage(100, 20))


class Judge:
    """Allows everything, and keeps what it was asked."""

    digest = "judge"

    def __init__(self, verdict: Verdict | None = None) -> None:
        self.judged: list[tuple[Call, Context]] = []
        self._verdict = verdict or Allow("all")

    def judge(self, call: Call, spec: ToolSpec, context: Context) -> Verdict:
        self.judged.append((call, context))
        return self._verdict if call.tool == "save" else Allow("all")


class Scene:
    """A run that copies a page by reference."""

    def __init__(self, page: str, verdict: Verdict | None = None) -> None:
        self.kit = {**w.tools(), "save": FakeTool(SAVE)}
        self.kit["look"] = FakeTool(self.kit["look"].spec, [ToolOutput(text=page)])
        self.judge, self.store, self.model, self.run = Judge(verdict), MemoryStore(), Copier(), FakeRun()
        self.world: World = replace(
            w.world(self.kit, model=self.model), policy=self.judge, artifacts=self.store
        )
        self.driver: RunDriver = w.opened(self.run, self.kit, self.world)

    async def drive(self) -> Outcome:
        return await self.driver.drive(w.started(self.kit, PLAN))

    @property
    def saved(self) -> dict[str, Any]:
        return self.kit["save"].calls[-1][0]


async def test_the_tool_and_the_guard_are_given_the_whole_text() -> None:
    scene = Scene(PAGE)
    assert isinstance(await scene.drive(), Done)
    assert scene.saved == {"name": "b", "text": PAGE}
    call, context = scene.judge.judged[-1]
    assert call.arguments == {"name": "b", "text": PAGE}
    label = context.label("text")
    assert label is not None
    assert [origin.ref for origin in label.provenance.origins] == ["look"]
    assert PAGE[:40] not in scene.model.requests[-1].messages[-1].content


@given(st.text(min_size=1, max_size=900).filter(lambda text: text.strip() != ""))
def test_any_text_arrives_as_it_was_returned(text: str) -> None:
    for page in (text, text * 20):
        scene = Scene(page)
        asyncio.run(scene.drive())
        assert scene.saved["text"] == page


async def test_the_record_has_the_reference_and_how_its_value_begins() -> None:
    scene = Scene(PAGE)
    await scene.drive()
    data = b"".join(batch for batch in scene.run.reopened().past)
    assert data.count(b"line 500:") == 0
    judged = next(
        event for event in w.events_of(scene.run) if isinstance(event, CallJudged) and event.real.begins
    )
    assert judged.real.begins["text"].startswith(PAGE[:200])
    assert json.loads(judged.judged.arguments)["text"]["from"] == "step 1"


async def test_a_replay_needs_no_store() -> None:
    scene = Scene(PAGE)
    await scene.drive()
    machine = replay(w.events_of(scene.run))
    assert machine == scene.driver.machine


async def test_a_run_that_died_before_the_effect_puts_in_the_text_when_it_goes_on() -> None:
    whole = Scene(PAGE)
    await whole.drive()
    for write in range(1, whole.run.writes + 1):
        scene = Scene(PAGE)
        scene.run = FakeRun(list(whole.run.reopened().past[:write]))
        scene.driver = w.opened(scene.run, scene.kit, scene.world)
        scene.store.put(PAGE)
        assert isinstance(await scene.driver.drive(), Done)
        assert all(call["text"] == PAGE for call, _ in scene.kit["save"].calls)


async def test_a_result_that_is_not_stored_any_more_is_a_failure_and_no_effect() -> None:
    scene = Scene(PAGE)
    await scene.drive()
    told = RunTool(call=Call("save", {"name": "b", "text": {"from": "step 1"}}, "c9"), key="k")
    event = await perform(told, scene.world, may_have_run=False)
    assert isinstance(event, ToolFailed)
    assert event.failure.kind is FailureKind.OURS
    assert len(scene.kit["save"].calls) == 1


async def test_a_host_that_runs_tools_itself_is_handed_the_whole_text() -> None:
    scene = Scene(PAGE, Ask("r", "sure?"))
    scene.driver = RunDriver(scene.run, scene.world, handed_out=frozenset({RunTool}))
    task = asyncio.ensure_future(scene.driver.drive(w.started(scene.kit, PLAN)))
    (command,) = await scene.driver.wait_idle()
    assert isinstance(command, RunTool)
    assert command.call.tool == "look"
    assert handed_out(command, scene.world) == command
    address = scene.store.put(PAGE)
    result = ToolResult(text=PAGE[:100], artifact=address, size_bytes=len(PAGE.encode()))
    scene.driver.submit(ToolReturned(call_id=command.call.call_id, result=result))
    (command,) = await scene.driver.wait_idle()
    assert isinstance(command, RunTool)
    assert command.call.arguments == {"name": "b", "text": PAGE}
    scene.driver.submit(ToolReturned(call_id=command.call.call_id, result=ToolResult(text="ok")))
    assert isinstance(await task, Done)


async def test_the_mark_of_a_secret_in_a_copied_text_is_revealed_only_to_a_tool_that_was_granted_it() -> None:
    for tools, wanted in ((("save",), "key s3cr3t-value!\n"), (("pay",), "key [secret key]\n")):
        scene = Scene("key s3cr3t-value!\n" * 60)
        secrets = Secrets((Secret("key", "s3cr3t-value!", tools=tools),))
        scene.world = replace(scene.world, secrets=secrets)
        scene.driver = w.opened(scene.run, scene.kit, scene.world)
        await scene.drive()
        assert scene.saved["text"] == wanted * 60
