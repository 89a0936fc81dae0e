"""The parameters of a function as a JSON Schema, and JSON arguments as values for them.

Invariants: what can't be described to a model is refused when the tool is defined, never when it is called;
the schema is flat where the types are, and closed: it has no `$ref` and allows no unknown key.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, NewType, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from nebulus.adapters.tools.docstrings import parameter_texts
from nebulus.core.errors import ToolDefinitionError, ToolError
from nebulus.core.failure import FailureKind

IdempotencyKey = NewType("IdempotencyKey", str)
"""The type of a parameter that is handed the key of the call: the same for each attempt at one effect."""

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Parameter(Struct, frozen=True):
    """One parameter that a model fills."""

    name: str
    type: Any
    schema: dict[str, Any]
    is_required: bool


class Parameters(Struct, frozen=True):
    """All that a function takes; `key_name` is the parameter for the idempotency key, "" if none is."""

    named: tuple[Parameter, ...]
    key_name: str = ""

    @property
    def names(self) -> frozenset[str]:
        """The names that a model may give."""
        return frozenset(parameter.name for parameter in self.named)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments: type object, no unknown key."""
        return {
            "type": "object",
            "properties": {parameter.name: parameter.schema for parameter in self.named},
            "required": [parameter.name for parameter in self.named if parameter.is_required],
            "additionalProperties": False,
        }

    def values(self, arguments: dict[str, Any], key: str) -> dict[str, Any]:
        """Return keyword arguments for the function: JSON made into values of the annotated types.

        Raises:
            ToolError: an argument is missing, unknown or of the wrong type.
        """
        unknown = sorted(set(arguments) - self.names)
        if unknown:
            raise _invalid("there is no such argument", unknown[0], f"known are {sorted(self.names)}")
        values = {
            parameter.name: _value(parameter, arguments)
            for parameter in self.named
            if parameter.is_required or parameter.name in arguments
        }
        return {**values, self.key_name: key} if self.key_name else values


def parameters_of(function: Callable[..., Any]) -> Parameters:
    """Read the parameters of `function` from its annotations and its docstring.

    Raises:
        ToolDefinitionError: a parameter can't be described to a model; the message names it and the fix.
    """
    name = getattr(function, "__name__", repr(function))
    hints = _hints(function, name)
    texts = parameter_texts(function.__doc__ or "")
    named: list[Parameter] = []
    key_name = ""
    for parameter in inspect.signature(function).parameters.values():
        where = f"tool {name!r}, parameter {parameter.name!r}"
        _require_named(parameter, where)
        hint = hints.get(parameter.name)
        if hint is None:
            raise ToolDefinitionError(
                f"{where} has no type", fix=f"write {parameter.name}: str, or what it is"
            )
        if hint is IdempotencyKey:
            key_name = parameter.name
        else:
            named.append(_parameter(parameter, hint, text=texts.get(parameter.name, ""), where=where))
    unknown = sorted(set(texts) - {parameter.name for parameter in named} - {key_name})
    if unknown:
        raise ToolDefinitionError(
            f"tool {name!r} documents {unknown[0]!r}, which is not a parameter", fix="remove it"
        )
    return Parameters(tuple(named), key_name)


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise ToolDefinitionError(
            f"tool {name!r} has an annotation that can't be read: {error}",
            fix="define its types at the top level of the module",
        ) from error


def _require_named(parameter: inspect.Parameter, where: str) -> None:
    if parameter.name in ("self", "cls") and parameter.annotation is inspect.Parameter.empty:
        raise ToolDefinitionError(
            f"{where}: a method needs its object", fix="write tool(...)(instance.method)"
        )
    if parameter.kind not in _BY_NAME:
        raise ToolDefinitionError(
            f"{where} is {parameter.kind.description}", fix="a model gives arguments by name"
        )


def _parameter(parameter: inspect.Parameter, hint: Any, *, text: str, where: str) -> Parameter:
    type_ = _described(hint, text)
    try:
        (schema,), components = msgspec.json.schema_components((type_,), ref_template="{name}")
        flat = _flat(schema, components, ())
    except (TypeError, RecursionError) as error:
        raise ToolDefinitionError(
            f"{where} has type {hint!r}, which JSON can't spell",
            fix="use str, int, float, bool, list, dict, "
            "Literal, an Enum, a dataclass, a TypedDict or a msgspec.Struct",
        ) from error
    if not set(flat) - {"description"}:
        raise ToolDefinitionError(
            f"{where} may be anything, which tells a model nothing", fix="give it a type"
        )
    if parameter.default is inspect.Parameter.empty:
        return Parameter(parameter.name, type_, flat, True)
    if parameter.default is not None:
        flat = {**flat, "default": _default(parameter.default, type_, where)}
    elif not _takes_none(type_):
        raise ToolDefinitionError(f"{where} has the default None", fix="write its type as ... | None")
    return Parameter(parameter.name, type_, flat, False)


def _described(hint: Any, text: str) -> Any:
    """Return `hint` with its description where msgspec looks for it; an annotation beats the docstring."""
    if get_origin(hint) is not Annotated:
        return Annotated[hint, msgspec.Meta(description=text)] if text else hint
    bare, *extras = get_args(hint)
    own = " ".join(extra for extra in extras if isinstance(extra, str))
    for extra in (extra for extra in extras if isinstance(extra, msgspec.Meta)):
        own = extra.description or own
        bare = Annotated[bare, extra]
    return Annotated[bare, msgspec.Meta(description=own or text)] if own or text else bare


def _flat(schema: Any, components: dict[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
    """Return `schema` with its type first, references written out, titles left out, and objects closed.

    Raises:
        RecursionError: a type holds itself.
    """
    if "$ref" in schema:
        name = schema["$ref"]
        if name in within:
            raise RecursionError(name)
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {**_flat(components[name], components, (*within, name)), **rest}
    flat: dict[str, Any] = {key: schema[key] for key in ("type",) if key in schema}
    for key, value in schema.items():
        match key:
            case "title":
                continue
            case "items" | "additionalProperties" if isinstance(value, dict):
                flat[key] = _flat(value, components, within)
            case "anyOf" | "prefixItems":
                flat[key] = [_flat(part, components, within) for part in value]
            case "properties":
                flat[key] = {name: _flat(part, components, within) for name, part in value.items()}
            case _:
                flat[key] = value
    if "properties" in flat:
        flat.setdefault("additionalProperties", False)
    return flat


def _default(default: Any, type_: Any, where: str) -> Any:
    try:
        plain = msgspec.to_builtins(default)
        msgspec.convert(plain, type_)
    except (TypeError, msgspec.ValidationError) as error:
        raise ToolDefinitionError(
            f"{where} has the default {default!r}, which its type refuses: {error}", fix="mend one of them"
        ) from error
    return plain


def _takes_none(type_: Any) -> bool:
    try:
        msgspec.convert(None, type_)
    except msgspec.ValidationError:
        return False
    return True


def _value(parameter: Parameter, arguments: dict[str, Any]) -> Any:
    if parameter.name not in arguments:
        raise _invalid("an argument is missing", parameter.name, f"give {parameter.name}")
    try:
        return msgspec.convert(arguments[parameter.name], parameter.type)
    except msgspec.ValidationError as error:
        raise _invalid(
            f"argument {parameter.name!r}: {error}", repr(arguments[parameter.name])[:200]
        ) from error


def _invalid(what: str, value: str, fix: str = "") -> ToolError:
    return ToolError(what, kind=FailureKind.INVALID_ARGUMENTS, value=value, fix=fix)
