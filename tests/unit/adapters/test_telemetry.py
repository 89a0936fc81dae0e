"""A run as spans: one tree, from events alone, with the names that OpenTelemetry gives them."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from nebulus.adapters.telemetry.live import Telemetry
from nebulus.adapters.telemetry.otlp import otlp_document
from nebulus.adapters.telemetry.spans import Span, SpanFold
from nebulus.app.application import open_application
from nebulus.app.settings import EngineSettings, Settings, TelemetrySettings, TierSettings, validate
from nebulus.app.trust import contacts_of
from nebulus.core.errors import ConfigError
from nebulus.core.events import Event
from nebulus.core.journal import events_of
from nebulus.core.outcome import Outcome
from nebulus.testing.backends import ScriptedBackend
from nebulus.testing.people import ScriptedPerson
from tests.unit.cli.runs import NO, RUNBOOK, YES, literal

SECRET_TEXT = "a text that nobody should find in a trace"


def carried_out(
    folder: Path, telemetry: Telemetry | None = None, *, approves: bool = True
) -> tuple[list[Event], Outcome]:
    """Carry the runbook out, observed by `telemetry`, and return what was recorded."""
    (folder / "a.md").write_text(f"hello, {SECRET_TEXT}")
    settings = Settings(
        tiers={"small": TierSettings(model="http://127.0.0.1:1#none")},
        engine=EngineSettings(url="memory"),
        commands="off",
    )

    async def run() -> tuple[list[Event], Outcome]:
        plugs = {
            "backends": {"small": ScriptedBackend(literal)},
            "person": ScriptedPerson([YES if approves else NO] * 3),
        }
        watch = [telemetry.watch] if telemetry else []
        async with open_application(settings, folder, watch=watch, **plugs) as application:
            handle = await application.start(RUNBOOK, workspace=folder, run_id="tidy")
            outcome = await handle.result()
            return list(events_of(await application.supervisor.raw_journal("tidy"))), outcome

    return asyncio.run(run())


def folded(events: list[Event], outcome: Outcome | None, *, has_content: bool = False) -> list[Span]:
    fold, spans = SpanFold("tidy", has_content=has_content), []
    for position, event in enumerate(events, start=1):
        spans += fold.take(event, position=position, now_ns=position * 1_000_000)
    return [*spans, *fold.end(outcome, now_ns=10**9)]


def test_the_spans_of_a_run_are_one_tree_of_run_steps_models_and_tools(tmp_path: Path) -> None:
    spans = folded(*carried_out(tmp_path))
    (root,) = [span for span in spans if not span.parent_id]
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    assert {span.trace_id for span in spans} == {root.trace_id}
    assert all(span.parent_id in by_id for span in spans if span is not root)
    assert Counter(span.attributes.get("gen_ai.operation.name", "step") for span in spans) == {
        "invoke_agent": 1,
        "step": 3,
        "chat": 3,
        "execute_tool": 3,
    }
    tools = [span for span in spans if span.attributes.get("gen_ai.operation.name") == "execute_tool"]
    assert [span.name for span in tools] == [
        "execute_tool read_file",
        "execute_tool write_file",
        "execute_tool delete_file",
    ]
    assert [by_id[span.parent_id].name for span in tools] == ["step 1", "step 2", "step 3"]
    assert root.attributes["nebulus.outcome"] == "done"


def test_a_model_call_has_its_model_its_tokens_and_what_its_answer_was_parsed_as(tmp_path: Path) -> None:
    spans = folded(*carried_out(tmp_path))
    asked = next(span for span in spans if span.attributes.get("gen_ai.operation.name") == "chat")
    assert asked.kind == "client"
    assert asked.attributes["gen_ai.usage.input_tokens"] == 100
    assert asked.attributes["gen_ai.usage.output_tokens"] == 20
    assert asked.attributes["nebulus.tier"] == "small"
    assert asked.attributes["nebulus.answer.parsed"] == "CallsParsed"


def test_what_was_written_and_read_is_in_a_span_only_where_it_was_asked_for(tmp_path: Path) -> None:
    events, outcome = carried_out(tmp_path)
    assert SECRET_TEXT not in str(folded(events, outcome))
    assert SECRET_TEXT in str(folded(events, outcome, has_content=True))


def test_the_same_run_has_the_same_ids_however_often_it_is_exported(tmp_path: Path) -> None:
    events, outcome = carried_out(tmp_path)
    assert otlp_document(folded(events, outcome)) == otlp_document(folded(events, outcome))


def test_a_run_that_a_person_stopped_is_an_error_with_its_kind(tmp_path: Path) -> None:
    spans = folded(*carried_out(tmp_path, approves=False))
    root = next(span for span in spans if not span.parent_id)
    assert root.error == "refused"
    assert root.attributes["error.type"] == "refused"


def test_live_spans_are_those_of_the_journal_and_metrics_count_them(tmp_path: Path) -> None:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    telemetry = Telemetry(SimpleSpanProcessor(exporter), MeterProvider([reader]), resource=Resource({}))
    before = time.time_ns()
    events, outcome = carried_out(tmp_path, telemetry)
    live = exporter.get_finished_spans()
    assert Counter(span.name for span in live) == Counter(span.name for span in folded(events, outcome))
    assert all(before <= (span.start_time or 0) <= (span.end_time or 0) for span in live)
    data = reader.get_metrics_data()
    assert data is not None
    found = {metric.name for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    assert {"gen_ai.client.token.usage", "gen_ai.client.operation.duration"} <= found
    telemetry.close()
    assert len(exporter.get_finished_spans()) == len(live)


def test_a_run_that_this_process_leaves_unfinished_is_sent_as_interrupted(tmp_path: Path) -> None:
    events, _ = carried_out(tmp_path)
    spans = folded(events[:8], None)
    assert next(span for span in spans if not span.parent_id).attributes["nebulus.outcome"] == "interrupted"


def test_a_collector_that_a_workspace_names_is_a_contact_with_its_secret() -> None:
    settings = Settings(telemetry=TelemetrySettings(endpoint="https://x.example", headers_env="KEY"))
    assert [(contact.host, contact.variable) for contact in contacts_of(settings)] == [
        ("https://x.example:443", "KEY")
    ]
    assert list(contacts_of(Settings(telemetry=TelemetrySettings(endpoint="http://127.0.0.1:4318")))) == []


def test_an_endpoint_that_is_not_a_url_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"telemetry\.endpoint='localhost:4318' is not a URL"):
        validate(Settings(telemetry=TelemetrySettings(endpoint="localhost:4318")), "x")
