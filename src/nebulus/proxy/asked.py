"""What a client asked for, whichever protocol it speaks.

Invariant: nothing that the client wrote is dropped without a note.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from nebulus.calls import tool_specs
from nebulus.core.answers import Message
from nebulus.core.errors import ToolDefinitionError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.tools import Effect, ToolSpec


class ChoiceKind(StrEnum):
    """What a client lets the model do with the tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


class ToolChoice(Struct, frozen=True):
    """Whether a call is wanted; `tool` is the only one that may be called, for `NAMED`."""

    kind: ChoiceKind = ChoiceKind.AUTO
    tool: str = ""


class ToolKind(Struct, frozen=True):
    """What a tool is in the client's protocol, where that is more than a function of the same name."""

    name: str
    namespace: str = ""
    takes_text: bool = False


class ClientRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request of a client. Zeros and None are what it did not say."""

    model: str = ""
    messages: tuple[Message, ...]
    """The history, in a form that every chat template takes (`history.arranged`)."""
    tools: tuple[ToolSpec, ...] = ()
    tool_kinds: dict[str, ToolKind] = field(default_factory=dict)
    """By the name under which the model is shown a tool."""
    choice: ToolChoice = ToolChoice()
    is_parallel: bool = True
    """Whether one answer may have several calls."""
    max_tokens: int = 0
    temperature: float | None = None
    seed: int | None = None
    stops: tuple[str, ...] = ()
    """Texts at which the answer ends; they are not part of it."""
    schema: dict[str, Any] | None = None
    """The JSON Schema of the answer, if it is to be JSON."""
    is_stream: bool = False
    wants_usage: bool = False
    """Whether a stream ends with the usage, for protocols in which that is asked for."""
    notes: tuple[str, ...] = ()
    """What was changed or left out of what the client sent."""

    @property
    def is_bound(self) -> bool:
        """Whether the answer must be a call."""
        return self.choice.kind in (ChoiceKind.REQUIRED, ChoiceKind.NAMED)


def refused(what: str, *, value: str = "", fix: str = "") -> Failure:
    """Return the failure of a request that can't be meant, or that we can't serve."""
    return Failure(
        kind=FailureKind.INVALID_ARGUMENTS, fault=Fault.CONTRACT, what=what, value=value[:200], fix=fix
    )


def text_of(content: Any) -> str | Failure:
    """Return the text of a message's content: a text, a list of parts, or nothing."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        return refused("a message's content is neither a text nor a list of parts", value=repr(content))
    texts = []
    for part in content:
        text = part if isinstance(part, str) else _part_text(part)
        if isinstance(text, Failure):
            return text
        texts.append(text)
    return "\n".join(text for text in texts if text)


_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text"})
_SILENT_PARTS = frozenset({"thinking", "redacted_thinking", "reasoning"})
"""Thoughts of earlier turns: a model is not shown them again."""


def _part_text(part: Any) -> str | Failure:
    kind = str(part.get("type")) if isinstance(part, Mapping) else ""
    if kind in _TEXT_PARTS:
        return str(part.get("text") or part.get("refusal") or "")
    if kind in _SILENT_PARTS:
        return ""
    return refused(
        "a message has a part that is not text",
        value=str(kind),
        fix="send text alone: images are not passed on",
    )


def arguments_text(arguments: Any) -> str:
    """Return the arguments of a call in a history as JSON text; some protocols and clients send an object."""
    if isinstance(arguments, str):
        return arguments or "{}"
    return msgspec.json.encode(arguments or {}).decode()


def client_tools(definitions: Iterable[Mapping[str, Any]]) -> tuple[ToolSpec, ...] | Failure:
    """Return the tools of a client. What they do to the world is not said, so the most consequential is assumed."""
    try:
        tools = tool_specs(definitions)
    except ToolDefinitionError as error:
        return refused(str(error))
    return tuple(replace(tool, effect=Effect.IRREVERSIBLE) for tool in tools)


def checked_choice(choice: ToolChoice | Failure, tools: tuple[ToolSpec, ...]) -> ToolChoice | Failure:
    """Return a choice of tools, or what is wrong with it."""
    if isinstance(choice, Failure):
        return choice
    if choice.kind is ChoiceKind.NAMED and choice.tool not in {tool.name for tool in tools}:
        return refused("tool_choice names a tool that is not offered", value=choice.tool)
    if choice.kind is ChoiceKind.REQUIRED and not tools:
        return refused("tool_choice requires a call, and no tool is offered", fix="offer tools")
    return choice
