"""Reducing a schema: it only weakens, it says what it lost, and what is left can be enforced."""

import importlib.util
import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebulus.adapters.backends.schema_subset import reduce

HAS_LLGUIDANCE = importlib.util.find_spec("llguidance") is not None

values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "bb", "ccc", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
leaves = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={
            "minLength": st.sampled_from([0, 1, 1.0]),
            "maxLength": st.integers(2, 4),
            "pattern": st.sampled_from(["^[a-c]*$", "^(?!b)", r"\bfoo\b"]),
        },
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])}, optional={"minimum": st.integers(-3, 0)}
    ),
    st.builds(lambda options: {"enum": options}, st.lists(values, min_size=1, max_size=3)),
    st.builds(lambda value: {"const": value}, values),
    st.sampled_from(
        [{}, {"type": "boolean"}, {"type": ["string", "null"]}, {"format": "regex", "type": "string"}]
    ),
)


def branches(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas that hold schemas, refused keywords among them."""
    refused = st.fixed_dictionaries(
        {},
        optional={
            "not": inner,
            "if": inner,
            "then": inner,
            "dependentRequired": st.just({"a": ["b"]}),
            "propertyNames": st.just({"maxLength": 2}),
            "minProperties": st.just(1),
            "title": st.just("a title"),
        },
    )
    objects = st.builds(
        lambda properties, required, extra: {
            "type": "object",
            "properties": properties,
            "required": [name for name in required if name in properties],
            **extra,
        },
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        st.lists(st.sampled_from("abc"), unique=True),
        refused,
    )
    arrays = st.builds(
        lambda items, extra: {"type": "array", "items": items, **extra},
        inner,
        st.fixed_dictionaries(
            {}, optional={"uniqueItems": st.booleans(), "contains": inner, "maxItems": st.just(2)}
        ),
    )
    choices = st.builds(
        lambda key, parts: {key: parts},
        st.sampled_from(["anyOf", "oneOf"]),
        st.lists(inner, min_size=1, max_size=3),
    )
    return objects | arrays | choices


schemas = st.recursive(leaves, branches, max_leaves=6)


@given(schemas, st.lists(values, min_size=1, max_size=8))
def test_whatever_the_whole_schema_accepts_the_reduced_one_accepts(
    schema: dict[str, Any], tried: list[Any]
) -> None:
    try:
        whole = jsonschema_rs.validator_for(schema)
    except ValueError:
        return  # not a schema: nothing to weaken
    reduced = jsonschema_rs.validator_for(reduce(schema).schema)
    for value in tried:
        assert not whole.is_valid(value) or reduced.is_valid(value)


@given(schemas)
def test_reducing_twice_is_reducing_once(schema: dict[str, Any]) -> None:
    once = reduce(schema).schema
    again = reduce(once)
    assert again.schema == once
    assert again.losses == ()


@pytest.mark.skipif(not HAS_LLGUIDANCE, reason="llguidance is not installed")
@given(schemas)
def test_what_is_left_is_never_refused_for_a_keyword(schema: dict[str, Any]) -> None:
    from llguidance import LLMatcher

    grammar = LLMatcher.grammar_from_json_schema(json.dumps(reduce(schema).schema))
    problem = LLMatcher.validate_grammar(grammar, None)
    assert not problem or "nsatisfiable" in problem, problem


@pytest.mark.parametrize(
    ("schema", "kept", "lost"),
    [
        ({"type": "array", "uniqueItems": True}, {"type": "array"}, ("/uniqueItems",)),
        ({"not": {}, "type": "string"}, {"type": "string"}, ("/not",)),
        ({"if": {}, "then": {}, "else": {}}, {}, ("/if", "/then", "/else")),
        ({"contains": {}, "minContains": 1}, {}, ("/contains", "/minContains")),
        ({"dependentRequired": {"a": ["b"]}}, {}, ("/dependentRequired",)),
        (
            {"oneOf": [{"type": "string"}, {"maxLength": 3}]},
            {"anyOf": [{"type": "string"}, {"maxLength": 3}]},
            (),
        ),
        ({"oneOf": [{}], "anyOf": [{"type": "null"}]}, {"anyOf": [{"type": "null"}]}, ("/oneOf",)),
        ({"type": "string", "format": "regex"}, {"type": "string"}, ("/format",)),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}, ()),
        ({"pattern": "^(?=a)"}, {}, ("/pattern",)),
        ({"pattern": "("}, {}, ("/pattern",)),
        ({"pattern": "^a", "format": "date"}, {"format": "date"}, ("/pattern",)),
        ({"minLength": 2.0}, {"minLength": 2}, ()),
        ({"type": "file"}, {}, ("/type",)),
        ({"enum": []}, {}, ("/enum",)),
        ({"title": "t", "x-order": 1, "default": 3}, {}, ()),
        ({"$ref": "https://example.org/x"}, {}, ("/$ref",)),
        ({"$ref": "#/$defs/nowhere"}, {}, ("/$ref",)),
        (
            {"properties": {"a/b": {"items": {"uniqueItems": True}}}},
            {"properties": {"a/b": {"items": {}}}},
            ("/properties/a~1b/items/uniqueItems",),
        ),
        (
            {"patternProperties": {r"\bx": {}}, "additionalProperties": False},
            {},
            ("/patternProperties", "/additionalProperties"),
        ),
    ],
    ids=str,
)
def test_each_refused_keyword_is_left_out_and_named(
    schema: dict[str, Any], kept: dict[str, Any], lost: tuple[str, ...]
) -> None:
    reduced = reduce(schema)
    assert reduced.schema == kept
    assert reduced.losses == lost


def test_references_hold_where_the_schema_comes_to_stand() -> None:
    tree = {
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
        "properties": {"root": {"$ref": "#/$defs/node"}},
        "type": "object",
    }
    at = "#/anyOf/0/properties/arguments"
    inner = reduce(tree, at=at).schema
    whole = {"anyOf": [{"properties": {"arguments": inner}}]}
    assert inner["properties"]["root"] == {"$ref": f"{at}/$defs/node"}
    validator = jsonschema_rs.validator_for(whole)
    assert validator.is_valid({"arguments": {"root": {"next": {"next": {}}}}})
    assert not validator.is_valid({"arguments": {"root": {"next": {"next": 3}}}})
