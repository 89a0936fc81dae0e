"""The schemas that make a valid call the only thing a model can write.

Laws: constraining decides the form of a call, never whether there is one; a keyword that a backend
can't enforce is left out here and still enforced by validation, so a reduced schema accepts at least
all that the whole one accepts.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from nebulus.calls.schema import Schema, arguments_schema
from nebulus.core.tools import ToolSpec

__all__ = ["arguments_schema", "call_schema", "enforceable"]

UNENFORCED = frozenset(
    {
        "not", "if", "then", "else", "contains", "minContains", "maxContains", "uniqueItems",
        "dependentRequired", "dependentSchemas", "dependencies", "propertyNames", "minProperties",
        "maxProperties", "unevaluatedProperties", "unevaluatedItems", "contentEncoding",
        "contentMediaType", "contentSchema", "$dynamicRef", "$dynamicAnchor", "$anchor", "$id",
    }
)  # fmt: skip
"""Keywords that grammar engines refuse or pass over.

Source: llguidance 1.9.1, docs/json_schema.md and its refusals; llama.cpp b11434,
common/json-schema-to-grammar.cpp passes over the same and more.
"""

FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
)
"""Formats that llguidance 1.9.1 knows; any other is refused by it. Source: docs/json_schema.md there."""

_BEYOND_REGULAR = re.compile(r"\(\?[=!<]|\\[1-9]|\\[bBkpP]")
"""Look-around, back references, word boundaries and Unicode classes: engines differ, or refuse."""

_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_LISTED = frozenset({"anyOf", "allOf", "oneOf", "prefixItems"})
_SINGLE = frozenset({"items", "additionalProperties", "additionalItems"})


def call_schema(tools: Sequence[ToolSpec]) -> Schema:
    """Return the schema of one call of any of `tools`: `{"name": …, "arguments": {…}}`.

    Local references inside a tool's schema still point where they pointed.

    Raises:
        ValueError: `tools` is empty.
    """
    if not tools:
        raise ValueError("tools=() has no call to describe; offer at least one tool")
    shared: dict[str, Schema] = {}
    branches = [_branch(tool, f"tool{number}", shared) for number, tool in enumerate(tools)]
    schema = branches[0] if len(branches) == 1 else {"anyOf": branches}
    return {**schema, "$defs": shared} if shared else schema


def _branch(tool: ToolSpec, key: str, shared: dict[str, Schema]) -> Schema:
    arguments = arguments_schema(tool)
    moved = _with_refs_below(arguments, f"#/$defs/{key}")
    if moved != arguments:
        shared[key] = moved
        arguments = {"$ref": f"#/$defs/{key}"}
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _with_refs_below(node: Any, root: str) -> Any:
    """Return `node` with its local references made relative to `root`."""
    if isinstance(node, list):
        return [_with_refs_below(item, root) for item in node]
    if not isinstance(node, dict):
        return node
    moved = {key: _with_refs_below(value, root) for key, value in node.items()}
    ref = node.get("$ref")
    if isinstance(ref, str) and ref.startswith("#"):
        moved["$ref"] = root + ref[1:]
    return moved


def enforceable(schema: Schema) -> tuple[Schema, tuple[str, ...]]:
    """Return what a grammar engine can enforce of `schema`, and JSON pointers to what was left out.

    A `oneOf` whose branches are not certainly disjoint becomes an `anyOf`. The reduced schema accepts
    everything that `schema` accepts; validate the answer with the whole one.
    """
    left_out: list[str] = []
    return _reduced(schema, "", left_out.append), tuple(left_out)


def _reduced(node: Any, pointer: str, leave_out: Callable[[str], None]) -> Any:
    if not isinstance(node, dict):
        return node
    reduced: Schema = {}
    for keyword, value in node.items():
        place = f"{pointer}/{keyword}"
        if keyword in UNENFORCED or _is_beyond(keyword, value):
            leave_out(place)
        elif keyword in _NAMED and isinstance(value, dict):
            reduced[keyword] = {
                name: _reduced(sub, f"{place}/{name}", leave_out) for name, sub in value.items()
            }
        elif keyword in _LISTED and isinstance(value, list):
            kept = [_reduced(sub, f"{place}/{number}", leave_out) for number, sub in enumerate(value)]
            if keyword != "oneOf" or _are_disjoint(value):
                reduced[keyword] = kept
                continue
            leave_out(place)
            if "anyOf" not in node:
                reduced["anyOf"] = kept
        elif keyword in _SINGLE:
            reduced[keyword] = _reduced(value, place, leave_out)
        else:
            reduced[keyword] = value
    return reduced


def _is_beyond(keyword: str, value: Any) -> bool:
    """Whether this value of an enforced keyword is one that grammar engines refuse."""
    match keyword, value:
        case "format", str():
            return value not in FORMATS
        case "pattern", str():
            return bool(_BEYOND_REGULAR.search(value))
        case "$ref", str():
            return not value.startswith("#")
        case _:
            return False


def _are_disjoint(branches: list[Any]) -> bool:
    """Whether no value can meet two of `branches`, as far as types, constants and tags tell."""
    kinds = [_kinds(branch) for branch in branches]
    return all(
        first and second and not first & second
        for position, first in enumerate(kinds)
        for second in kinds[position + 1 :]
    ) or _have_distinct_tag(branches)


def _kinds(branch: Any) -> frozenset[str]:
    """The JSON types of `branch`; empty for unknown."""
    declared = branch.get("type") if isinstance(branch, dict) else None
    named = [declared] if isinstance(declared, str) else declared if isinstance(declared, list) else []
    return frozenset("number" if kind == "integer" else kind for kind in named)


def _have_distinct_tag(branches: list[Any]) -> bool:
    """Whether one required property has a constant of its own in every branch."""
    if not all(isinstance(branch, dict) for branch in branches):
        return False
    tags = [
        {
            name: repr(sub["const"])
            for name, sub in branch.get("properties", {}).items()
            if isinstance(sub, dict) and "const" in sub and name in branch.get("required", [])
        }
        for branch in branches
    ]
    return any(
        all(name in tag for tag in tags) and len({tag[name] for tag in tags}) == len(tags)
        for name in (tags[0] if tags else ())
    )
