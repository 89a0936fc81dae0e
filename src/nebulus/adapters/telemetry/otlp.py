"""Spans as OTLP in JSON, for a file or a collector.

Source: OTLP 1.5, "OTLP/HTTP" and "JSON Protobuf Encoding": ids are hexadecimal there, 64-bit numbers are strings.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from nebulus.adapters.telemetry.spans import Span, Value

SERVICE = "nebulus"
_KINDS = {"internal": 1, "client": 3}
_ERROR = 2


def otlp_document(spans: Iterable[Span]) -> dict[str, Any]:
    """Return spans as the body of a request to `/v1/traces`, in JSON."""
    scoped = {"scope": {"name": SERVICE}, "spans": [_span(span) for span in spans]}
    resource = {"attributes": _attributes({"service.name": SERVICE})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scoped]}]}


def _span(span: Span) -> dict[str, Any]:
    document = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
        "events": [
            {"name": one.name, "timeUnixNano": str(one.at_ns), "attributes": _attributes(one.attributes)}
            for one in span.events
        ],
        "status": {"code": _ERROR, "message": span.error} if span.error else {},
    }
    return {**document, "parentSpanId": span.parent_id} if span.parent_id else document


def _attributes(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Value) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case _:
            return {"arrayValue": {"values": [_value(one) for one in value]}}
