"""A run as spans, folded from its events: one for the run, each step, each plan, each model call, each tool call.

Invariants: nothing is asked of the runtime but its records; the same run has the same trace and span ids however often
it is exported; what a model or a tool wrote is in a span only where `has_content` asks for it.
"""

import hashlib
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct, field

from nebulus.adapters.telemetry import names as n
from nebulus.core import events as e
from nebulus.core.findings import Call
from nebulus.core.outcome import Blocked, Done, Exhausted, Failed, Outcome, Refused
from nebulus.core.tiers import StepKind
from nebulus.core.verdict import Allow, Refuse

Value: TypeAlias = str | int | float | bool | tuple[str, ...]
NS = 1_000_000_000


class SpanEvent(Struct, frozen=True):
    """Something that happened within a span; times are nanoseconds since the epoch."""

    name: str
    at_ns: int
    attributes: Mapping[str, Value] = {}


class Span(Struct, frozen=True, kw_only=True):
    """A finished span. Ids are lower-case hexadecimal: 32 digits for the trace, 16 for a span; no parent is ""."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str = ""
    kind: Literal["internal", "client"] = "internal"
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Value]
    events: tuple[SpanEvent, ...] = ()
    error: str = ""
    """Why it failed; "" for no error."""


class _OpenSpan(Struct, kw_only=True):
    """A span that is not finished yet."""

    name: str
    key: str
    parent: str = ""
    start_ns: int
    end_ns: int
    attributes: dict[str, Value]
    events: list[SpanEvent] = field(default_factory=list)
    error: str = ""
    is_client: bool = False


class SpanFold:
    """Folds the events of one run into spans.

    `session` tells one process that works on a run from the next: each has a root span, in the trace of the run.
    """

    def __init__(self, run_id: str, *, session: str = "", has_content: bool = False) -> None:
        self._run_id, self._session, self._has_content = run_id, session, has_content
        self._trace_id = hashlib.sha256(run_id.encode()).hexdigest()[:32]
        self._root: _OpenSpan | None = None
        self._steps: dict[int, _OpenSpan] = {}
        self._texts: tuple[str, ...] = ()
        self._effects: dict[str, str] = {}
        self._answers: dict[tuple[int, str], _OpenSpan] = {}
        self._calls: dict[str, tuple[Call, int]] = {}
        self._verdicts: dict[str, str] = {}

    def take(self, event: e.Event, *, position: int, now_ns: int) -> list[Span]:
        """Return the spans that `event`, recorded at `now_ns`, finishes."""
        if self._root is None:
            self._root = self._opened("root", f"{n.INVOKE_AGENT} nebulus", now_ns, parent="")
            self._root.attributes |= {
                n.OPERATION: n.INVOKE_AGENT,
                n.AGENT: "nebulus",
                n.CONVERSATION: self._run_id,
            }
        self._root.end_ns = now_ns
        match event:
            case e.RunStarted():
                self._texts = tuple(step.text for step in event.plan.steps)
                self._effects = {tool.name: tool.effect.value for tool in event.config.tools}
                if self._has_content:
                    self._root.attributes[n.INPUT_MESSAGES] = _message("user", event.goal.text)
            case e.ModelAnswered() | e.ModelFailed():
                return self._on_answer(event, position, now_ns)
            case e.AnswerParsed():
                return self._on_parsed(event, position, now_ns)
            case e.ToolReturned() | e.ToolFailed() | e.OutcomeUnknown():
                return self._on_tool(event, now_ns)
            case _:
                self._note(event, now_ns)
        return []

    def end(self, outcome: Outcome | None, *, now_ns: int) -> list[Span]:
        """Return the spans of the steps and of the run; no `outcome` means that this process stopped before it."""
        if self._root is None:
            return []
        root = self._root
        root.end_ns = max(root.end_ns, now_ns)
        root.attributes[n.OUTCOME] = type(outcome).__name__.lower() if outcome is not None else "interrupted"
        match outcome:
            case Done(proof=proof):
                root.attributes[n.PROOF] = proof.value
                if self._has_content and outcome.answer is not None:
                    root.attributes[n.OUTPUT_MESSAGES] = _message("assistant", str(outcome))
            case Failed(failure=failure):
                root.attributes[n.ERROR] = root.error = failure.kind.value
            case None:
                pass
            case Blocked() | Refused() | Exhausted():
                root.attributes[n.ERROR] = root.error = type(outcome).__name__.lower()
        unanswered = [self._closed(one) for one in self._answers.values()]
        self._answers.clear()
        return [*unanswered, *map(self._closed, self._steps.values()), self._closed(root)]

    def _step(self, number: int, now_ns: int, *, is_plan: bool = False) -> _OpenSpan:
        """Return the span of a step, opened if need be; of step 0, the plan's or the run's."""
        if not number and not is_plan:
            assert self._root is not None
            return self._root
        if number not in self._steps:
            name = f"step {number}" if number else f"{n.PLAN} nebulus"
            opened = self._opened(f"step/{number}", name, now_ns, parent="root")
            if number:
                opened.attributes[n.STEP] = number
                if self._has_content and number <= len(self._texts):
                    opened.attributes[n.STEP_TEXT] = self._texts[number - 1]
            else:
                opened.attributes |= {n.OPERATION: n.PLAN, n.AGENT: "nebulus"}
            self._steps[number] = opened
        step = self._steps[number]
        step.end_ns = max(step.end_ns, now_ns)
        return step

    def _on_answer(self, event: e.ModelAnswered | e.ModelFailed, position: int, now_ns: int) -> list[Span]:
        start_ns = now_ns - int(event.took_s * NS)
        step = self._step(event.step, start_ns, is_plan=event.kind is StepKind.PLAN)
        step.end_ns = max(step.end_ns, now_ns)
        answered = event.answer if isinstance(event, e.ModelAnswered) else None
        model = (answered.model if answered else "") or event.tier
        asked = self._opened(f"chat/{position}", f"{n.CHAT} {model}", start_ns, parent=step.key)
        asked.end_ns, asked.is_client = now_ns, True
        asked.attributes |= {
            n.OPERATION: n.CHAT,
            n.PROVIDER: "nebulus",
            n.REQUEST_MODEL: model,
            n.CONVERSATION: self._run_id,
            n.TIER: event.tier,
            n.STEP: event.step,
        }
        if isinstance(event, e.ModelFailed):
            asked.attributes[n.ERROR] = asked.error = event.failure.kind.value
            return [self._closed(asked)]
        used = event.answer.usage
        asked.attributes |= {
            n.RESPONSE_MODEL: model,
            n.FINISH_REASONS: (event.answer.finish.value,),
            n.INPUT_TOKENS: used.prompt_tokens,
            n.OUTPUT_TOKENS: used.completion_tokens,
            n.CACHED_TOKENS: used.cached_tokens,
            n.REASONING_TOKENS: used.reasoning_tokens,
        }
        if self._has_content:
            calls = " ".join(f"{call.name}({call.arguments})" for call in event.answer.calls)
            asked.attributes[n.OUTPUT_MESSAGES] = _message("assistant", event.answer.text or calls)
        self._answers[event.step, event.call_id] = asked
        return []

    def _on_parsed(self, event: e.AnswerParsed, position: int, now_ns: int) -> list[Span]:
        asked = self._answers.pop((event.step, event.call_id), None)
        if isinstance(event.parsed, e.CallsParsed):
            for one in event.parsed.calls:
                self._calls[one.call.call_id] = (one.call, event.step)
        if asked is None:
            return []
        asked.attributes[n.PARSED] = type(event.parsed).__name__
        if isinstance(event.parsed, e.Unusable):
            asked.attributes[n.FINDING] = event.parsed.finding.kind.value
        return [self._closed(asked)]

    def _on_tool(self, event: e.ToolReturned | e.ToolFailed | e.OutcomeUnknown, now_ns: int) -> list[Span]:
        call, number = self._calls.pop(event.call_id, (Call(""), 0))
        took_s = 0.0 if isinstance(event, e.OutcomeUnknown) else event.took_s
        step = self._step(number, now_ns)
        name = call.tool or "tool"
        ran = self._opened(
            f"tool/{event.call_id}",
            f"{n.EXECUTE_TOOL} {name}",
            now_ns - int(took_s * NS),
            parent=step.key,
        )
        ran.end_ns = now_ns
        ran.attributes |= {
            n.OPERATION: n.EXECUTE_TOOL,
            n.TOOL: name,
            n.TOOL_TYPE: "function",
            n.TOOL_CALL: event.call_id,
            n.EFFECT: self._effects.get(name, ""),
            n.RULE: self._verdicts.pop(event.call_id, ""),
            n.STEP: number,
        }
        if self._has_content:
            ran.attributes[n.TOOL_ARGUMENTS] = msgspec.json.encode(call.arguments).decode()
        match event:
            case e.ToolFailed():
                ran.attributes[n.ERROR] = ran.error = event.failure.kind.value
            case e.OutcomeUnknown():
                ran.attributes[n.ERROR] = ran.error = "outcome_unknown"
            case e.ToolReturned():
                if self._has_content:
                    ran.attributes[n.TOOL_RESULT] = event.result.text
        return [self._closed(ran)]

    def _note(self, event: e.Event, now_ns: int) -> None:
        """Note a decision on the span of its step."""
        match event:
            case e.CallJudged():
                _, number = self._calls.get(event.call_id, (None, 0))
                rule = getattr(event.verdict, "rule", "")
                if isinstance(event.verdict, Allow):
                    self._verdicts[event.call_id] = rule
                    return
                word = "refused" if isinstance(event.verdict, Refuse) else "asked"
                noted: dict[str, Value] = {n.RULE: rule, n.VERDICT: word}
                self._step(number, now_ns).events.append(SpanEvent("nebulus.call_judged", now_ns, noted))
            case e.RouteChosen():
                noted = {n.TIER: event.tier, n.REASON: event.reason}
                step = self._step(event.step, now_ns, is_plan=event.kind is StepKind.PLAN)
                step.events.append(SpanEvent("nebulus.route_chosen", now_ns, noted))
            case e.RecoveryChosen():
                noted = {n.STRATEGY: type(event.strategy).__name__}
                self._step(event.step, now_ns).events.append(
                    SpanEvent("nebulus.recovery_chosen", now_ns, noted)
                )
            case e.PersonAnswered():
                noted = {n.VERDICT: "yes" if event.is_yes else "no"}
                self._step(0, now_ns).events.append(SpanEvent("nebulus.person_answered", now_ns, noted))
            case _:
                return

    def _opened(self, key: str, name: str, at_ns: int, *, parent: str) -> _OpenSpan:
        known: dict[str, Value] = {n.RUN: self._run_id}
        return _OpenSpan(name=name, key=key, parent=parent, start_ns=at_ns, end_ns=at_ns, attributes=known)

    def _closed(self, span: _OpenSpan) -> Span:
        return Span(
            name=span.name,
            trace_id=self._trace_id,
            span_id=self._id(span.key),
            parent_id=self._id(span.parent) if span.parent else "",
            kind="client" if span.is_client else "internal",
            start_ns=span.start_ns,
            end_ns=max(span.start_ns, span.end_ns),
            attributes=span.attributes,
            events=tuple(span.events),
            error=span.error,
        )

    def _id(self, key: str) -> str:
        name = f"{self._run_id}\n{self._session if key == 'root' or key.startswith('step/') else ''}\n{key}"
        return hashlib.sha256(name.encode()).hexdigest()[:16]


def _message(role: str, text: str) -> str:
    """Return one message as the conventions write it: JSON of roles and parts."""
    parts = [{"type": "text", "content": text}]
    return msgspec.json.encode([{"role": role, "parts": parts}]).decode()
