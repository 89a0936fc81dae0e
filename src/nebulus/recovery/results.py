"""Whether what a tool gave back is what it promised.

Laws: pure; a result that does not have the promised shape is no result; what a result says against
itself is believed; a page, an order or half an answer in place of the data never passes as data.
"""

import functools
import json
from typing import Any

import jsonschema_rs

from nebulus.core.digest import canonical
from nebulus.core.errors import ToolDefinitionError
from nebulus.core.failure import Failure, FailureKind, Fault, Recognised
from nebulus.core.tools import ToolSpec
from nebulus.recovery.classify import declared_failure

SHOWN_CHARS = 120
COMPILED_SCHEMAS = 256

AMBIGUOUS = frozenset(
    {FailureKind.TIMEOUT, FailureKind.TRANSIENT, FailureKind.MALFORMED_ANSWER, FailureKind.TRUNCATED}
)
"""Classes after which an effect may have happened all the same."""


def fault_of(text: str, spec: ToolSpec) -> Failure | None:
    """Return what is wrong with a result, None if nothing is known to be.

    A tool without `returns` promises nothing about its shape: then only its own word counts.
    """
    declared = declared_failure(text)
    if declared is not None:
        return Failure(
            kind=declared.kind,
            fault=Fault.TOOL,
            what=f"{spec.name} says that it failed",
            value=declared.by,
            recognised=declared.how,
        )
    return _misfit(text, spec) if spec.returns else None


def is_ambiguous(failure: Failure) -> bool:
    """Whether the effect may have happened, though the result is a failure; part of it counts as that."""
    return failure.kind in AMBIGUOUS or failure.kind is FailureKind.EMPTY


def did_nothing(spec: ToolSpec) -> Failure:
    """Return the failure of a tool that reported success, and whose own check sees no effect."""
    return Failure(
        kind=FailureKind.DISHONEST_CLAIM,
        fault=Fault.TOOL,
        what=f"{spec.name} reported success, and its own check sees that nothing happened",
        fix="try again, or use another tool",
    )


def _misfit(text: str, spec: ToolSpec) -> Failure | None:
    if not text.strip():
        return _broken(FailureKind.EMPTY, f"{spec.name} gave back nothing", text)
    try:
        value = json.loads(text)
    except RecursionError:
        return _broken(FailureKind.MALFORMED_ANSWER, f"what {spec.name} gave back is nested too deep", text)
    except ValueError as error:
        is_cut = text.lstrip()[:1] in "{[" and getattr(error, "pos", 0) >= len(text.rstrip()) - 1
        kind = (
            FailureKind.TRUNCATED if is_cut or "Unterminated" in str(error) else FailureKind.MALFORMED_ANSWER
        )
        return _broken(kind, f"what {spec.name} gave back is not the JSON that it promises", text)
    wrong = next(_compiled(canonical(spec.returns)).iter_errors(value), None)
    if wrong is None:
        return None
    place = "/".join(str(part) for part in wrong.instance_path)
    what = f"what {spec.name} gave back has another shape than it promises: {wrong.message[:200]}"
    return _broken(FailureKind.MALFORMED_ANSWER, what, f"{place} {text}".strip())


@functools.lru_cache(maxsize=COMPILED_SCHEMAS)
def _compiled(schema_json: bytes) -> Any:
    try:
        return jsonschema_rs.validator_for(json.loads(schema_json))
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise ToolDefinitionError(f"what a tool says it returns is no JSON Schema: {error}") from error


def _broken(kind: FailureKind, what: str, text: str) -> Failure:
    shown = " ".join(text[:SHOWN_CHARS].split())
    return Failure(kind=kind, fault=Fault.TOOL, what=what, value=shown, recognised=Recognised.STRUCTURE)
