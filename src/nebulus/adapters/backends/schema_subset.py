"""The part of a JSON Schema that constrained decoding can enforce.

Invariant: reducing only weakens: whatever the whole schema accepts, the reduced one accepts. What was left out
is said, because the whole schema still judges the answer afterwards.

Why: llama.cpp with LLGuidance answers an unsupported keyword with HTTP 200 and unconstrained text.
"""

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct

Schema: TypeAlias = dict[str, Any]

_KEPT = frozenset({
    "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "required",
    "properties", "patternProperties", "additionalProperties", "items", "prefixItems", "additionalItems",
    "anyOf", "oneOf", "allOf", "$ref", "$defs", "definitions",
})  # fmt: skip
"""Source: llguidance 1.9.1, `LLMatcher.validate_grammar` on one schema per keyword. All else is left out."""

_FORMATS = frozenset(
    {"date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
)
"""Source: as above; other formats are refused there as unknown."""

_TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
_COUNTS = frozenset({"minLength", "maxLength", "minItems", "maxItems"})
_ANNOTATIONS = frozenset({
    "title", "description", "default", "examples", "$comment", "$schema", "$id", "$anchor", "deprecated",
    "readOnly", "writeOnly", "nullable", "discriminator", "example", "contentEncoding", "contentMediaType",
})  # fmt: skip
"""Say nothing about the value: leaving them out loses nothing."""

_DROPPED_SCHEMAS = frozenset({"not", "if", "then", "else", "contains", "propertyNames", "dependentSchemas"})
"""Keywords that contain schemas and are left out: a reference into one would dangle."""

_REGEX_RISK = re.compile(r"\(\?(?!:)|\\[bBAzZGkK1-9]")
"""Look-around, word boundaries and back references, which a derivative-based engine refuses."""


class Reduced(Struct, frozen=True):
    """A schema that can be enforced, and the JSON pointers of the keywords left out of it."""

    schema: Schema
    losses: tuple[str, ...] = ()


def reduce(schema: Schema, *, at: str = "#") -> Reduced:
    """Return the enforceable part of `schema`; references inside are rewritten for its place `at`."""
    reducer = _Reducer(schema, at)
    return Reduced(reducer.node(schema, ""), tuple(reducer.losses))


class _Reducer:
    def __init__(self, root: Schema, at: str) -> None:
        self.root = root
        self.at = at
        self.losses: list[str] = []

    def any(self, value: Any, where: str) -> Any:
        """A schema may also be true or false."""
        return self.node(value, where) if isinstance(value, dict) else value

    def node(self, schema: Schema, where: str) -> Schema:
        """Return one schema object without what can't be enforced."""
        kept: Schema = {}
        for key, value in schema.items():
            if key in _ANNOTATIONS or key.startswith("x-"):
                continue
            if key not in _KEPT or not self._is_sound(key, value, schema):
                self.losses.append(f"{where}/{key}")
                continue
            kept[_renamed(key)] = self._value(key, value, f"{where}/{key}")
        return kept

    def _value(self, key: str, value: Any, where: str) -> Any:
        match key, value:
            case (("properties" | "patternProperties" | "$defs" | "definitions"), dict()):
                return {name: self.any(part, f"{where}/{_escaped(name)}") for name, part in value.items()}
            case (("anyOf" | "oneOf" | "allOf" | "prefixItems" | "items"), list()):
                return [self.any(part, f"{where}/{n}") for n, part in enumerate(value)]
            case (("items" | "additionalProperties" | "additionalItems"), _):
                return self.any(value, where)
            case "$ref", str():
                return f"{self.at}{value[1:]}"
            case _:
                return int(value) if key in _COUNTS else value

    def _is_sound(self, key: str, value: Any, schema: Schema) -> bool:
        if key == "$ref":
            return isinstance(value, str) and self._resolves(value)
        return key not in _SOUND or _SOUND[key](value, schema)

    def _resolves(self, ref: str) -> bool:
        if ref != "#" and (not ref.startswith("#/") or _DROPPED_SCHEMAS & set(ref.split("/"))):
            return False
        place: Any = self.root
        for part in ref[2:].split("/") if len(ref) > 1 else ():
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(place, list) and name.isdigit() and int(name) < len(place):
                place = place[int(name)]
            elif isinstance(place, dict) and name in place:
                place = place[name]
            else:
                return False
        return isinstance(place, dict | bool)


def _is_plain_regex(pattern: Any) -> bool:
    if not isinstance(pattern, str) or _REGEX_RISK.search(pattern):
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _renamed(key: str) -> str:
    """An overlapping oneOf is refused; anyOf is the same choice without the promise of exactly one."""
    return "anyOf" if key == "oneOf" else key


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _has_plain_patterns(schema: Schema) -> bool:
    return all(map(_is_plain_regex, schema.get("patternProperties", ())))


def _is_count(value: Any, schema: Schema) -> bool:
    return isinstance(value, int | float) and value == int(value)


def _is_no_flag(value: Any, schema: Schema) -> bool:
    """Draft 4 wrote exclusive bounds as true and false."""
    return not isinstance(value, bool)


def _leaves_room(value: Any, schema: Schema) -> bool:
    """What a dropped pattern let through must stay let through."""
    return value is True or _has_plain_patterns(schema)


_SOUND: dict[str, Callable[[Any, Schema], bool]] = {
    "type": lambda value, schema: set(value if isinstance(value, list) else [value]) <= _TYPES,
    "enum": lambda value, schema: bool(value),
    "anyOf": lambda value, schema: bool(value),
    "allOf": lambda value, schema: bool(value),
    "oneOf": lambda value, schema: bool(value) and "anyOf" not in schema,
    "pattern": lambda value, schema: "format" not in schema and _is_plain_regex(value),
    "patternProperties": lambda value, schema: _has_plain_patterns(schema),
    "additionalProperties": _leaves_room,
    "additionalItems": _leaves_room,
    "format": lambda value, schema: value in _FORMATS,
    "exclusiveMinimum": _is_no_flag,
    "exclusiveMaximum": _is_no_flag,
    **dict.fromkeys(_COUNTS, _is_count),
}
"""When a kept keyword can be enforced; those that are not named always can."""
