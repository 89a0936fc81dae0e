"""Checks whether a tool returned what it promised.

Invariants: pure; a result without the promised shape is a failure; a result that says it failed is believed; an error
page, an instruction or half an answer never passes as data.
"""

import functools
import json
from typing import Any

from nebulus.core.digest import canonical
from nebulus.core.errors import ToolDefinitionError
from nebulus.core.failure import Failure, FailureKind, Fault, Recognised
from nebulus.core.schemas import SCHEMA_ERRORS, compiled
from nebulus.core.tools import ToolSpec
from nebulus.recovery.classify import declared_failure

SHOWN_CHARS = 120
COMPILED_SCHEMAS = 256

AMBIGUOUS = frozenset(
    {FailureKind.TIMEOUT, FailureKind.TRANSIENT, FailureKind.MALFORMED_ANSWER, FailureKind.TRUNCATED}
)
"""Classes after which the effect may have happened nevertheless."""


def fault_of(text: str, spec: ToolSpec) -> Failure | None:
    """Return what is wrong with a result, or None if nothing is known to be.

    A tool without `returns` promises no shape: then the result is wrong only if it says so itself.
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
    """Whether the effect may have happened, at least in part, although the result is a failure."""
    return failure.kind in AMBIGUOUS or failure.kind is FailureKind.EMPTY


def did_nothing(spec: ToolSpec) -> Failure:
    """Return the failure of a tool that reported success while its own check finds no effect."""
    return Failure(
        kind=FailureKind.DISHONEST_CLAIM,
        fault=Fault.TOOL,
        what=f"{spec.name} reported success, but its own check finds that nothing happened",
        fix="try again, or use another tool",
    )


def _misfit(text: str, spec: ToolSpec) -> Failure | None:
    if not text.strip():
        return _broken(FailureKind.EMPTY, f"{spec.name} returned nothing", text)
    try:
        value = json.loads(text)
    except RecursionError:
        return _broken(FailureKind.MALFORMED_ANSWER, f"what {spec.name} returned is nested too deep", text)
    except ValueError as error:
        is_cut = text.lstrip()[:1] in "{[" and getattr(error, "pos", 0) >= len(text.rstrip()) - 1
        kind = (
            FailureKind.TRUNCATED if is_cut or "Unterminated" in str(error) else FailureKind.MALFORMED_ANSWER
        )
        return _broken(kind, f"what {spec.name} returned is not the JSON that it promises", text)
    wrong = next(_compiled(canonical(spec.returns)).iter_errors(value), None)
    if wrong is None:
        return None
    place = "/".join(str(part) for part in wrong.instance_path)
    what = f"what {spec.name} returned does not have the shape that it promises: {wrong.message[:200]}"
    return _broken(FailureKind.MALFORMED_ANSWER, what, f"{place} {text}".strip())


@functools.lru_cache(maxsize=COMPILED_SCHEMAS)
def _compiled(schema_json: bytes) -> Any:
    try:
        return compiled(json.loads(schema_json))
    except SCHEMA_ERRORS as error:
        raise ToolDefinitionError(
            f"what a tool declares as its result is not a JSON Schema: {error}"
        ) from error


def _broken(kind: FailureKind, what: str, text: str) -> Failure:
    shown = " ".join(text[:SHOWN_CHARS].split())
    return Failure(kind=kind, fault=Fault.TOOL, what=what, value=shown, recognised=Recognised.STRUCTURE)
