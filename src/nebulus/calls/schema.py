"""What a tool's parameters mean: which schema a tool has, and which of its keywords bind.

Invariants: arguments that a schema does not name are not allowed unless it says that they are; a schema is
only ever made weaker for a backend, never for validation.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from nebulus.core.tools import ToolSpec

Schema: TypeAlias = dict[str, Any]

_OPENERS = ("additionalProperties", "unevaluatedProperties", "patternProperties")
_COMBINERS = ("$ref", "allOf", "anyOf", "oneOf")


def arguments_schema(tool: ToolSpec) -> Schema:
    """Return the schema that the arguments of `tool` must meet: its own, closed where it is silent.

    A schema that names its properties and says nothing of others means "these and no others": that is
    how tool definitions are written, whatever JSON Schema's default is. A schema without `properties`,
    or one that is combined from others, stays as open as it is written.
    """
    parameters = tool.parameters or {}
    schema: Schema = {"type": "object", **parameters}
    is_silent = not any(keyword in schema for keyword in (*_OPENERS, *_COMBINERS))
    if is_silent and "properties" in schema:
        schema["additionalProperties"] = False
    return schema


def property_names(tool: ToolSpec) -> tuple[str, ...]:
    """Return the names of the declared arguments of `tool`, in declared order."""
    properties = tool.parameters.get("properties")
    return tuple(properties) if isinstance(properties, Mapping) else ()


def required_names(tool: ToolSpec) -> tuple[str, ...]:
    """Return the names of the arguments that `tool` requires."""
    required = tool.parameters.get("required")
    return tuple(required) if isinstance(required, list | tuple) else ()
