"""Tool definitions as the OpenAI and Anthropic APIs and MCP write them, made `ToolSpec`."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from nebulus.core.errors import ToolDefinitionError
from nebulus.core.tools import ToolSpec

_SCHEMA_KEYS = ("parameters", "input_schema", "inputSchema")


def tool_spec(definition: Mapping[str, Any]) -> ToolSpec:
    """Return the tool that a definition describes; what it does to the world is not said there.

    Source: OpenAI API reference, `tools`; Anthropic API reference, `input_schema`; MCP 2025-06-18,
    `inputSchema`.

    Raises:
        ToolDefinitionError: it has no name, or its parameters are not an object.
    """
    inner = definition.get("function", definition)
    name = inner.get("name") if isinstance(inner, Mapping) else None
    if not isinstance(name, str) or not name:
        raise ToolDefinitionError(
            f"the tool definition {str(definition)[:80]!r} has no name", fix="give it one"
        )
    parameters: Any = next((inner[key] for key in _SCHEMA_KEYS if inner.get(key) is not None), {})
    if not isinstance(parameters, Mapping):
        raise ToolDefinitionError(
            f"the parameters of {name!r} are {parameters!r}", fix="give a JSON Schema of type object"
        )
    schema = dict(parameters) or {"type": "object", "properties": {}}
    return ToolSpec(name=name, description=str(inner.get("description") or ""), parameters=schema)


def tool_specs(definitions: Iterable[Mapping[str, Any]]) -> tuple[ToolSpec, ...]:
    """Return the tools that `definitions` describe.

    Raises:
        ToolDefinitionError: one of them describes no tool, or two have one name.
    """
    tools = tuple(tool_spec(definition) for definition in definitions)
    counts = Counter(tool.name for tool in tools)
    twice = next((name for name, count in counts.items() if count > 1), None)
    if twice is not None:
        raise ToolDefinitionError(f"two tools have the name {twice!r}", fix="rename one")
    return tools
