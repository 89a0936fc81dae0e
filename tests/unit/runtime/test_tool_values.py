"""Whatever a tool returns or raises, a run continues from a record that can be decoded."""

import threading
from typing import Any

import pytest
from msgspec.structs import replace

from nebulus.core.commands import RunTool
from nebulus.core.events import OutcomeUnknown, ToolFailed, ToolReturned
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Call
from nebulus.core.journal import decode_event, encode_event
from nebulus.core.tools import Effect
from nebulus.ports.tool import ToolOutput
from nebulus.runtime.effects import LOOP_CHARS, run_tool
from nebulus.testing.tools import FakeTool
from tests.unit.runtime import worlds as w


class Mute(Exception):
    """Can't say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Posing:
    """An exception's response whose headers ask for an endless wait."""

    headers = {"retry-after-ms": "9" * 9, "retry-after": "nan"}  # noqa: RUF012


class Waiting(Exception):
    """Carries a response."""

    response = Posing()


async def event_of(reply: Any, effect: Effect, **more: bool) -> ToolReturned | ToolFailed | OutcomeUnknown:
    """Run a tool that gives `reply`; what is recorded of it reads back."""
    tool = FakeTool(w.spec("t", effect, **more), [reply])
    command = RunTool(call=Call(tool="t", arguments={"value": "x"}, call_id="c1"), key="k1")
    event = await run_tool(command, w.world({"t": tool}), may_have_run=False)
    assert decode_event(encode_event(event)) == event
    return event


BAD = (
    ToolOutput(text="ok", fields={"a": float("nan")}),
    ToolOutput(text="ok", fields={"a": float("inf")}),
    ToolOutput(text="ok", fields={"a": {"b": 1}}),  # type: ignore[dict-item]
    ToolOutput(text="ok", fields={"a": b"bytes"}),  # type: ignore[dict-item]
    ToolOutput(text=b"bytes"),  # type: ignore[arg-type]
)


@pytest.mark.parametrize("output", BAD)
async def test_a_result_that_can_not_be_recorded_fails_where_nothing_happened(output: ToolOutput) -> None:
    event = await event_of(output, Effect.READ)
    assert isinstance(event, ToolFailed)
    assert event.failure.kind is FailureKind.MALFORMED_ANSWER


@pytest.mark.parametrize("output", BAD)
async def test_a_result_that_can_not_be_recorded_is_lost_where_an_effect_happened(output: ToolOutput) -> None:
    event = await event_of(output, Effect.IRREVERSIBLE)
    assert isinstance(event, ToolReturned)
    assert event.result.is_lost


@pytest.mark.parametrize("output", [None, "text", {"text": "a"}])
async def test_what_is_not_an_output_leaves_an_effect_unknown_and_fails_a_read(output: Any) -> None:
    assert isinstance(await event_of(output, Effect.READ), ToolFailed)
    assert isinstance(await event_of(output, Effect.IRREVERSIBLE), OutcomeUnknown)
    known = await event_of(output, Effect.IRREVERSIBLE, has_check=True)
    assert isinstance(known, ToolReturned), "its own check sees that it happened"


@pytest.mark.parametrize("error", [Mute(), ValueError("half \ud800"), Waiting()])
async def test_an_exception_is_recorded_whatever_it_says(error: Exception) -> None:
    event = await event_of(error, Effect.READ)
    assert isinstance(event, ToolFailed)
    assert isinstance(await event_of(error, Effect.EGRESS), OutcomeUnknown)


async def test_lone_surrogates_are_escaped_wherever_they_are() -> None:
    event = await event_of(ToolOutput(text="a \ud800", fields={"b": "\udcff"}), Effect.READ)
    assert isinstance(event, ToolReturned)
    assert (event.result.text, event.result.fields) == ("a \\ud800", {"b": "\\udcff"})
    for reply in (
        Failure(kind=FailureKind.CONFLICT, fault=Fault.TOOL, what="a \ud800", retry_after_s=float("nan")),
        ToolOutput(text='{"error": "a \\ud800"}'),
    ):
        assert isinstance(await event_of(reply, Effect.READ), ToolFailed)


async def test_a_text_that_is_nested_too_deep_for_json_is_plain_text() -> None:
    event = await event_of(ToolOutput(text='{"a":' * 100_000), Effect.READ)
    assert isinstance(event, ToolReturned)


async def test_a_check_that_breaks_leaves_the_outcome_unknown() -> None:
    class Broken(FakeTool):
        async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
            raise Mute

    tool = Broken(w.spec("t", Effect.EGRESS, has_check=True), [Mute()])
    command = RunTool(call=Call(tool="t", arguments={"value": "x"}, call_id="c1"), key="k1")
    event = await run_tool(command, w.world({"t": tool}), may_have_run=False)
    assert isinstance(event, OutcomeUnknown)


async def test_a_long_result_is_processed_outside_the_event_loop() -> None:
    class Threads:
        """Artifacts that note in which thread they are put."""

        def __init__(self) -> None:
            self.names: list[str] = []

        def put(self, content: str) -> str:
            self.names.append(threading.current_thread().name)
            return "0" * 64

        def get(self, address: str) -> str:
            return ""

    shelf = Threads()
    for length in (LOOP_CHARS, LOOP_CHARS + 1):
        tool = FakeTool(w.spec("t", Effect.READ), [ToolOutput(text="x" * length)])
        command = RunTool(call=Call(tool="t", arguments={"value": "x"}, call_id="c1"), key="k1")
        await run_tool(command, replace(w.world({"t": tool}), artifacts=shelf), may_have_run=False)
    assert shelf.names[0] == threading.main_thread().name != shelf.names[1]
