"""Equal values have equal digests, whatever order they were written in."""

import hashlib
import json
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nebulus.core.digest import canonical, digest, short_digest
from nebulus.core.findings import Call
from tests.unit.core.values import JSON, TEXT

OBJECTS = st.dictionaries(TEXT, JSON, min_size=2, max_size=5)


@given(OBJECTS, st.randoms(use_true_random=False))
def test_the_order_of_the_keys_does_not_matter(value: dict[str, Any], random: Random) -> None:
    keys = random.sample(list(value), len(value))
    assert canonical({key: value[key] for key in keys}) == canonical(value)
    assert canonical({"inner": {key: value[key] for key in keys}}) == canonical({"inner": value})


@given(JSON)
def test_the_canonical_form_is_json_of_the_same_value(value: Any) -> None:
    assert canonical(json.loads(canonical(value))) == canonical(value)


@given(OBJECTS, TEXT)
def test_another_value_has_another_digest(value: dict[str, Any], text: str) -> None:
    assert digest(value) != digest({**value, text + "~": text})


def test_the_digest_is_sha_256_of_keys_sorted_without_spaces() -> None:
    assert canonical({"b": [1, "é"], "a": {}}) == '{"a":{},"b":[1,"é"]}'.encode()
    assert digest({"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()
    assert short_digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})[:16]


def test_calls_that_differ_only_in_the_order_of_arguments_are_the_same_call() -> None:
    one = Call("move", {"source": "a", "target": "b"}, "c1")
    other = Call("move", {"target": "b", "source": "a"}, "c1")
    assert digest(one) == digest(other)
