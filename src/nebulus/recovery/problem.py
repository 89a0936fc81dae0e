"""The failure envelope as others read it: its JSON Schema, and problem details for HTTP. Pure.

Law: nothing is in a problem that is not in the envelope.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from nebulus.core.failure import Failure, FailureKind

TYPE = "urn:nebulus:failure:"
MEDIA_TYPE = "application/problem+json"
"""Source: RFC 9457 §3."""

STATUS: Mapping[FailureKind, int] = MappingProxyType(
    {
        FailureKind.THROTTLED: 429,
        FailureKind.TRANSIENT: 503,
        FailureKind.TIMEOUT: 504,
        FailureKind.INVALID_ARGUMENTS: 422,
        FailureKind.NOT_FOUND: 404,
        FailureKind.CONFLICT: 409,
        FailureKind.PERMISSION: 403,
        FailureKind.POLICY_REFUSAL: 403,
        FailureKind.EXHAUSTED_BUDGET: 402,
        FailureKind.PROMPT_TOO_LARGE: 413,
        FailureKind.UNKNOWN_OUTCOME: 409,
        FailureKind.OURS: 500,
    }
)
"""What HTTP has a word for; what a model or a server behind us did wrong is 502. Source: RFC 9110 §15."""
_ELSE = 502


def problem(failure: Failure, *, instance: str = "") -> dict[str, Any]:
    """Return `failure` as problem details: the five standard members, and the envelope's own beside them.

    `instance` names the occurrence, such as the path of a run. Source: RFC 9457 §3.1 and §3.2.
    """
    own = msgspec.to_builtins(failure)
    own.pop("type", None)
    standard = {
        "type": f"{TYPE}{failure.kind.value}",
        "title": failure.kind.value.replace("_", " "),
        "status": STATUS.get(failure.kind, _ELSE),
        "detail": failure.sentence(),
    }
    return {**own, **standard, **({"instance": instance} if instance else {})}


def failure_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the failure envelope, as every surface spells it."""
    schema = msgspec.json.schema(Failure)
    name = schema.pop("$ref").rpartition("/")[2]
    definitions = schema.pop("$defs")
    envelope = definitions.pop(name)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:nebulus:failure",
        **envelope,
        **({"$defs": definitions} if definitions else {}),
    }
