"""What a run is asked to answer, and the answer with the source of each of its values."""

from typing import Any

from msgspec import Struct, field

from nebulus.core.provenance import Provenance

WRAPPED = "answer"
"""The field of the object that a value which is not an object is asked for in."""


class ResultSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a goal asks for besides being met: text, or JSON of a schema."""

    schema: dict[str, Any] = field(default_factory=dict)
    """A JSON Schema, empty for text."""
    failure_schema: dict[str, Any] = field(default_factory=dict)
    """The schema of a typed failure that may be returned in place of the result; empty where there is none."""
    is_wrapped: bool = False
    """Whether the result is the field `answer` of what `schema` describes: servers want an object."""

    @property
    def is_text(self) -> bool:
        """Whether the answer is free text."""
        return not self.schema


class FieldSource(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where one scalar of an answer came from."""

    path: str
    """A JSON pointer into the answer; "" for the whole."""
    is_proven: bool
    """Whether the value appears in what the run saw."""
    provenance: Provenance = Provenance()
    """The label of where it was seen; a model's where it appears nowhere."""
    seen_in: str = ""
    """Where it was seen: "step 2 celsius", "the result of step 3", "the goal"; "" where it appears nowhere."""


class Result(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of a run."""

    value: Any
    """Text, or the decoded JSON."""
    sources: tuple[FieldSource, ...] = ()
    """One for each scalar that the schema leaves open; none for free text."""
    is_failure: bool = False
    """Whether the value is the typed failure, not the result."""

    @property
    def is_proven(self) -> bool:
        """Whether every value appears in what the run saw. Free text is never proven."""
        return bool(self.sources) and all(source.is_proven for source in self.sources)
