"""No value that a tool, a model or a person gives makes a run unreadable: it becomes a typed failure."""

from typing import Any

import pytest
from msgspec.structs import replace

from nebulus.core.answers import ModelAnswer, ModelRequest, Usage
from nebulus.core.events import ModelFailed, PersonAnswered, ToolFailed, ToolReturned
from nebulus.core.failure import FailureKind, Fault
from nebulus.core.outcome import Done, Failed
from nebulus.loop.transitions import replay
from nebulus.ports.backend import OnText
from nebulus.ports.guard import PersonReply
from nebulus.ports.tool import ToolOutput
from nebulus.runtime.verify import verify
from nebulus.testing.people import ScriptedPerson
from nebulus.testing.runs import FakeRun
from nebulus.testing.tools import FakeTool
from tests.unit.runtime import worlds as w

LONE = "half a character \ud800"
BAD: dict[str, ToolOutput] = {
    "not a number": ToolOutput(text="ok", fields={"celsius": float("nan")}),
    "infinity": ToolOutput(text="ok", fields={"celsius": float("inf")}),
    "a surrogate in the text": ToolOutput(text=LONE),
    "a surrogate in a field": ToolOutput(text="ok", fields={"name": LONE}),
    "a field that is an object": ToolOutput(text="ok", fields={"name": object()}),  # type: ignore[dict-item]
    "a field that is a list": ToolOutput(text="ok", fields={"names": [1, 2]}),  # type: ignore[dict-item]
    "a field that is a mapping": ToolOutput(text="ok", fields={"names": {"a": 1}}),  # type: ignore[dict-item]
    "a text that is bytes": ToolOutput(text=b"ok"),  # type: ignore[arg-type]
    "a text that is not there": ToolOutput(text=None),  # type: ignore[arg-type]
    "an endless number": ToolOutput(text="ok", fields={"count": 10**400}),
}
OUTPUTS = pytest.mark.parametrize("output", BAD.values(), ids=BAD.keys())


def kit_with(name: str, *replies: ToolOutput) -> dict[str, FakeTool]:
    kit = w.tools()
    return kit | {name: FakeTool(kit[name].spec, replies)}


def require_readable(run: FakeRun, outcome: object) -> None:
    events = w.events_of(run)
    assert replay(events).outcome == outcome
    assert verify(run.reopened().past, outcome).is_whole


@OUTPUTS
async def test_a_read_that_returns_what_cannot_be_recorded_has_failed_and_the_run_stays_readable(
    output: ToolOutput,
) -> None:
    run, kit = FakeRun(), kit_with("look", output)
    outcome = await w.driven(run, kit, w.plan_of("look a"))
    require_readable(run, outcome)
    events = w.events_of(run)
    if isinstance(outcome, Done):  # it can be written down after all
        assert any(isinstance(event, ToolReturned) for event in events)
        return
    assert isinstance(outcome, Failed)
    [failed, *_] = [event for event in events if isinstance(event, ToolFailed)]
    assert failed.failure.fault is Fault.TOOL
    assert failed.failure.kind is FailureKind.MALFORMED_ANSWER


@OUTPUTS
async def test_an_effect_that_returns_what_cannot_be_recorded_has_happened_and_is_not_repeated(
    output: ToolOutput,
) -> None:
    run, kit = FakeRun(), kit_with("put", output)
    outcome = await w.driven(run, kit, w.plan_of("put a", "look b"))
    require_readable(run, outcome)
    assert isinstance(outcome, Done)
    assert len(kit["put"].effects) == 1
    returned = next(event for event in w.events_of(run) if isinstance(event, ToolReturned))
    assert returned.result.is_lost or not any("\ud800" <= char <= "\udfff" for char in returned.result.text)


async def test_a_read_that_returns_it_once_is_made_again_and_the_run_goes_on() -> None:
    run, kit = FakeRun(), kit_with("look", BAD["not a number"], ToolOutput(text="ok"))
    outcome = await w.driven(run, kit, w.plan_of("look a"))
    require_readable(run, outcome)
    assert isinstance(outcome, Done)


class Garbled(w.LiteralModel):
    """Answers with half a character, once."""

    is_done = False

    async def answer(self, request: ModelRequest, on_text: OnText | None = None) -> ModelAnswer:
        if self.is_done:
            return await super().answer(request, on_text)
        self.is_done = True
        return ModelAnswer(text=LONE, usage=Usage(100, 20))


async def test_an_answer_that_cannot_be_recorded_is_a_failure_of_its_backend() -> None:
    run, kit = FakeRun(), w.tools()
    outcome = await w.driven(run, kit, w.plan_of("look a"), model=Garbled())
    require_readable(run, outcome)
    [failed] = [event for event in w.events_of(run) if isinstance(event, ModelFailed)]
    assert failed.failure.fault is Fault.BACKEND


async def test_a_persons_yes_counts_though_their_words_cannot_be_recorded() -> None:
    run, kit = FakeRun(), w.tools()
    person = ScriptedPerson([PersonReply(is_yes=True, text=LONE, by=LONE)])
    outcome = await w.driven(run, kit, w.plan_of("send a"), person=person)
    require_readable(run, outcome)
    assert isinstance(outcome, Done)
    [answered] = [event for event in w.events_of(run) if isinstance(event, PersonAnswered)]
    assert (answered.is_yes, answered.text, answered.by) == (True, "", "")


async def test_a_tool_that_raises_a_lone_surrogate_leaves_a_readable_run() -> None:
    class Raising(FakeTool):
        async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput:
            raise ValueError(LONE)

    for name in ("look", "put"):
        kit = w.tools()
        kit[name] = Raising(kit[name].spec)
        run = FakeRun()
        person = ScriptedPerson([replace(w.YES, is_yes=True)] * 9)
        outcome = await w.driven(run, kit, w.plan_of(f"{name} a"), person=person)
        require_readable(run, outcome)
