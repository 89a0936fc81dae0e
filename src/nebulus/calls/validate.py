"""Whether arguments meet their tool's schema, mended as far as that loses nothing.

Invariants: coercion follows the schema, never the look of a value, and never turns a value into a string;
what can't be mended is one finding with the rule, the value and the fix; a schema is compiled once.
"""

import functools
import json
from itertools import islice
from typing import Any

from msgspec import Struct

from nebulus.calls.coerce import coerced, whole_numbers
from nebulus.calls.schema import Schema, arguments_schema, required_names
from nebulus.core.digest import canonical
from nebulus.core.errors import ToolDefinitionError
from nebulus.core.findings import Edit, Finding, FindingKind
from nebulus.core.schemas import SCHEMA_ERRORS, compiled
from nebulus.core.tools import ToolSpec

COMPILED_SCHEMAS = 512
"""How many compiled schemas are kept; a compiled one takes some tens of kilobytes."""
MAX_ERRORS = 1024
"""Complaints heard in one round; a hostile list could make one for every item."""
MAX_ROUNDS = 4
"""Coercion and validation take turns until nothing changes; a list in a string in a list takes two."""


class Checked(Struct, frozen=True):
    """Arguments that are valid, or the finding that says why they are not."""

    arguments: dict[str, Any]
    edits: tuple[Edit, ...] = ()
    finding: Finding | None = None


@functools.lru_cache(maxsize=COMPILED_SCHEMAS)
def _compiled(schema_json: bytes) -> Any:
    try:
        return compiled(json.loads(schema_json))
    except SCHEMA_ERRORS as error:
        raise ToolDefinitionError(f"the parameters are not a JSON Schema: {error}") from error


_known: dict[int, tuple[Schema, Any]] = {}
"""Validators by the identity of the parameters they were made from, which they keep alive."""


def validator(tool: ToolSpec) -> Any:
    """Return the compiled validator of the arguments of `tool`; its parameters must not change afterwards.

    Raises:
        ToolDefinitionError: its parameters are not a JSON Schema, or refer to something outside.
    """
    parameters = tool.parameters
    known = _known.get(id(parameters))
    if known is not None and known[0] is parameters:
        return known[1]
    made = _compiled(canonical(arguments_schema(tool)))
    if len(_known) >= COMPILED_SCHEMAS:
        _known.clear()
    _known[id(parameters)] = (parameters, made)
    return made


def is_valid(tool: ToolSpec, arguments: dict[str, Any]) -> bool:
    """Whether `arguments` meet the schema of `tool` as they are.

    Raises:
        ToolDefinitionError: the schema can't be compiled.
    """
    return bool(validator(tool).is_valid(arguments)) and not _has_whole_float(arguments)


def check(tool: ToolSpec, arguments: dict[str, Any]) -> Checked:
    """Return `arguments` as they meet the schema of `tool`, or the finding that says why they don't.

    Raises:
        ToolDefinitionError: the schema of `tool` can't be compiled.
    """
    valid = validator(tool)
    edits: list[Edit] = []
    for _ in range(MAX_ROUNDS):
        if valid.is_valid(arguments):
            arguments, changes = whole_numbers(arguments, tool.parameters)
            return Checked(arguments, (*edits, *changes))
        errors = list(islice(valid.iter_errors(arguments), MAX_ERRORS))
        mended, changed = coerced(arguments, errors, required_names(tool))
        if not changed:
            break
        arguments = mended
        edits.extend(changed)
    return Checked(arguments, tuple(edits), _finding(tool, errors))


def _has_whole_float(value: Any) -> bool:
    """Whether a number without a fraction is written with one: the schema may ask for an integer."""
    match value:
        case float():
            return value.is_integer()
        case dict():
            return any(map(_has_whole_float, value.values()))
        case list():
            return any(map(_has_whole_float, value))
        case _:
            return False


def _finding(tool: ToolSpec, errors: list[Any]) -> Finding:
    first = min(errors, key=_rank)
    rule, value, fix = _explained(first)
    where = "".join(f"/{step}" for step in first.instance_path)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Finding(
        kind=FindingKind.INVALID_ARGUMENTS,
        rule=rule + more,
        where=where,
        value=value,
        fix=fix,
        tool=tool.name,
    )


def _rank(error: Any) -> tuple[int, int]:
    """Missing arguments first, then strangers, then what is wrong with those that are there."""
    order = {"required": 0, "additionalProperties": 1}
    return order.get(error.kind.name, 2), len(error.instance_path)


def _explained(error: Any) -> tuple[str, str, str]:
    """Return rule, value and fix in words."""
    kind, value = error.kind, _shown(error.instance)
    match kind.name:
        case "required":
            return f"the argument {kind.property!r} is required", "", f"give {kind.property!r}"
        case "additionalProperties" | "unevaluatedProperties":
            names = ", ".join(map(repr, kind.unexpected))
            return f"there is no argument {names}", "", f"leave {names} out"
        case "type":
            wanted = " or ".join(kind.types)
            return f"the value must be of type {wanted}", value, f"give {_article(wanted)}"
        case "enum":
            options = ", ".join(json.dumps(option) for option in kind.options[:12])
            return "the value is not one of those allowed", value, f"give one of {options}"
        case _:
            return str(error.message)[:160], "", f"meet the rule {kind.name!r}"


def _article(wanted: str) -> str:
    return f"an {wanted}" if wanted[0] in "aeiou" else f"a {wanted}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
