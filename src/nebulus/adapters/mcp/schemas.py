"""The parameters of a foreign tool, as a schema that every model, parser and rule here can use.

Invariants: references within the schema are resolved, none outside it is followed; the result is an object schema of
bounded size that accepts no arguments that the original rejects for a named property, or the reason why it can't be.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from nebulus.calls.validate import validator
from nebulus.core.errors import ToolDefinitionError
from nebulus.core.prompt import harmless
from nebulus.core.text import clean
from nebulus.core.tools import ToolSpec

MOST_BYTES = 32_768
"""The largest schema that is used: about 8,000 tokens, more than the window of a small model has to spare."""
DEEPEST = 12
"""Levels of references within references; what is deeper may be anything."""
DESCRIPTION_CHARS = 200
"""The most of one description of a parameter that is shown."""
_DROPPED = frozenset({"$schema", "$id", "$defs", "definitions", "$comment", "$anchor", "title", "examples"})
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas"})
_ANYTHING: dict[str, Any] = {}


class SchemaProblem(Struct, frozen=True):
    """Why a tool can't be used, in words for a person."""

    why: str


def parameters_of(schema: Mapping[str, Any]) -> dict[str, Any] | SchemaProblem:
    """Return `schema` without references and with an object at its root, or why that can't be."""
    root = dict(schema)
    try:
        plain = _Resolver(root).resolved(root, 0)
        size = len(msgspec.json.encode(plain))
    except (ToolDefinitionError, RecursionError, TypeError, ValueError) as error:
        return SchemaProblem(f"its parameters can't be used: {error}")
    if not isinstance(plain, dict):
        return SchemaProblem("its parameters are not a JSON Schema object")
    if plain.get("type", "object") not in ("object", ["object"]):
        return SchemaProblem(f"its parameters are of type {plain['type']!r}, not an object")
    if size > MOST_BYTES:
        return SchemaProblem(f"its parameters take {size:,} bytes; {MOST_BYTES:,} are the most")
    whole = {**plain, "type": "object"}
    try:
        validator(ToolSpec(name="probe", parameters=whole))
    except (ToolDefinitionError, RecursionError) as error:
        return SchemaProblem(f"its parameters can't be used: {error}")
    return _with_properties(whole, is_closed=schema.get("properties") == {})


def _with_properties(schema: dict[str, Any], *, is_closed: bool) -> dict[str, Any]:
    """Return a valid object schema with its properties in one place; one without any is open, unless it says so."""
    merged = _merged(schema)
    properties = merged.get("properties", {})
    is_silent = not properties and not {"additionalProperties", "patternProperties"} & merged.keys()
    rest = {"additionalProperties": not is_closed} if is_silent else {}
    return {**merged, "properties": properties, **rest}


def _merged(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an object schema with the properties that it is combined from by `allOf` in one place."""
    parts = [part for part in schema.get("allOf", ()) if isinstance(part, dict)]
    if not parts or "properties" in schema:
        return schema
    properties: dict[str, Any] = {}
    required: list[str] = list(schema.get("required", ()))
    for part in parts:
        properties |= part.get("properties", {})
        required += [name for name in part.get("required", ()) if name not in required]
    return {**schema, "properties": properties, **({"required": required} if required else {})}


class _Resolver:
    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._left_bytes = 8 * MOST_BYTES
        """So much may be copied in place of references before a schema counts as one that explodes."""

    def resolved(self, value: Any, depth: int, *, is_named: bool = False) -> Any:
        match value:
            case dict() if not is_named and isinstance(value.get("$ref"), str):
                rest = {key: inner for key, inner in value.items() if key != "$ref"}
                target = self._target(value["$ref"], depth)
                return self.resolved({**target, **rest}, depth + 1) if depth < DEEPEST else _ANYTHING
            case dict():
                kept = {
                    clean(str(key)): inner for key, inner in value.items() if is_named or key not in _DROPPED
                }
                return {
                    harmless(key) if is_named else key: self._said(inner)
                    if key == "description" and not is_named
                    else self.resolved(inner, depth, is_named=not is_named and key in _NAMED)
                    for key, inner in kept.items()
                }
            case list():
                return [self.resolved(inner, depth) for inner in value]
            case str():
                return harmless(clean(value))
            case _:
                return value

    def _said(self, value: Any) -> str:
        text = " ".join(str(value).split())
        return harmless(clean(text if len(text) <= DESCRIPTION_CHARS else f"{text[:DESCRIPTION_CHARS]}…"))

    def _target(self, reference: str, depth: int) -> dict[str, Any]:
        if not reference.startswith("#"):
            raise ToolDefinitionError(f"$ref={reference[:100]!r} leaves the schema, and nothing is fetched")
        place: Any = self._root
        for part in filter(None, reference[1:].split("/")):
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(place, list) and name.isdigit() and int(name) < len(place):
                place = place[int(name)]
            elif isinstance(place, dict) and name in place:
                place = place[name]
            else:
                raise ToolDefinitionError(f"$ref={reference[:100]!r} leads to nothing")
        if place is True:
            return {}
        if not isinstance(place, dict):
            raise ToolDefinitionError(f"$ref={reference[:100]!r} leads to something that is not a schema")
        self._left_bytes -= len(msgspec.json.encode(place))
        if self._left_bytes < 0:
            raise ToolDefinitionError("its references make it larger than any model could read")
        return place
