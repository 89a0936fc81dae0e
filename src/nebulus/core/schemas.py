"""JSON Schemas, compiled so that whoever wrote one can neither reach out with it nor hold us up.

Invariants: a reference never leaves its schema, to a file or over the network; patterns run on an engine that takes
linear time, but for those of the user's own result.
"""

from typing import Any

import jsonschema_rs

SCHEMA_ERRORS = (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError)
"""What `compiled` raises where something is not a JSON Schema, or refers to something outside of it."""


def compiled(schema: dict[str, Any] | bool, *, is_own: bool = False) -> Any:
    """Return the validator of `schema`. With `is_own` its patterns may look around, as the user's own types do.

    Raises:
        SCHEMA_ERRORS: it is not a JSON Schema, its pattern needs more than linear time, or it refers outside.
    """
    if is_own:
        return jsonschema_rs.validator_for(schema, retriever=_refused)
    return jsonschema_rs.validator_for(
        schema, retriever=_refused, pattern_options=jsonschema_rs.RegexOptions()
    )


def _refused(uri: str) -> Any:
    raise ValueError(f"$ref={uri!r} leaves the schema; put what it refers to under $defs")
