"""A schema reaches nothing outside of itself, whoever wrote it, and its patterns take linear time."""

from pathlib import Path
from typing import Any

import pytest

from nebulus.adapters.backends.forms import shape_failure
from nebulus.app.results import result_spec
from nebulus.core.errors import ConfigError
from nebulus.core.schemas import SCHEMA_ERRORS, compiled


@pytest.mark.parametrize("scheme", ["file://{path}", "http://127.0.0.1:9/{path}", "json-schema:///{path}"])
def test_a_reference_that_leaves_the_schema_is_refused(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "other.json").write_text('{"const": "what a client must not read"}')
    schema = {"$ref": scheme.format(path=tmp_path / "other.json")}
    with pytest.raises(SCHEMA_ERRORS):
        compiled(schema)
    with pytest.raises(SCHEMA_ERRORS):
        compiled(schema, is_own=True)
    with pytest.raises(ConfigError, match="not a valid JSON Schema"):
        result_spec(schema)
    assert shape_failure('"x"', schema) is None, "it is not read to say what the answer should be"


@pytest.mark.parametrize("pattern", ["(?=(a+)+b)c", r"(a+)\1+$"])
def test_a_pattern_that_could_take_more_than_linear_time_is_refused(pattern: str) -> None:
    with pytest.raises(SCHEMA_ERRORS):
        compiled({"pattern": pattern})


def test_what_is_under_defs_is_found() -> None:
    schema: dict[str, Any] = {"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}
    assert compiled(schema).is_valid([1])
    assert not compiled(schema).is_valid(["1"])


def test_the_users_own_result_may_look_around() -> None:
    assert compiled({"pattern": "^(?!draft).*$"}, is_own=True).is_valid("final")
