"""Runs under way as OpenTelemetry spans and metrics, sent by OpenTelemetry's own SDK from a thread of its own.

Invariants: a run never waits for a collector, and never fails because of one; without the setting nothing of this is
imported, and no run is watched.
"""

import secrets
import time
from collections.abc import Callable

from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SdkEvent
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from nebulus.adapters.telemetry import names as n
from nebulus.adapters.telemetry.spans import Span, SpanFold
from nebulus.core import events as e
from nebulus.core.commands import Command
from nebulus.core.errors import IllegalEventError
from nebulus.core.journal import Record
from nebulus.core.verdict import Refuse
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.transitions import feed

_KINDS = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class Instruments:
    """The metrics of all runs of this process."""

    def __init__(self, meter: Meter) -> None:
        self.tokens = meter.create_histogram(n.TOKENS_METRIC, unit="{token}")
        self.duration = meter.create_histogram(n.DURATION_METRIC, unit="s")
        self.findings = meter.create_counter(n.FINDINGS_METRIC, unit="{finding}")
        self.refusals = meter.create_counter(n.REFUSALS_METRIC, unit="{call}")
        self.escalations = meter.create_counter(n.ESCALATIONS_METRIC, unit="{escalation}")


class Telemetry:
    """Sends the spans of runs to `processor` and their metrics to `meters`; `watch` makes the observer of a run."""

    def __init__(
        self,
        processor: SpanProcessor,
        meters: MeterProvider,
        *,
        resource: Resource,
        has_content: bool = False,
    ) -> None:
        self._processor, self._meters = processor, meters
        self._resource, self._has_content = resource, has_content
        self._scope = InstrumentationScope("nebulus")
        self._instruments = Instruments(meters.get_meter("nebulus"))
        self._open: dict[str, RunTelemetry] = {}

    def watch(self, run_id: str) -> "RunTelemetry":
        """Return the observer of the run of this name."""
        fold = SpanFold(run_id, session=secrets.token_hex(4), has_content=self._has_content)
        observer = RunTelemetry(fold, self._send, self._instruments)
        self._open = {name: one for name, one in self._open.items() if not one.is_over} | {run_id: observer}
        return observer

    def close(self) -> None:
        """End the spans of runs that are not over, and send what is left; waits for the collector, but not long."""
        for observer in self._open.values():
            observer.end()
        self._open.clear()
        self._processor.shutdown()
        self._meters.shutdown()

    def _send(self, span: Span) -> None:
        self._processor.on_end(readable(span, self._resource, self._scope))


class RunTelemetry:
    """The observer of one run. What was recorded before this process took the run up is not sent again."""

    def __init__(self, fold: SpanFold, send: Callable[[Span], None], instruments: Instruments) -> None:
        self._fold, self._send, self._instruments = fold, send, instruments
        self._machine: Machine | None = None
        self._tiers: dict[int, str] = {}
        self._is_live, self.is_over = False, False

    def on_command(self, command: Command) -> None:
        """Note that the past is over."""
        self._is_live = True

    def on_text(self, piece: str) -> None:
        """Ignore it: the whole answer is recorded."""

    def on_record(self, record: Record) -> None:
        """Send the spans that this record finishes, and count what it says."""
        if self.is_over:
            return
        event, now_ns = record.event, time.time_ns()
        try:
            if isinstance(event, e.RunStarted):
                self._machine = new_machine(event.config)
            if self._machine is not None:
                self._machine = feed(self._machine, event)
        except (IllegalEventError, LookupError):
            self.is_over = True  # the run itself says what is wrong with its records
            return
        spans = self._fold.take(event, position=record.position, now_ns=now_ns)
        if self._is_live:
            self._count(event)
            for span in spans:
                self._send(span)
        if isinstance(event, e.RouteChosen):
            self._tiers[event.step] = event.tier
        if self._machine is not None and self._machine.outcome is not None and self._is_live:
            self.end()

    def end(self) -> None:
        """Send the spans of the steps and of the run."""
        if self._machine is not None and not self.is_over:
            self.is_over = True
            for span in self._fold.end(self._machine.outcome, now_ns=time.time_ns()):
                self._send(span)

    def _count(self, event: e.Event) -> None:
        counted = self._instruments
        match event:
            case e.ModelAnswered(tier=tier, answer=answer):
                known = {n.OPERATION: n.CHAT, n.PROVIDER: "nebulus", n.REQUEST_MODEL: answer.model or tier}
                tagged = {**known, n.TIER: tier}
                counted.duration.record(event.took_s, tagged)
                counted.tokens.record(answer.usage.prompt_tokens, {**tagged, n.TOKEN_TYPE: "input"})
                counted.tokens.record(answer.usage.completion_tokens, {**tagged, n.TOKEN_TYPE: "output"})
            case e.AnswerParsed(step=step, parsed=e.Unusable(finding=finding)):
                tagged = {n.FINDING: finding.kind.value, n.TIER: self._tiers.get(step, "")}
                counted.findings.add(1, tagged)
            case e.CallJudged(verdict=Refuse(rule=rule)):
                counted.refusals.add(1, {n.RULE: rule})
            case e.RouteChosen(step=step, tier=tier):
                before = self._tiers.get(step, tier)
                if before != tier:
                    counted.escalations.add(1, {n.TIER: tier, "nebulus.tier.from": before})
            case _:
                return


def readable(span: Span, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    """Return `span` as the SDK's exporters take it."""
    trace_id = int(span.trace_id, 16)
    context = SpanContext(trace_id, int(span.span_id, 16), is_remote=False, trace_flags=_SAMPLED)
    parent = (
        SpanContext(trace_id, int(span.parent_id, 16), is_remote=False, trace_flags=_SAMPLED)
        if span.parent_id
        else None
    )
    return ReadableSpan(
        name=span.name,
        context=context,
        parent=parent,
        resource=resource,
        attributes=dict(span.attributes),
        events=[SdkEvent(one.name, dict(one.attributes), one.at_ns) for one in span.events],
        kind=_KINDS[span.kind],
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=scope,
    )
