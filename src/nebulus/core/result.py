"""What a run is asked to answer, and the answer with the source of each of its values."""

from typing import Any

from msgspec import Struct, field

from nebulus.core.provenance import Provenance


class ResultSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a goal asks for beside being met: text, or JSON of a schema.

    `schema` is a JSON Schema, empty for text. `failure_schema` is the schema of a typed failure that may be
    returned in place of the result, empty where the type has none.
    """

    schema: dict[str, Any] = field(default_factory=dict)
    failure_schema: dict[str, Any] = field(default_factory=dict)

    @property
    def is_text(self) -> bool:
        """Whether the answer is free text."""
        return not self.schema


class FieldSource(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where one scalar of an answer came from.

    `path` is a JSON pointer into the answer ("" for the whole). `is_proven`: the value appears in what the run
    saw; `seen_in` names where ("step 2 celsius", "result of step 3"), "" where it appears nowhere.
    """

    path: str
    is_proven: bool
    provenance: Provenance = Provenance()
    seen_in: str = ""


class Result(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of a run. `value` is text, or the decoded JSON; `sources` has one entry for each scalar.

    `is_failure`: the value is the typed failure of a union, not the result.
    """

    value: Any
    sources: tuple[FieldSource, ...] = ()
    is_failure: bool = False

    @property
    def is_proven(self) -> bool:
        """Whether every value appears in what the run saw. Free text is never proven."""
        return bool(self.sources) and all(source.is_proven for source in self.sources)
