"""The answer that a goal asks for, and the answer of a run with the source of each value."""

from typing import Any

from msgspec import Struct, field

from nebulus.core.provenance import Provenance

WRAPPED = "answer"
"""The field that contains the answer if it is requested inside an object."""


def wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has a value of `schema` in its only field."""
    return {
        "type": "object",
        "properties": {WRAPPED: schema},
        "required": [WRAPPED],
        "additionalProperties": False,
    }


class ResultSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer that a goal asks for: text, or JSON that matches a schema."""

    schema: dict[str, Any] = field(default_factory=dict)
    """The JSON Schema of the result, empty for text."""
    failure_schema: dict[str, Any] = field(default_factory=dict)
    """The schema of a typed failure that may be returned instead of the result; empty if there is none."""

    @property
    def is_text(self) -> bool:
        """Whether the answer is free text."""
        return not self.schema

    @property
    def is_wrapped(self) -> bool:
        """Whether it is requested as the field `answer` of an object, since servers need a single object."""
        return bool(self.failure_schema) or (bool(self.schema) and self.schema.get("type") != "object")


class FieldSource(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where one scalar of an answer came from."""

    path: str
    """A JSON pointer into the answer; "" for the whole answer."""
    is_proven: bool
    """Whether the value appears in what the run saw."""
    provenance: Provenance = Provenance()
    """The provenance of the place where it was seen; a model's if it appears nowhere."""
    seen_in: str = ""
    """Where it was seen: "step 2 celsius", "the result of step 3", "the goal"; "" if it appears nowhere."""


class Result(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of a run."""

    value: Any
    """The text, or the decoded JSON."""
    sources: tuple[FieldSource, ...] = ()
    """One for each scalar that the schema does not fix; none for free text."""
    is_failure: bool = False
    """Whether the value is the typed failure instead of the result."""

    @property
    def is_proven(self) -> bool:
        """Whether every value appears in what the run saw. Free text is never proven."""
        return bool(self.sources) and all(source.is_proven for source in self.sources)
