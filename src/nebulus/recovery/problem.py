"""The failure envelope as others read it: its JSON Schema, and problem details for HTTP. Pure.

Invariant: nothing is in a problem that is not in the envelope.
"""

from typing import Any

import msgspec

from nebulus.core.failure import Failure
from nebulus.core.http import status_of_kind

TYPE = "urn:nebulus:failure:"
MEDIA_TYPE = "application/problem+json"
"""Source: RFC 9457 §3."""


def problem(failure: Failure, *, instance: str = "") -> dict[str, Any]:
    """Return `failure` as problem details: the five standard members, and those of the envelope.

    `instance` names the occurrence, such as the path of a run. Source: RFC 9457 §3.1 and §3.2.
    """
    own = msgspec.to_builtins(failure)
    own.pop("type", None)
    standard = {
        "type": f"{TYPE}{failure.kind.value}",
        "title": failure.kind.value.replace("_", " "),
        "status": status_of_kind(failure.kind),
        "detail": failure.sentence(),
    }
    return {**own, **standard, **({"instance": instance} if instance else {})}


def failure_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the failure envelope, as every surface writes it."""
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
