"""Readings for people and for programs: one JSON line a raw answer, or an account in words.

The line that comes in: `{"id", "text" or "message", "tools", "finish_reason"}`. The line that goes out:
`{"id", "calls": [{"name", "arguments"}], "dialect", "evidence", "edits", "mentions", "finding"}`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nebulus.calls.acceptance import Needed, by_effect
from nebulus.calls.definitions import tool_specs
from nebulus.calls.reader import read
from nebulus.calls.text import DEFAULT, ReaderProfile
from nebulus.core.answers import FinishReason, ModelAnswer, RawCall
from nebulus.core.errors import ConfigError
from nebulus.core.findings import Finding, Reading
from nebulus.core.tools import ToolSpec

_FINISH = {
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.FILTER,
    "tool_calls": FinishReason.CALLS,
    "function_call": FinishReason.CALLS,
    "tool_use": FinishReason.CALLS,
}
"""Source: OpenAI API reference, `finish_reason`; Anthropic API reference, `stop_reason`."""


def read_line(
    line: Mapping[str, Any],
    tools: Sequence[ToolSpec] = (),
    *,
    profile: ReaderProfile = DEFAULT,
    needed: Needed = by_effect,
) -> dict[str, Any]:
    """Return the reading of one raw answer as plain JSON values; `tools` are those of a line without any.

    Raises:
        ConfigError: the line has neither `text` nor `message`.
        ToolDefinitionError: a tool in it is not a tool definition.
    """
    offered = tool_specs(line["tools"]) if line.get("tools") else tuple(tools)
    reading = read(
        answer_of(line), offered, shown=str(line.get("shown") or ""), profile=profile, needed=needed
    )
    return {
        "id": line.get("id"),
        "calls": [{"name": call.tool, "arguments": call.arguments} for call in reading.calls],
        "dialect": reading.dialect,
        "evidence": [evidence.name.lower() for evidence in reading.evidence],
        "edits": msgspec.to_builtins(reading.edits),
        "mentions": msgspec.to_builtins(reading.mentions),
        "finding": _finding(reading.finding),
    }


def answer_of(line: Mapping[str, Any]) -> ModelAnswer:
    """Return the answer that a line holds: plain text, or an assistant's message.

    Raises:
        ConfigError: it has neither `text` nor `message`, or one that is neither text nor an object.
    """
    finish = _FINISH.get(str(line.get("finish_reason") or "stop"), FinishReason.STOP)
    message = line.get("message")
    if isinstance(message, Mapping):
        calls = tuple(_raw_call(call) for call in message.get("tool_calls") or ())
        reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
        return ModelAnswer(
            text=_text(message.get("content")), reasoning=reasoning, calls=calls, finish=finish
        )
    text = line.get("text", message)
    if not isinstance(text, str):
        raise ConfigError(
            f"the line {str(line.get('id'))!r} has neither text nor message", fix="give one of them"
        )
    return ModelAnswer(text=text, finish=finish)


def _text(content: Any) -> str:
    """The text of a message's content, which may be a list of parts."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _raw_call(call: Mapping[str, Any]) -> RawCall:
    inner = call.get("function") or call
    arguments = inner.get("arguments")
    if arguments is None:
        arguments = inner.get("input", "")
    spelled = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return RawCall(str(inner.get("name") or ""), spelled, str(call.get("id") or ""))


def _finding(finding: Finding | None) -> dict[str, Any] | None:
    if finding is None:
        return None
    fields: dict[str, Any] = msgspec.to_builtins(finding)
    return {**fields, "sentence": finding.sentence()}


def explain(reading: Reading) -> str:
    """Return a reading in words, for a person: dialect, calls, edits, finding."""
    lines = [f"dialect: {reading.dialect or 'none'}"]
    lines.extend(
        f"call:    {call.tool} {msgspec.json.encode(call.arguments).decode()}, evidence: {evidence.name.lower()}"
        for call, evidence in zip(reading.calls, reading.evidence, strict=True)
    )
    lines.extend(f"words:   {mention.text}: {mention.why}" for mention in reading.mentions)
    for edit in reading.edits:
        change = f": {edit.before!r} became {edit.after!r}" if edit.before or edit.after else ""
        lines.append(f"edit:    {edit.name} at {edit.where or '/'}{change}")
    if reading.finding is not None:
        lines.append(f"finding: {reading.finding.kind.value}: {reading.finding.sentence()}")
    if not reading.calls and reading.finding is None:
        lines.append("words:   no call, and nothing wrong")
    return "\n".join(lines)
