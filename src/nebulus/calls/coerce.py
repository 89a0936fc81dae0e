"""Turns a value into the type that its schema asks for, where that loses nothing."""

import json
import re
from collections.abc import Collection, Sequence
from copy import deepcopy
from decimal import Decimal
from typing import Any

from nebulus.calls.literal import MISSING_CLOSER, RawText, UnreadableError, is_exact
from nebulus.calls.scanner import read_value
from nebulus.core.findings import Edit
from nebulus.core.references import is_reference, referable
from nebulus.core.tools import ToolSpec

_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,299})\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,299})(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?\Z")
_TRUTH = {"true": True, "True": True, "false": False, "False": False}
_UNCHANGED = object()
_ABSENT = object()


def coerced(
    arguments: dict[str, Any], errors: Sequence[Any], required: Collection[str]
) -> tuple[dict[str, Any], list[Edit]]:
    """Return `arguments` with what the validator's `errors` complain of coerced, and the edits made.

    Only complaints about a type, or about the case of an enum's value, are heard. An optional top-level argument that is null is left out.
    """
    edits: list[Edit] = []
    result: dict[str, Any] | None = None
    for error in errors:
        path = list(error.instance_path)
        change = _change(error, path, required)
        if change is None:
            continue
        after, name = change
        result = deepcopy(arguments) if result is None else result
        _put(result, path, after)
        edits.append(
            Edit(name, _pointer(path), _short(error.instance), "" if after is _ABSENT else _short(after))
        )
    return arguments if result is None else result, edits


def _change(error: Any, path: list[Any], required: Collection[str]) -> tuple[Any, str] | None:
    """Return the value that heals `error`, and the name of the edit; None if no change is lossless."""
    if error.kind.name == "enum" and path:
        return _enum_case(error.instance, error.kind.options)
    wanted = _wanted(error)
    if not wanted or not path:
        return None
    if error.instance is None and len(path) == 1 and path[0] not in required:
        return _ABSENT, "null for an optional argument left out"
    after, name = _converted(error.instance, wanted)
    return None if after is _UNCHANGED else (after, name)


def _enum_case(value: Any, options: Sequence[Any]) -> tuple[Any, str] | None:
    """Return the one option that differs from `value` by case only."""
    if not isinstance(value, str):
        return None
    same = [option for option in options if isinstance(option, str) and option.lower() == value.lower()]
    return (same[0], "enum value in its declared case") if len(same) == 1 else None


def _put(root: Any, path: list[Any], value: Any) -> None:
    """Put `value` at `path` of `root`, in place; `_ABSENT` takes away what is there."""
    for step in path[:-1]:
        root = root[step]
    if value is _ABSENT:
        root.pop(path[-1], None)
    else:
        root[path[-1]] = value


def typed(arguments: dict[str, Any], tool: ToolSpec) -> dict[str, Any]:
    """Return `arguments` with raw text as the schema of `tool` means it; all else is untouched.

    Raw text is text where text is allowed, except that `null` is null where that is allowed too, and that a reference
    is a reference where the tool declares one.
    """
    if not any(isinstance(value, RawText) for value in arguments.values()):
        return arguments
    properties = tool.parameters.get("properties") or {}
    references = referable(tool)
    return {
        key: _raw(value, properties.get(key), tool.parameters, is_referable=key in references)
        if isinstance(value, RawText)
        else value
        for key, value in arguments.items()
    }


def _raw(raw: RawText, schema: Any, root: dict[str, Any], *, is_referable: bool) -> Any:
    """What raw text means: a dialect without quotes has no other form for a reference than its JSON."""
    if is_referable and is_reference(after := _parsed(raw, dict)):
        return after
    return _meant(raw, schema, root)


def _meant(raw: RawText, schema: Any, root: dict[str, Any]) -> Any:
    kinds = _types(schema, root)
    text = str(raw)
    if "null" in kinds and text.strip() in ("null", "None"):
        return None
    if "string" in kinds or not kinds:
        return text
    after, _ = _converted(text.strip(), kinds)
    return text if after is _UNCHANGED else after


def _types(schema: Any, root: dict[str, Any]) -> list[str]:
    """The types that a property's schema names, directly or one level below."""
    if not isinstance(schema, dict):
        return []
    declared = schema.get("type", [])
    kinds = [declared] if isinstance(declared, str) else list(declared)
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        kinds.extend(_types(branch, root))
    ref = schema.get("$ref")
    if isinstance(ref, str) and ref.startswith("#/$defs/") and not kinds:
        return _types(root.get("$defs", {}).get(ref.removeprefix("#/$defs/")), {})
    return kinds


def whole_numbers(arguments: dict[str, Any], schema: Any) -> tuple[dict[str, Any], tuple[Edit, ...]]:
    """Return `arguments` with numbers like 5.0 as integers where the schema asks for these.

    JSON Schema takes both for an integer; the tools behind it often don't.
    """
    whole = _whole(arguments, schema)
    if whole is arguments:
        return arguments, ()
    return whole, (Edit("whole number as integer"),)


def _whole(value: Any, schema: Any) -> Any:
    """Return `value` with its whole numbers as integers; the very same object where nothing changed."""
    if not isinstance(schema, dict):
        return value
    if isinstance(value, float) and schema.get("type") == "integer" and value.is_integer():
        return int(Decimal(repr(value)))
    properties = schema.get("properties")
    if isinstance(value, dict) and isinstance(properties, dict):
        changed = {key: _whole(inner, properties.get(key)) for key, inner in value.items()}
        return changed if any(changed[key] is not inner for key, inner in value.items()) else value
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        items = [_whole(item, schema["items"]) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def _wanted(error: Any) -> list[str]:
    """The types that would have been accepted at the place of `error`."""
    match error.kind.name:
        case "type":
            return list(error.kind.types)
        case "anyOf" | "oneOf":
            branches = [inner for branch in error.kind.context for inner in branch]
            types = [
                kind
                for inner in branches
                if not list(inner.instance_path)[len(error.instance_path) :]
                for kind in _wanted(inner)
            ]
            return list(dict.fromkeys(types))
        case _:
            return []


def _converted(value: Any, wanted: list[str]) -> tuple[Any, str]:
    """Return the one conversion of `value` to a wanted type, and its name."""
    found = [(after, kind) for kind in wanted if (after := _as(value, kind)) is not _UNCHANGED]
    distinct = {json.dumps(after) for after, _ in found}
    if len(distinct) != 1:
        return _UNCHANGED, ""
    return found[0][0], f"text as {found[0][1]}"


def _as(value: Any, kind: str) -> Any:
    if not isinstance(value, str):
        return _UNCHANGED
    text = value.strip()
    match kind:
        case "integer" if _WHOLE.match(text):
            return int(text)
        case "number" if _NUMBER.match(text):
            return int(text) if _WHOLE.match(text) else _finite(text)
        case "boolean":
            return _TRUTH.get(text, _UNCHANGED)
        case "array":
            return _parsed(text, list)
        case "object":
            return _parsed(text, dict)
        case "null" if text in ("null", "None"):
            return None
        case _:
            return _UNCHANGED


def _finite(text: str) -> Any:
    number = float(text)
    return number if abs(number) != float("inf") and is_exact(number, text) else _UNCHANGED


def _parsed(text: str, kind: type) -> Any:
    stripped = text.strip()
    if stripped[:1] not in ("[", "{", "("):
        return _UNCHANGED
    try:
        read = read_value(stripped, is_python=stripped[0] == "(")
    except UnreadableError:
        return _UNCHANGED
    is_whole = not stripped[read.end :].strip() and all(edit.name != MISSING_CLOSER for edit in read.edits)
    return read.value if is_whole and isinstance(read.value, kind) else _UNCHANGED


def _pointer(path: list[Any]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
