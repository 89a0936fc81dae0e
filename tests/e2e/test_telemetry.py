"""A run's traces and metrics arrive at a collector over OTLP as they were meant, and a missing collector harms no run."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.literal import serving
from tests.e2e.test_cli import COMMAND, environment, nebulus

pytestmark = pytest.mark.e2e

RUNBOOK = """\
Copy a note.

1. Use read_file with path = a.md
2. Use write_file with path = b.md, content = "hello"
"""


class Collector:
    """What arrived, decoded by OpenTelemetry's own messages."""

    def __init__(self) -> None:
        self.spans: dict[str, list[dict[str, object]]] = {}
        self.metrics: set[str] = set()
        self.headers: list[str] = []

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for span in (span for scope in resource.scope_spans for span in scope.spans):
                    values = {
                        one.key: one.value.string_value or one.value.int_value for one in span.attributes
                    }
                    values["_ids"] = (span.trace_id, span.span_id, span.parent_span_id)
                    self.spans.setdefault(span.name, []).append(values)
        if path == "/v1/metrics":
            for resource_metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics |= {
                    one.name for scope in resource_metrics.scope_metrics for one in scope.metrics
                }


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.headers.append(self.headers.get("x-key", ""))
            collector.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def run_with(folder: Path, model: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "a.md").write_text("hello")
    (folder / "copy.md").write_text(RUNBOOK)
    return subprocess.run(
        [*COMMAND, "run", "-f", "copy.md", "-m", model, "-q"],
        cwd=folder,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_collector_gets_the_spans_and_metrics_of_a_run_from_two_variables(tmp_path: Path) -> None:
    with serving() as model, collecting() as (collector, endpoint):
        ended = run_with(
            tmp_path,
            model,
            NEBULUS_TELEMETRY__ENDPOINT=endpoint,
            NEBULUS_TELEMETRY__HEADERS_ENV="COLLECTOR_HEADERS",
            COLLECTOR_HEADERS="x-key=abc",
        )
    assert ended.returncode == 0, ended.stderr
    assert {name: len(found) for name, found in collector.spans.items()} == {
        "invoke_agent nebulus": 1,
        "step 1": 1,
        "step 2": 1,
        "chat scripted-model": 2,
        "execute_tool read_file": 1,
        "execute_tool write_file": 1,
    }
    (tool,), (step,), (run,) = (
        collector.spans[name] for name in ("execute_tool read_file", "step 1", "invoke_agent nebulus")
    )
    assert tool["_ids"][2] == step["_ids"][1]  # type: ignore[index]
    assert step["_ids"][2] == run["_ids"][1]  # type: ignore[index]
    assert run["nebulus.outcome"] == "done"
    assert {"gen_ai.client.token.usage", "gen_ai.client.operation.duration"} <= collector.metrics
    assert set(collector.headers) == {"abc"}


def test_a_collector_that_is_not_there_changes_nothing_about_a_run(tmp_path: Path) -> None:
    with serving() as model:
        ended = run_with(tmp_path, model, NEBULUS_TELEMETRY__ENDPOINT="http://127.0.0.1:1")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "b.md").read_text() == "hello"


def test_a_collector_elsewhere_that_a_workspace_names_is_confirmed_first(tmp_path: Path) -> None:
    (tmp_path / "nebulus.toml").write_text('[telemetry]\nendpoint = "https://collector.example"\n')
    ended = nebulus("run", "hello", "-m", "nano", cwd=tmp_path)
    assert ended.returncode == 2
    assert "sends what a run reads and writes to https://collector.example:443" in ended.stderr
