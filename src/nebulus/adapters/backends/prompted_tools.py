"""Tools written into the prompt, for models whose chat template takes none.

Invariants: pure; the same tools give the same text, at the front of the prompt, whatever form is asked for, so
that a server's cache keeps it; no message is dropped.
"""

import json
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from nebulus.adapters.backends.forms import call_schema
from nebulus.adapters.backends.settings import BackendSettings, ToolForm
from nebulus.core.answers import Message, ModelRequest, OneCall, RawCall, Shape
from nebulus.core.tools import ToolSpec

_HOW = 'To call a tool, answer only with JSON: {"name": "TOOL", "arguments": {"PARAMETER": VALUE}}'
_DEPTH = 8
"""How deeply a type is written out."""


def tool_form_of(settings: BackendSettings, *, takes_tools: bool) -> ToolForm:
    """Return the form that `settings` choose for a model whose template takes tools, or does not."""
    if settings.tool_form != "auto":
        return settings.tool_form
    return "template" if takes_tools else "signatures"


def written(request: ModelRequest, form: ToolForm) -> ModelRequest:
    """Return `request` with its tools in the system message, and calls and results in the history as text.

    Its form is kept. With "template" nothing changes.
    """
    if form == "template":
        return request
    messages = calls_as_text(request.messages)
    if request.tools:
        messages = _with_system(messages, tools_text(request.tools, form))
    return replace(request, messages=messages, tools=())


def calls_as_text(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return `messages` with calls and their results as text, and neighbours of one role joined."""
    return _merged(_as_text(messages))


def as_shape(request: ModelRequest, tools: tuple[ToolSpec, ...]) -> ModelRequest:
    """Return `request` with one call of `tools` asked for as JSON of a schema, for servers that constrain that."""
    if not isinstance(request.form, OneCall):
        return request
    return replace(request, form=Shape(call_schema(tools, request.form).schema))


def tools_text(tools: Iterable[ToolSpec], form: ToolForm) -> str:
    """Return what a model is told about its tools."""
    describe = signature if form == "signatures" else _json_schema
    return "\n".join(["Tools:", *map(describe, tools), _HOW])


def signature(tool: ToolSpec) -> str:
    """Return a tool in compact form.

    Such as `read_file(path: string, start?: integer = 1): Read a text file.` Parameters with a description follow on lines of their own.
    """
    lines = [f"{tool.name}({_listed(tool.parameters)}): {_line(tool.description)}".rstrip(": ")]
    for name, schema in tool.parameters.get("properties", {}).items():
        if isinstance(schema, dict) and schema.get("description"):
            lines.append(f"  {name}: {_line(schema['description'])}")
    return "\n".join(lines)


def _json_schema(tool: ToolSpec) -> str:
    return json.dumps(
        {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        ensure_ascii=False,
    )


def _typed(schema: Any, depth: int = 0) -> str:
    """Return a JSON Schema as a type, as TypeScript would write it; what has no short form as JSON."""
    if depth > _DEPTH:
        return "any"
    match schema:
        case {"enum": [*values]}:
            return " | ".join(map(_value, values))
        case {"const": value}:
            return _value(value)
        case {"anyOf": [*choices]} | {"oneOf": [*choices]}:
            return " | ".join(_typed(choice, depth + 1) for choice in choices)
        case {"type": [*names]}:
            return " | ".join(_typed({**schema, "type": name}, depth + 1) for name in names)
        case {"type": "array"}:
            inner = _typed(schema.get("items", True), depth + 1)
            return f"({inner})[]" if " " in inner else f"{inner}[]"
        case {"type": "object"}:
            return _object(schema, depth)
        case {"type": str(name)}:
            return name
        case True:
            return "any"
        case _:
            return _value(schema) if schema else "any"


def _object(schema: dict[str, Any], depth: int) -> str:
    properties = schema.get("properties")
    return f"{{{_listed(schema, depth)}}}" if isinstance(properties, dict) and properties else "object"


def _listed(schema: dict[str, Any], depth: int = 0) -> str:
    required = schema.get("required", ())
    return ", ".join(
        f"{name}{'' if name in required else '?'}: {_typed(inner, depth + 1)}{_default(inner)}"
        for name, inner in schema.get("properties", {}).items()
    )


def _default(schema: Any) -> str:
    default = schema.get("default") if isinstance(schema, dict) else None
    return "" if default is None else f" = {_value(default)}"


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _line(text: str) -> str:
    return " ".join(text.split())


def _as_text(messages: tuple[Message, ...]) -> Iterable[Message]:
    """Yield messages whose calls and results are text: templates without tools know neither."""
    names: dict[str, str] = {}
    for message in messages:
        if message.role == "tool":
            name = names.get(message.call_id, "the tool")
            yield Message("user", f"Result of {name}:\n{message.content}")
            continue
        names |= {call.call_id: call.name for call in message.calls}
        parts = [message.content, *map(_call_text, message.calls)]
        yield Message(message.role, "\n".join(filter(None, parts)))


def _call_text(call: RawCall) -> str:
    return f'{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}'


def _merged(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Join neighbours of one role: many templates want roles to alternate."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            merged[-1] = replace(merged[-1], content=f"{merged[-1].content}\n\n{message.content}")
        else:
            merged.append(message)
    return tuple(merged)


def _with_system(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """Put `text` behind the first system message, or in front of everything where there is none."""
    if messages and messages[0].role == "system":
        first = replace(messages[0], content=f"{messages[0].content}\n\n{text}")
        return (first, *messages[1:])
    return (Message("system", text), *messages)
