"""What a step demands, computed from its text and its tools before any model is asked.

Only forms are counted (numbers, quotations, names, joints), never meanings, and what is counted moves an estimate: it
rejects nothing. What each count costs small models is in docs/measured/routing.md.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from typing import Any

from msgspec import Struct

from nebulus.core.demand import Demand, ErrorCost, ToolDemand, ValueDemand, WorkKind
from nebulus.core.tools import EFFECTS, Effect, ToolSpec
from nebulus.routing.words import stems, stems_of_name

CHARS_PER_TOKEN = 4
"""Roughly, for English and JSON, where nobody has counted."""
MOST_PARTS = 12
DEEPEST = 8
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?")
_QUOTED = re.compile(r"\"([^\"\n]{1,200})\"|`([^`\n]{1,200})`|(?<!\w)'([^'\n]{1,200})'(?!\w)")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w-]*(?: [A-Z][\w-]*)*")
_SENTENCE = re.compile(r"[.?!](?:\s+|$)")
_WORD = re.compile(r"\w+")
_JOINTS = frozenset(
    ("and", "also", "then", "another", "respectively", "finally", "second", "secondly", "both", "each")
)
_CALCULATING = (
    "calculat",
    "comput",
    "sum",
    "total",
    "average",
    "percent",
    "differen",
    "multipl",
    "divid",
    "subtract",
)
_ADDING = frozenset(("mean", "add"))
_FORMULA = re.compile(r"\d\s*[*/+^]\s*\d")
_HOW_MANY = re.compile(r"\bhow (?:many|much)")
_COMPARING = frozenset(
    ["sort", "rank", "highest", "lowest", "largest", "smallest", "longest", "shortest", "best", "worst", "newest", "latest", "oldest", "most", "least", "before", "after"]
)  # fmt: skip
_ORDER_OF = re.compile(r"\b(?:order(?:ed)? by|top \d)\b")
_ORDER_WORDS = frozenset(("order", "ordered", "top"))
_CODE = re.compile(r"\b[a-z][a-z0-9]*+[A-Z]|[^\W_]_[^\W_]|\w\.\w+\(|`")
_INNER_CAPITAL = re.compile(r"[a-z0-9][A-Z]")


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
    place, said = place or StepPlace(), _said(text)
    schemas = [_schema(tool) for tool in tools]
    size_chars = len(text) + sum(schema.size_chars for schema in schemas)
    return Demand(
        kind=kind,
        tools=_tool_demand(text, schemas),
        values=ValueDemand(
            facts=place.facts + said.stated,
            longest_copy_characters=said.longest,
            needs_arithmetic=said.needs_arithmetic,
            needs_ordering=said.needs_ordering,
        ),
        calls=said.parts,
        prompt_tokens=place.prompt_tokens or size_chars // CHARS_PER_TOKEN,
        window_tokens=place.window_tokens,
        steps_left=place.steps_left,
        error_cost=error_cost_of(tools),
        language=said.language,
        failures=place.failures,
    )


def error_cost_of(tools: Iterable[ToolSpec]) -> ErrorCost:
    """Return what a wrong call of the most dangerous of `tools` costs."""
    return ErrorCost.of(max((tool.effect for tool in tools), key=EFFECTS.index, default=Effect.READ))


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


class _Said(Struct, frozen=True):
    """What the text of a step alone demands."""

    stated: int
    longest: int
    needs_arithmetic: bool
    needs_ordering: bool
    parts: int
    language: str


@lru_cache(maxsize=512)
def _said(text: str) -> _Said:
    """Return what a text demands; the same one is asked about at each attempt, and again after its answer."""
    stated, lower = list(_stated(text)), text.lower()
    words = _WORD.findall(lower)
    known = set(words)
    return _Said(
        stated=len(stated),
        longest=max(map(len, stated), default=0),
        needs_arithmetic=_calculates(lower, known),
        needs_ordering=_compares(lower, known),
        parts=min(
            max(1, len(_SENTENCE.findall(text))) + sum(map(_JOINTS.__contains__, words)) + text.count(";"),
            MOST_PARTS,
        ),
        language=_language(text),
    )


def _calculates(text: str, words: Set[str]) -> bool:
    """Whether a text in lower case asks to calculate."""
    return (
        "%" in text
        or not words.isdisjoint(_ADDING)
        or any(word.startswith(_CALCULATING) for word in words)
        or ("how" in words and _HOW_MANY.search(text) is not None)
        or (any(sign in text for sign in "*/+^") and _FORMULA.search(text) is not None)
    )


def _compares(text: str, words: Set[str]) -> bool:
    """Whether a text in lower case asks to sort, compare or rank."""
    return (
        not words.isdisjoint(_COMPARING)
        or any(word.startswith("compar") for word in words)
        or (not words.isdisjoint(_ORDER_WORDS) and _ORDER_OF.search(text) is not None)
    )


def _language(text: str) -> str:
    letters = "" if text.isascii() else [character for character in text if character.isalpha()]
    if sum(ord(letter) > 0x24F for letter in letters) * 2 > len(letters):
        return "other"
    may_be_code = "_" in text or "(" in text or "`" in text or _INNER_CAPITAL.search(text) is not None
    return "code" if may_be_code and _CODE.search(text) else ""


class _Schema(Struct, frozen=True):
    """What the parameters of a tool demand, computed once."""

    parameters: dict[str, Any]
    required: int
    optional: int
    depth: int
    types: frozenset[str]
    size_chars: int
    name: str
    description: str
    name_stems: frozenset[str]
    all_stems: frozenset[str]


_known: dict[int, _Schema] = {}
"""By the identity of the parameters, which it keeps alive: they don't change while a tool is offered."""
_MOST_KNOWN = 1024


def _schema(tool: ToolSpec) -> _Schema:
    known = _known.get(id(tool.parameters))
    if (
        known is not None
        and known.parameters is tool.parameters
        and (known.name, known.description) == (tool.name, tool.description)
    ):
        return known
    properties, required = tool.parameters.get("properties") or {}, len(tool.parameters.get("required") or ())
    made = _Schema(
        parameters=tool.parameters,
        required=required,
        optional=max(0, len(properties) - required),
        depth=depth_of(tool.parameters),
        types=frozenset(_types(properties)),
        size_chars=len(str(tool.parameters)) + len(tool.name) + len(tool.description),
        name=tool.name,
        description=tool.description,
        name_stems=stems_of_name(tool.name),
        all_stems=stems_of_name(tool.name) | stems(tool.description),
    )
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[id(tool.parameters)] = made
    return made


def _tool_demand(text: str, schemas: Sequence[_Schema]) -> ToolDemand:
    if not schemas:
        return ToolDemand()
    wanted = stems(text)
    name_match, text_match = max((_match(wanted, schema) for schema in schemas), key=sum)
    types = frozenset[str]().union(*(schema.types for schema in schemas))
    return ToolDemand(
        count=len(schemas),
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


def _match(wanted: frozenset[str], schema: _Schema) -> tuple[float, float]:
    named, explained = len(wanted & schema.name_stems), len(wanted & schema.all_stems)
    return named / max(1, len(schema.name_stems)), explained / max(1, len(wanted))


def depth_of(schema: Mapping[str, Any] | Any, most: int = DEEPEST) -> int:
    """Return how deep a JSON Schema nests objects and lists: 1 for flat arguments."""
    if not isinstance(schema, Mapping) or most == 0:
        return 0
    properties = schema.get("properties")
    inner = [*(properties.values() if isinstance(properties, Mapping) else ()), schema.get("items")]
    own = int(schema.get("type") in ("object", "array"))
    return own + max((depth_of(each, most - 1) for each in inner), default=0)
