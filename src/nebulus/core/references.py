"""References: arguments that stand for the result of an earlier call, so that a model copies no long text.

`{"from": "step 2"}` names the last result of a step, `{"from": "call 3"}` a call of the same step, and
`{"from": "last"}` the last result. Invariant: only an argument that its tool declares (`ToolSpec.references`), and that
takes no object of its own, is ever read as a reference.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from nebulus.core.provenance import Provenance
from nebulus.core.tools import ToolSpec

FROM, PATH = "from", "path"
Kind: TypeAlias = Literal["step", "call", "last"]
LAST: Literal["last"] = "last"

_SOURCE = re.compile(r"\s*(?P<kind>step|call)[\s_#]*0*(?P<number>[1-9]\d{0,4})\s*", re.IGNORECASE)
_LAST = re.compile(r"\s*(?:the\s+)?last(?:\s+(?:call|result))?\s*", re.IGNORECASE)


class Reference(Struct, frozen=True):
    """The result that an argument stands for, or, with `path`, the value at that JSON path in it."""

    kind: Kind
    number: int = 0
    path: str = ""

    @property
    def source(self) -> str:
        """The result's name, as it is written in an argument."""
        return LAST if self.kind == LAST else f"{self.kind} {self.number}"

    @property
    def argument(self) -> dict[str, str]:
        """The reference as an argument."""
        return {FROM: self.source, PATH: self.path} if self.path else {FROM: self.source}


class EarlierResult(Struct, frozen=True, omit_defaults=True):
    """Where the whole text of an earlier result is: in `text`, or stored at `address`.

    `path` is the JSON path of the value that is meant; "" for all of the text.
    """

    source: str
    text: str = ""
    address: str = ""
    path: str = ""
    provenance: Provenance = Provenance()


class RealValues(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the references of a call stood for when it was judged.

    `call_digest` is that of the call with the real values; `size_bytes` is how much larger they make its arguments.
    """

    call_digest: str = ""
    size_bytes: int = 0
    begins: dict[str, str] = field(default_factory=dict)
    """How each value begins, by argument."""


NO_VALUES = RealValues()
"""Those of a call without references."""


def reference_of(value: Any) -> Reference | None:
    """Return the reference that `value` is; None if it is another value."""
    if not is_reference(value):
        return None
    path = value.get(PATH, "")
    if _LAST.fullmatch(value[FROM]):
        return Reference(LAST, path=path)
    match = _SOURCE.fullmatch(value[FROM])
    if match is None:
        return None
    return Reference("step" if match["kind"].lower() == "step" else "call", int(match["number"]), path)


def is_reference(value: Any) -> bool:
    """Whether `value` has the form of a reference, whatever it names."""
    return (
        isinstance(value, Mapping)
        and value.keys() <= {FROM, PATH}
        and isinstance(value.get(FROM), str)
        and isinstance(value.get(PATH, ""), str)
    )


def references_in(spec: ToolSpec, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `arguments` that are references, as they are written."""
    return {name: arguments[name] for name in referable(spec) if is_reference(arguments.get(name))}


def shown_arguments(arguments: Mapping[str, Any], real: RealValues) -> dict[str, Any]:
    """Return `arguments` for a person: each reference with the beginning of what it stands for."""
    begins = {name: {**arguments[name], "begins": text} for name, text in real.begins.items()}
    return {**arguments, **begins}


def referable(spec: ToolSpec) -> tuple[str, ...]:
    """Return the arguments of a tool that may be references: declared, and without objects of their own."""
    if not spec.references:
        return ()
    properties = spec.parameters.get("properties", {})
    return tuple(name for name in spec.references if name in properties and takes_no_object(properties[name]))


def takes_no_object(schema: Any) -> bool:
    """Whether `schema` certainly refuses every object, so that one can't be mistaken for a value."""
    match schema:
        case {"type": str(kind)}:
            return kind != "object"
        case {"type": [*kinds]}:
            return "object" not in kinds
        case {"anyOf": [*branches]} | {"oneOf": [*branches]}:
            return all(map(takes_no_object, branches))
        case {"enum": [*values]}:
            return not any(isinstance(value, Mapping) for value in values)
        case _:
            return False


def with_schemas(spec: ToolSpec, schemas: Mapping[str, Any]) -> ToolSpec:
    """Return `spec` with the schemas of some arguments replaced."""
    if not schemas:
        return spec
    properties = {**spec.parameters["properties"], **schemas}
    return replace(spec, parameters={**spec.parameters, "properties": properties})


def reference_schema(source: Mapping[str, Any], *, has_path: bool = False) -> dict[str, Any]:
    """Return the schema of a reference whose `from` has the schema `source`."""
    path = {PATH: {"type": "string"}} if has_path else {}
    return {
        "type": "object",
        "properties": {FROM: dict(source), **path},
        "required": [FROM],
        "additionalProperties": False,
    }


ANY_REFERENCE = reference_schema({"type": "string"}, has_path=True)
"""The schema of a reference in an answer: what it names is looked up later, so that a finding can say what exists."""
