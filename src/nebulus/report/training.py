"""Runs as training data: each model call as a chat, with what became of it as the label.

Invariants: a label is what code recorded (parsed or not, and how; the step's status; the run's outcome and whether it is
proven), never a guess; a prompt that can no longer be composed as it was sent says so; secrets are hidden.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nebulus.core import events as e
from nebulus.core.answers import Message, ModelAnswer
from nebulus.core.events import Event
from nebulus.core.outcome import Done
from nebulus.core.tools import ToolSpec
from nebulus.loop.transitions import replay
from nebulus.report.prompts import asked_models


def training_rows(
    run_id: str, events: Sequence[Event], *, hide: Callable[[str], str]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each answer of a run: `messages` and `tools` as for OpenAI, and `label`.

    `hide` removes secrets from a text.

    Raises:
        IllegalEventError: the events do not fit the machine.
    """
    machine, parsed = replay(events), _parsed(events)
    statuses = {step.number: step.status.value for step in machine.state.plan.steps}
    outcome = machine.outcome
    ended = {
        "outcome": type(outcome).__name__.lower() if outcome is not None else "unfinished",
        "proof": outcome.proof.value if isinstance(outcome, Done) else "",
    }
    for asked in asked_models(events):
        if asked.answer is None:
            continue
        label = {**parsed.get(asked.position, {}), "step_status": statuses.get(asked.step, ""), **ended}
        yield {
            "run_id": run_id,
            "position": asked.position,
            "step": asked.step,
            "kind": asked.kind.value,
            "model": asked.answer.model or asked.tier,
            "messages": [*_messages(asked.messages, hide), _said(asked.answer, hide)],
            "tools": [_definition(tool) for tool in asked.offered],
            "is_as_sent": asked.is_same_size,
            "label": label,
        }


def _parsed(events: Sequence[Event]) -> dict[int, dict[str, str]]:
    """Return what each answer was parsed as, by its position."""
    found: dict[int, dict[str, str]] = {}
    waiting: dict[tuple[int, str], int] = {}
    for position, event in enumerate(events, start=1):
        match event:
            case e.ModelAnswered():
                waiting[event.step, event.call_id] = position
            case e.AnswerParsed():
                at = waiting.pop((event.step, event.call_id), 0)
                finding = event.parsed.finding.kind.value if isinstance(event.parsed, e.Unusable) else ""
                found[at] = {"parsed": type(event.parsed).__name__, "finding": finding}
            case _:
                continue
    return found


def _messages(messages: Sequence[Message], hide: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    for message in messages:
        row: dict[str, Any] = {"role": message.role, "content": hide(message.content)}
        if message.calls:
            row["tool_calls"] = [
                _call(call.call_id, call.name, hide(call.arguments)) for call in message.calls
            ]
        if message.call_id:
            row["tool_call_id"] = message.call_id
        yield row


def _said(answer: ModelAnswer, hide: Callable[[str], str]) -> dict[str, Any]:
    row: dict[str, Any] = {"role": "assistant", "content": hide(answer.text)}
    if answer.reasoning:
        row["reasoning_content"] = hide(answer.reasoning)
    if answer.calls:
        row["tool_calls"] = [_call(call.call_id, call.name, hide(call.arguments)) for call in answer.calls]
    return row


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _definition(tool: ToolSpec) -> dict[str, Any]:
    known = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": known}
