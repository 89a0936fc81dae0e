"""The Cedar schema of a set of tools, made from the tools' own schemas.

There is one action per tool, in a group for its effect; an agent acts on a tool. `context` contains everything that
rules can see: `arguments` (typed as the tool declares them), `totals`, `count`, `flow`, and the rest below.

Source: docs.cedarpolicy.com, "JSON schema format"; decimal has 64 bits and 4 decimal places.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from nebulus.core.tools import Effect, ToolSpec

Kind: TypeAlias = Literal["long", "decimal", "truth", "text", "texts", "json"]
Cedar: TypeAlias = dict[str, Any]

CONSEQUENTIAL = "effect:consequential"
"""The group of every action that changes something."""

LONG: Cedar = {"type": "Long"}
TEXT: Cedar = {"type": "String"}
TRUTH: Cedar = {"type": "Boolean"}
TEXTS: Cedar = {"type": "Set", "element": TEXT}
DECIMAL: Cedar = {"type": "Extension", "name": "decimal"}
_TYPES: Mapping[Kind, Cedar] = {
    "long": LONG,
    "decimal": DECIMAL,
    "truth": TRUTH,
    "text": TEXT,
    "texts": TEXTS,
    "json": TEXT,
}
_LARGEST_LONG = 2**63 - 1
LARGEST_DECIMAL = Decimal("922337203685477.5807")


def group(effect: Effect) -> str:
    """Return the name of the action group of an effect."""
    return f"effect:{effect.value}"


def properties_of(spec: ToolSpec) -> dict[str, Any]:
    """Return the declared arguments of a tool with their schemas."""
    properties = spec.parameters.get("properties", {})
    return dict(properties) if isinstance(properties, Mapping) else {}


def kind_of(schema: Any) -> Kind:
    """Return the type that rules see for an argument of `schema`; without a plain type, they see its JSON."""
    declared = schema.get("type") if isinstance(schema, Mapping) else None
    if isinstance(declared, list):
        plain = [name for name in declared if name != "null"]
        declared = plain[0] if len(plain) == 1 else None
    match declared:
        case "integer":
            return "long"
        case "number":
            return "decimal"
        case "boolean":
            return "truth"
        case "string":
            return "text"
        case "array" if kind_of(schema.get("items")) == "text":
            return "texts"
        case _:
            return "json"


def numbers_of(spec: ToolSpec) -> tuple[str, ...]:
    """Return the arguments of a tool that are numbers."""
    return tuple(
        name for name, schema in properties_of(spec).items() if kind_of(schema) in {"long", "decimal"}
    )


def cedar_schema(specs: Sequence[ToolSpec]) -> Cedar:
    """Return the schema against which every policy and every request is checked."""
    groups: dict[str, Cedar] = {CONSEQUENTIAL: {}}
    for effect in Effect:
        groups[group(effect)] = {} if effect is Effect.READ else {"memberOf": [{"id": CONSEQUENTIAL}]}
    actions = {spec.name: _action(spec, specs) for spec in specs}
    record = {"shape": {"type": "Record", "attributes": {}}}
    return {"": {"entityTypes": {"Agent": record, "Tool": record}, "actions": groups | actions}}


def _action(spec: ToolSpec, specs: Sequence[ToolSpec]) -> Cedar:
    return {
        "memberOf": [{"id": group(spec.effect)}],
        "appliesTo": {
            "principalTypes": ["Agent"],
            "resourceTypes": ["Tool"],
            "context": _record(_common(specs) | {"arguments": _arguments(spec), "totals": _totals(spec)}),
        },
    }


def _common(specs: Sequence[ToolSpec]) -> dict[str, Cedar]:
    by_tool = _record({spec.name: LONG for spec in specs})
    by_effect = _record({effect.value: LONG for effect in Effect})
    return {
        "agent": TEXT,
        "tier": TEXT,
        "step": LONG,
        "confirmed": TRUTH,
        "paths": TEXTS,
        "hosts": TEXTS,
        "matched": TEXTS,
        "bytes_out": LONG,
        "count": _record({"calls": LONG, "tools": by_tool, "effects": by_effect}),
        "flow": _record(
            {
                "tainted": TRUTH,
                "planned": TRUTH,
                "endorsed": TRUTH,
                "repeated": TRUTH,
                "foreign": TEXTS,
            }
        ),
    }


def _arguments(spec: ToolSpec) -> Cedar:
    required = spec.parameters.get("required", ())
    return _record(
        {
            name: {**_TYPES[kind_of(schema)], "required": name in required}
            for name, schema in properties_of(spec).items()
        }
    )


def _totals(spec: ToolSpec) -> Cedar:
    return _record(dict.fromkeys(numbers_of(spec), DECIMAL))


def _record(attributes: dict[str, Cedar]) -> Cedar:
    return {"type": "Record", "attributes": attributes}


def cedar_text(text: str) -> str:
    """Return a Cedar string literal."""
    safe = (
        character
        if character.isascii() and character.isprintable() and character not in '"\\'
        else f"\\u{{{ord(character):x}}}"
        for character in text
    )
    return f'"{"".join(safe)}"'


def cedar_decimal(value: Decimal) -> str:
    """Return a number as Cedar writes it, rounded away from zero to 4 decimal places.

    So an amount never appears smaller than it is.

    Raises:
        ValueError: it is not a number, or is too large to be compared.
    """
    if not value.is_finite() or abs(value) > LARGEST_DECIMAL:
        raise ValueError(f"{value} is too large to be compared with a limit")
    return f"{value.quantize(Decimal('0.0001'), rounding='ROUND_UP'):f}"


def cedar_long(value: int) -> int:
    """Return `value`, after checking that Cedar can represent it.

    Raises:
        ValueError: it needs more than 64 bits.
    """
    if not -_LARGEST_LONG <= value <= _LARGEST_LONG:
        raise ValueError(f"{value} is too large to be compared with a limit")
    return value
