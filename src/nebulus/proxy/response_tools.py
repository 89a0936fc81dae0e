"""The tools of OpenAI's responses: functions, functions in namespaces, and tools that take plain text.

Invariant: pure; a model is shown all of them as functions, and each call goes back in the form of its tool.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from nebulus.core.findings import Call
from nebulus.proxy.asked import ToolKind

_TEXT_INPUT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
"""The parameters of a tool that takes plain text."""


class OfferedTools(Struct, frozen=True, kw_only=True):
    """The tools of a request as functions with unique names, and what each of them really is."""

    definitions: tuple[dict[str, Any], ...] = ()
    kinds: dict[str, ToolKind] = {}
    notes: tuple[str, ...] = ()

    def shown_name(self, name: str, namespace: str) -> str:
        """Return the name under which a model is shown a tool."""
        return _joined(namespace, name) if namespace else name


def offered_tools(sent: list[dict[str, Any]]) -> OfferedTools:
    """Return the tools that a client runs; those that a server would run are left out, with a note."""
    definitions: list[dict[str, Any]] = []
    kinds: dict[str, ToolKind] = {}
    others: list[str] = []
    for tool in sent:
        match tool:
            case {"type": "function"}:
                definitions.append(tool)
            case {"type": "custom", "name": str(name)}:
                kinds[name] = ToolKind(name, takes_text=True)
                definitions.append({**tool, "parameters": _TEXT_INPUT})
            case {"type": "namespace", "name": str(namespace), "tools": list(inner)}:
                for each in inner:
                    shown = _joined(namespace, str(each.get("name")))
                    kinds[shown] = ToolKind(str(each.get("name")), namespace=namespace)
                    definitions.append({**each, "name": shown})
            case _:
                others.append(str(tool.get("type")))
    notes = (f"tools that a server runs were left out: {', '.join(others)}",) if others else ()
    return OfferedTools(definitions=tuple(definitions), kinds=kinds, notes=notes)


def tool_item(call: Call, kinds: Mapping[str, ToolKind], *, item_id: str, is_begun: bool) -> dict[str, Any]:
    """Return the item of a call; one that is only begun has no arguments yet."""
    kind = kinds.get(call.tool) or ToolKind(call.tool)
    item = {
        "id": item_id,
        "call_id": call.call_id,
        "name": kind.name,
        "status": "in_progress" if is_begun else "completed",
    }
    if kind.namespace:
        item["namespace"] = kind.namespace
    if kind.takes_text:
        text = "" if is_begun else str(call.arguments.get("input", ""))
        return {**item, "type": "custom_tool_call", "input": text}
    arguments = "" if is_begun else msgspec.json.encode(call.arguments).decode()
    return {**item, "type": "function_call", "arguments": arguments}


def _joined(namespace: str, name: str) -> str:
    return f"{namespace}{name}" if namespace.endswith("__") else f"{namespace}__{name}"
