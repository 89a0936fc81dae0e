"""Converts the type that a caller wants as an answer to a schema for the model, and the JSON answer back to the type.

Invariant: a type that can't be requested is a `ConfigError` before the run begins, never an error at its end.
"""

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, is_typeddict

import msgspec

from nebulus.core.errors import ConfigError
from nebulus.core.result import Result, ResultSpec
from nebulus.core.schemas import SCHEMA_ERRORS, compiled

WORKS = (
    "str, int, float, bool, an enum, list[X] or dict[str, X] of these, a msgspec Struct, a dataclass, a TypedDict, "
    "a Pydantic model, a JSON Schema as a dict, or a union of one of them and types of failure"
)


def result_spec(kind: Any) -> ResultSpec:
    """Return the specification of an answer of type `kind`; None and str mean text.

    In a union the first member is the result, and every other member with fields (a Struct, dataclass, TypedDict or
    Pydantic model) is a typed failure: `Weather | NoData`. Members without fields belong to the result:
    `float | None` is a number or null. Objects are closed: a field that the type does not have is refused.

    Raises:
        ConfigError: `kind` can't be expressed as a schema.
    """
    if kind is None or kind is str:
        return ResultSpec()
    result, failures = _members(kind)
    schema = _schema(result)
    failed = [_schema(failure) for failure in failures]
    failure_schema = failed[0] if len(failed) == 1 else {"anyOf": failed} if failed else {}
    return ResultSpec(schema=schema, failure_schema=failure_schema)


def decode_result(kind: Any, result: Result) -> Any:
    """Return the answer as a value of `kind`: as its result, or as the failure that was returned instead.

    Raises:
        ConfigError: `kind` is not the type that the answer was asked with.
    """
    wanted, failures = _members(kind)
    candidates = failures if result.is_failure else (wanted,)
    for candidate in candidates:
        try:
            return _decoded(candidate, result.value)
        except (msgspec.ValidationError, ValueError):  # Pydantic's ValidationError is a ValueError.
            continue
    raise ConfigError(
        f"the answer {_short(result.value)} is not of type {_name(kind)}",
        fix="decode it with the type that was requested",
    )


def _members(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the type of the result, and the types of its failures."""
    if get_origin(kind) not in (Union, UnionType):
        return kind, ()
    first, *others = get_args(kind)
    if first is NoneType:  # Optional[X] may name None first.
        first, *others = *others, first
    failures = tuple(other for other in others if _has_fields(other))
    plain = tuple(other for other in others if not _has_fields(other))
    return (Union[(first, *plain)] if plain else first), failures


def _has_fields(kind: Any) -> bool:
    is_class = isinstance(kind, type)
    return (
        is_typeddict(kind)
        or (is_class and (issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind)))
        or _is_pydantic(kind)
    )


def _schema(kind: Any) -> dict[str, Any]:
    """Return the schema of a type, without references, with closed objects."""
    if isinstance(kind, Mapping):
        return _own_schema(kind)
    if kind is Any or kind is object:
        raise ConfigError(f"result={_name(kind)} says nothing about the answer", fix=f"what works: {WORKS}")
    try:
        found = _adapter(kind).json_schema() if _uses_pydantic(kind) else msgspec.json.schema(kind)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"result={_name(kind)} can't be requested: {error}", fix=f"what works: {WORKS}"
        ) from error
    schema: dict[str, Any] = _closed(_without_references(found, kind))
    return schema


def _own_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema of the caller, checked, without closing its objects."""
    try:
        compiled(dict(schema), is_own=True)
    except SCHEMA_ERRORS as error:
        raise ConfigError(f"result={_short(schema)} is not a valid JSON Schema: {error}") from error
    if not schema:
        raise ConfigError("result={} says nothing about the answer", fix=f"what works: {WORKS}")
    return _without_references(schema, schema)


def _without_references(schema: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """Return `schema` with its references replaced by their targets, since not every server resolves references."""
    definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    root = {key: value for key, value in schema.items() if key not in ("$defs", "definitions")}
    inlined: dict[str, Any] = _inlined(root, definitions, kind=kind, within=())
    return inlined


def _inlined(node: Any, definitions: Mapping[str, Any], *, kind: Any, within: tuple[str, ...]) -> Any:
    """Return `node` with its references replaced by their targets."""
    match node:
        case {"$ref": str(reference), **rest}:
            name = reference.rpartition("/")[2]
            if name in within or name not in definitions:
                why = (
                    "contains itself"
                    if name in within
                    else f"refers to {reference}, which it does not define"
                )
                raise ConfigError(f"result={_name(kind)} {why}", fix=f"what works: {WORKS}")
            meant = _inlined(definitions[name], definitions, kind=kind, within=(*within, name))
            return {**meant, **rest}
        case dict():
            return {
                key: _inlined(value, definitions, kind=kind, within=within) for key, value in node.items()
            }
        case list():
            return [_inlined(value, definitions, kind=kind, within=within) for value in node]
        case _:
            return node


def _closed(node: Any) -> Any:
    """Return `node` with every object that names its fields closed to other fields."""
    match node:
        case dict():
            closed = {key: _closed(value) for key, value in node.items()}
            if isinstance(node.get("properties"), dict) and node.get("type") == "object":
                closed.setdefault("additionalProperties", False)
            return closed
        case list():
            return [_closed(value) for value in node]
        case _:
            return node


def _decoded(kind: Any, value: Any) -> Any:
    if isinstance(kind, Mapping):
        return value
    if _uses_pydantic(kind):
        return _adapter(kind).validate_python(value)
    return msgspec.convert(value, type=kind)


def _uses_pydantic(kind: Any) -> bool:
    """Whether `kind` contains a Pydantic model, which msgspec does not support."""
    return any(_is_pydantic(part) for part in _parts(kind))


def _parts(kind: Any) -> Iterator[Any]:
    yield kind
    for part in get_args(kind)[:1] if get_origin(kind) is Annotated else get_args(kind):
        yield from _parts(part)


def _is_pydantic(kind: Any) -> bool:
    pydantic = sys.modules.get("pydantic")  # A caller with a Pydantic model has imported Pydantic.
    return pydantic is not None and isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def _adapter(kind: Any) -> Any:
    return sys.modules["pydantic"].TypeAdapter(kind)


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else _short(kind)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:120]}…"
