"""What a step demands, computed from its text and its tools before any model is asked.

Only forms are counted (numbers, quotations, names, joints), never meanings, and what is counted moves an estimate: it
rejects nothing. What each count costs small models is in docs/measured/routing.md.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from nebulus.core.demand import Demand, ErrorCost, ToolDemand, ValueDemand, WorkKind
from nebulus.core.tools import Effect, ToolSpec
from nebulus.routing.words import stems, stems_of_name

CHARS_PER_TOKEN = 4
"""Roughly, for English and JSON, where nobody has counted."""
MOST_PARTS = 12
DEEPEST = 8
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?")
_QUOTED = re.compile(r"\"([^\"\n]{1,200})\"|`([^`\n]{1,200})`|(?<!\w)'([^'\n]{1,200})'(?!\w)")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w-]*(?: [A-Z][\w-]*)*")
_JOINT = re.compile(
    r"\b(?:and|also|then|another|respectively|finally|second(?:ly)?|both|each)\b|;", re.IGNORECASE
)
_SENTENCE = re.compile(r"[.?!](?:\s+|$)")
_ARITHMETIC = re.compile(
    r"\b(?:calculat|comput|sum|total|average|mean\b|percent|differen|multipl|divid|add\b|subtract|how (?:many|much))|%|\d\s*[*/+^]\s*\d",
    re.IGNORECASE,
)
_ORDERING = re.compile(
    r"\b(?:sort|rank|order(?:ed)? by|highest|lowest|largest|smallest|longest|shortest|best|worst|newest|latest|oldest|top \d|most|least|compar\w*|before|after)\b",
    re.IGNORECASE,
)
_CODE = re.compile(r"\b[a-z][a-z0-9]*+[A-Z]|[^\W_]_[^\W_]|\w\.\w+\(|`")
_EFFECTS = (Effect.READ, Effect.WRITE, Effect.IRREVERSIBLE, Effect.EGRESS)


class StepPlace(Struct, frozen=True, kw_only=True):
    """Where a step is in its run, as far as that is known."""

    facts: int = 0
    """Results of earlier steps that it is shown."""
    prompt_tokens: int = 0
    """The size of its prompt; 0 to estimate it from text and tools."""
    window_tokens: int = 0
    steps_left: int = 0
    failures: int = 0


def demand_of(
    text: str,
    tools: Sequence[ToolSpec] = (),
    *,
    kind: WorkKind = WorkKind.ACT,
    place: StepPlace | None = None,
) -> Demand:
    """Return what the work that `text` describes demands of a model that is shown `tools`. Nothing is looked up."""
    place = place or StepPlace()
    stated = list(_stated(text))
    size_chars = len(text) + sum(
        _schema(tool).size_chars + len(tool.name) + len(tool.description) for tool in tools
    )
    return Demand(
        kind=kind,
        tools=_tool_demand(text, tools),
        values=ValueDemand(
            facts=place.facts + len(stated),
            longest_copy_characters=max(map(len, stated), default=0),
            needs_arithmetic=_ARITHMETIC.search(text) is not None,
            needs_ordering=_ORDERING.search(text) is not None,
        ),
        calls=_parts(text),
        prompt_tokens=place.prompt_tokens or size_chars // CHARS_PER_TOKEN,
        window_tokens=place.window_tokens,
        steps_left=place.steps_left,
        error_cost=error_cost_of(tools),
        language=_language(text),
        failures=place.failures,
    )


def error_cost_of(tools: Iterable[ToolSpec]) -> ErrorCost:
    """Return what a wrong call of the most dangerous of `tools` costs."""
    return ErrorCost.of(max((tool.effect for tool in tools), key=_EFFECTS.index, default=Effect.READ))


def _stated(text: str) -> Iterator[str]:
    """Yield the values that a text states by their form: quotations, numbers, names."""
    rest = []
    end = 0
    for match in _QUOTED.finditer(text):
        yield next(filter(None, match.groups()))
        rest.append(text[end : match.start()])
        end = match.end()
    plain = " ".join((*rest, text[end:]))
    yield from _NUMBER.findall(plain)
    yield from _NAME.findall(plain)


def _parts(text: str) -> int:
    """Count the parts of a text that may each need a call: its sentences, and what its joints join."""
    sentences = max(1, len(_SENTENCE.findall(text)))
    return min(sentences + len(_JOINT.findall(text)), MOST_PARTS)


def _language(text: str) -> str:
    letters = "" if text.isascii() else [character for character in text if character.isalpha()]
    if sum(ord(letter) > 0x24F for letter in letters) * 2 > len(letters):
        return "other"
    return "code" if _CODE.search(text) else ""


class _Schema(Struct, frozen=True):
    """What the parameters of a tool demand, computed once."""

    parameters: dict[str, Any]
    required: int
    optional: int
    depth: int
    types: frozenset[str]
    size_chars: int


_known: dict[int, _Schema] = {}
"""By the identity of the parameters, which it keeps alive: they don't change while a tool is offered."""
_MOST_KNOWN = 1024


def _schema(tool: ToolSpec) -> _Schema:
    known = _known.get(id(tool.parameters))
    if known is not None and known.parameters is tool.parameters:
        return known
    properties, required = tool.parameters.get("properties") or {}, len(tool.parameters.get("required") or ())
    made = _Schema(
        parameters=tool.parameters,
        required=required,
        optional=max(0, len(properties) - required),
        depth=depth_of(tool.parameters),
        types=frozenset(_types(properties)),
        size_chars=len(str(tool.parameters)),
    )
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[id(tool.parameters)] = made
    return made


def _tool_demand(text: str, tools: Sequence[ToolSpec]) -> ToolDemand:
    if not tools:
        return ToolDemand()
    wanted, schemas = stems(text), [_schema(tool) for tool in tools]
    name_match, text_match = max((_match(wanted, tool) for tool in tools), key=sum)
    types = frozenset[str]().union(*(schema.types for schema in schemas))
    return ToolDemand(
        count=len(tools),
        schema_depth=max(schema.depth for schema in schemas),
        required_arguments=max(schema.required for schema in schemas),
        optional_arguments=max(schema.optional for schema in schemas),
        name_match=round(name_match, 1),
        text_match=round(text_match, 1),
        has_flag="boolean" in types,
        has_fraction="number" in types,
        has_list="array" in types,
        has_untyped="" in types,
    )


def _types(properties: Mapping[str, Any]) -> Iterator[str]:
    """Yield the types that a schema declares for its arguments, "" where it declares none."""
    for schema in properties.values():
        if isinstance(schema, Mapping):
            kinds = schema.get("type") or (schema.get("enum") and "string") or ""
            yield from kinds if isinstance(kinds, list) else (str(kinds),)


def _match(wanted: frozenset[str], tool: ToolSpec) -> tuple[float, float]:
    name = stems_of_name(tool.name)
    explained = len(wanted & (name | stems(tool.description)))
    return len(wanted & name) / max(1, len(name)), explained / max(1, len(wanted))


def depth_of(schema: Mapping[str, Any] | Any, most: int = DEEPEST) -> int:
    """Return how deep a JSON Schema nests objects and lists: 1 for flat arguments."""
    if not isinstance(schema, Mapping) or most == 0:
        return 0
    properties = schema.get("properties")
    inner = [*(properties.values() if isinstance(properties, Mapping) else ()), schema.get("items")]
    own = int(schema.get("type") in ("object", "array"))
    return own + max((depth_of(each, most - 1) for each in inner), default=0)
