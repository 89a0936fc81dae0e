"""Drives the whole runtime with an oracle that always proposes the right call, and counts what was done to it."""

import asyncio
import json
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from bench.harm_parts.jobs import Job, RightCall, Run, Style
from bench.one_run import run_once
from nebulus.adapters.people.absent import AbsentPerson
from nebulus.adapters.stores.memory import MemoryStore
from nebulus.app.bootstrap import checker
from nebulus.core.answers import ModelAnswer, ModelRequest, OneCall
from nebulus.core.budget import Budget
from nebulus.core.commands import Command
from nebulus.core.config import RunConfig
from nebulus.core.events import AnswerParsed, CallDropped, RecoveryChosen, Unusable
from nebulus.core.failure import Failure
from nebulus.core.journal import Record
from nebulus.core.outcome import Done, Outcome
from nebulus.core.plan import PlanMode
from nebulus.core.tiers import Tier
from nebulus.core.tools import ToolSpec
from nebulus.ports.tool import ToolOutput
from nebulus.runtime.world import Observers, World
from nebulus.testing.backends import SCRIPTED, ScriptedBackend, calls, says
from nebulus.testing.policies import ScriptedPolicy

WINDOW_TOKENS = 65_536
RESERVE_TOKENS = 8_192
EXTRA_CALLS = 30


class Objection(Struct, frozen=True):
    """What the runtime did to one right call: its rule, and the step's text."""

    kind: str
    rule: str
    tool: str
    step: str
    arguments: dict[str, Any]
    is_final: bool = False


class Row(Struct, kw_only=True):
    """One job in one style: right calls, how many were made, model calls, and each objection."""

    job: str
    style: str
    right_calls: int
    made: int = 0
    model_calls: int = 0
    changed: int = 0
    warned: int = 0
    ended: str = ""
    is_done: bool = False
    objections: list[Objection] = field(default_factory=list)

    @property
    def extra_calls(self) -> int:
        """Model calls beyond one for each right call that was made, and one to end the work if it is open."""
        return self.model_calls - self.made - (self.style == "open")


class _Progress:
    """Which right call is next, and what was done instead."""

    def __init__(self, job: Job, run: Run, style: Style) -> None:
        self.job, self.run = job, run
        self.row = Row(job=job.name, style=style, right_calls=len(job.calls))
        self.texts = [step.text for step in job.plan(style).steps] or [call.sentence for call in job.calls]

    @property
    def due(self) -> RightCall | None:
        return self.job.calls[self.row.made] if self.row.made < len(self.job.calls) else None

    def object_to(self, kind: str, rule: str) -> None:
        due = self.due
        if due is not None:
            text = self.texts[self.row.made]
            self.row.objections.append(Objection(kind, rule, due.tool, text, due.arguments))
        elif self.row.style == "open":
            self.row.objections.append(Objection(kind, rule, "finish", self.job.goal().text, {}))

    def answer(self, request: ModelRequest) -> ModelAnswer:
        """Propose the call that is due; a form that forbids it is an objection."""
        self.row.model_calls += 1
        due = self.due
        if due is None:
            is_open = self.row.style == "open"
            return calls("finish", summary="It is done.") if is_open else says("It is done.")
        is_offered = any(tool.name == due.tool for tool in request.tools)
        if not is_offered or (isinstance(request.form, OneCall) and not request.form.allows(due.tool)):
            self.object_to("not offered", "the request does not allow the right tool")
        return calls(due.tool, **due.arguments)

    def on_command(self, command: Command) -> None:
        """Nothing to see."""

    def on_text(self, piece: str) -> None:
        """Nothing to see."""

    def on_record(self, record: Record) -> None:
        """Note every event that stands between a right proposal and its effect."""
        match record.event:
            case AnswerParsed(parsed=Unusable(finding=finding)):
                self.object_to(finding.kind.value, finding.rule)
            case AnswerParsed(parsed=parsed) if getattr(parsed, "doubt", ""):
                self.row.warned += 1
            case CallDropped(reason=reason):
                self.object_to("dropped", reason)
            case RecoveryChosen(call_id=call_id) if call_id:
                self.object_to("result not accepted", "a right result was taken for a failure")
            case _:
                return


class _Simulated:
    """A tool of the job's world. A call that differs from the one that is due is counted as changed."""

    def __init__(self, spec: ToolSpec, progress: _Progress) -> None:
        self.spec, self._progress = spec, progress

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Carry the call out."""
        due, row = self._progress.due, self._progress.row
        row.changed += due is None or (self.spec.name, arguments) != (due.tool, due.arguments)
        text = self._progress.run(self.spec.name, arguments)
        row.made += 1
        return ToolOutput(text=text, fields=_scalars(text))

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """Tell nothing: no call is in doubt here."""
        return None


def _scalars(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str | int | float | bool)}


def measure(job: Job, style: Style) -> Row:
    """Carry one job out by a plan in `style`, and return what happened to its right calls."""
    return asyncio.run(_measured(job, style))


async def _measured(job: Job, style: Style) -> Row:
    progress = _Progress(job, job.open_world(), style)
    config = RunConfig(
        tools=job.tools,
        planning=PlanMode.NEXT if style == "open" else PlanMode.OUTLINE,
        tiers=(Tier(name="oracle", window_tokens=WINDOW_TOKENS, reserve_tokens=RESERVE_TOKENS),),
        budget=Budget(model_calls=3 * len(job.calls) + EXTRA_CALLS, tool_calls=0),
    )
    world = World(
        backends={
            "oracle": ScriptedBackend(progress.answer, info=replace(SCRIPTED, window_tokens=WINDOW_TOKENS))
        },
        tools={spec.name: _Simulated(spec, progress) for spec in job.tools},
        policy=ScriptedPolicy(),
        person=AbsentPerson(),
        checker=checker(None, {}),
        artifacts=MemoryStore(),
        observers=Observers((progress,)),
    )
    outcome = await run_once(config, world, job.goal(), plan=job.plan(style))
    return _finished(progress.row, outcome)


def _finished(row: Row, outcome: Outcome) -> Row:
    row.is_done = isinstance(outcome, Done) and row.made == row.right_calls
    failure = getattr(outcome, "failure", None)
    row.ended = type(outcome).__name__.lower() + (f": {failure.what}" if failure is not None else "")
    if not row.is_done and row.objections:
        last = row.objections[-1]
        row.objections[-1] = Objection(
            last.kind, last.rule, last.tool, last.step, last.arguments, is_final=True
        )
    return row
