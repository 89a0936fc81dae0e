"""Opens the exporters of OTLP over HTTP. It needs the extra `telemetry`; nothing imports it where telemetry is off."""

import os

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from nebulus.adapters.telemetry.live import Telemetry
from nebulus.adapters.telemetry.otlp import SERVICE

TIMEOUT_S = 5
"""How long one request to a collector may take; a run never waits for it."""


def open_telemetry(endpoint: str, *, headers_env: str = "", has_content: bool = False) -> Telemetry:
    """Return what sends runs to the collector at `endpoint` (`http://HOST:PORT`, without `/v1/traces`).

    `headers_env` names the variable with headers for it: `name=value,name=value`.
    """
    base, headers = endpoint.rstrip("/"), parsed_headers(os.environ.get(headers_env, ""))
    resource = Resource.create({"service.name": SERVICE})
    spans = OTLPSpanExporter(endpoint=f"{base}/v1/traces", headers=headers, timeout=TIMEOUT_S)
    metrics = OTLPMetricExporter(endpoint=f"{base}/v1/metrics", headers=headers, timeout=TIMEOUT_S)
    meters = MeterProvider([PeriodicExportingMetricReader(metrics)], resource=resource)
    return Telemetry(BatchSpanProcessor(spans), meters, resource=resource, has_content=has_content)


def parsed_headers(text: str) -> dict[str, str]:
    """Return the headers in `name=value,name=value`."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {name.strip(): value.strip() for name, _, value in pairs}
