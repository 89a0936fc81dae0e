"""Asks the questions of a probe: each is a run in memory, on the real machine, with tools that follow a script.

Invariants: what is measured is the model inside the runtime, with its prompts, its reader, its guard and its second
attempts, as a real run would use them; nothing outside this process is changed.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from nebulus.app.application import Application, open_application
from nebulus.app.bootstrap import MEMORY
from nebulus.app.route_settings import RouteSettings
from nebulus.app.settings import EngineSettings, Settings
from nebulus.ceiling.probe_item import Area, ProbeItem, ScriptedTool, same
from nebulus.core.budget import Budget
from nebulus.core.errors import BackendError, RunCancelledError
from nebulus.core.events import AnswerParsed, Event, PlanParsed, ToolReturned
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.outcome import Done, Failed
from nebulus.core.plan import FINISHED_STATUSES, PlanMode
from nebulus.core.tiers import StepKind
from nebulus.core.tools import ToolSpec
from nebulus.ports.backend import ModelBackend
from nebulus.ports.tool import ToolOutput
from nebulus.report.step_outcomes import RunOutcomes, StepOutcome, step_outcomes

ANSWERS_AHEAD = 4
"""Answers that a question may take besides those for each of its calls; after that, it is wrong."""
ANSWERS_FOR_EACH_CALL = 4


class JudgedOutcome(Struct, frozen=True):
    """A piece of work with the verdict of code on it."""

    work: StepOutcome
    is_right: bool


class ItemResult(Struct, frozen=True, kw_only=True):
    """How a question was answered: as a whole, and each piece of work in it."""

    is_right: bool
    judged: tuple[JudgedOutcome, ...]
    ended: str
    """The outcome of the run in one line, "" if it was stopped once the question was decided."""


class ScriptTool:
    """A tool of a question: it replies by its script."""

    def __init__(self, script: ScriptedTool) -> None:
        self._script = script

    @property
    def spec(self) -> ToolSpec:
        """What the runtime knows about it."""
        return self._script.spec

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Return what the script says; an error means that nothing happened."""
        reply = self._script.reply(arguments)
        if reply.is_error:
            return Failure(kind=FailureKind.INVALID_ARGUMENTS, fault=Fault.TOOL, what=reply.text)
        return ToolOutput(text=reply.text, is_trusted=not self.spec.is_untrusted)

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """It can't tell."""
        return None


async def ask_item(item: ProbeItem, settings: Settings, backend: ModelBackend, *, tier: str) -> ItemResult:
    """Carry out one question on `tier` of `settings`, which `backend` serves, and judge it. Raises: as `run_item`."""
    return judge_item(item, await run_item(item, settings, backend, tier=tier))


async def run_item(item: ProbeItem, settings: Settings, backend: ModelBackend, *, tier: str) -> list[Event]:
    """Carry out one question on `tier` of `settings`, which `backend` serves, and return what happened.

    Raises:
        ConfigError: the question does not fit the model's window.
        BackendError: the model can't be reached, or stopped answering.
    """
    calls = sum(len(step) for step in item.expected.steps) or len(item.expected.plan)
    own = replace(
        settings.without_helpers(),
        tiers={tier: settings.tiers[tier]},
        engine=EngineSettings(url=MEMORY),
        route=RouteSettings(learns=False),
        planning=PlanMode.OUTLINE if item.area is Area.PLANNING else PlanMode.NEXT,
        budget=Budget(model_calls=ANSWERS_AHEAD + ANSWERS_FOR_EACH_CALL * calls),
        commands="off",
        policy="",
        secrets={},
    )
    tools = [ScriptTool(script) for script in item.tools]
    async with open_application(own, Path(), tools=tools, backends={tier: backend}) as application:
        return await _events(application, item)


def judge_item(item: ProbeItem, events: list[Event]) -> ItemResult:
    """Return the verdict of code on a question, from what happened.

    Raises:
        BackendError: it ended since the server stopped answering, which says nothing about the model.
    """
    found = step_outcomes(events)
    if isinstance(found.outcome, Failed) and found.outcome.failure.fault is Fault.BACKEND:
        raise BackendError(found.outcome.failure)
    judged = tuple(JudgedOutcome(work, _is_right(item, work, found)) for work in found.steps)
    is_complete = bool(item.expected.plan) or item.expected.gives_up or isinstance(found.outcome, Done)
    return ItemResult(
        is_right=is_complete and all(one.is_right for one in judged),
        judged=judged,
        ended=str(found.outcome) if found.outcome is not None else "",
    )


async def _events(application: Application, item: ProbeItem) -> list[Event]:
    """Return the events of a question's run, which is stopped as soon as it is certain what comes out of it."""
    handle = await application.start(item.text, result=item.result)
    events: list[Event] = []
    async for record in handle.events():
        events.append(record.event)
        if _is_decided(item, events):
            handle.stop()
            break
    with suppress(RunCancelledError):  # It was stopped above.
        await handle.result()
    return events


def _is_decided(item: ProbeItem, events: list[Event]) -> bool:
    """Whether the last event decides the question: the plan that it asks for is there, or harm was done."""
    match events[-1]:
        case AnswerParsed(parsed=PlanParsed()):
            return bool(item.expected.plan)
        case ToolReturned():
            return any(item.is_harmed(work.step, work.calls) for work in step_outcomes(events).steps)
        case _:
            return False


def _is_right(item: ProbeItem, work: StepOutcome, found: RunOutcomes) -> bool:
    expected = item.expected
    match work.kind:
        case StepKind.PLAN:
            return item.is_plan_right(work.plan_tools)
        case StepKind.ANSWER:
            return found.outcome is not None and same(expected.answer, found.outcome.answer)
        case StepKind.EXTRACT:
            return all(same(value, work.values.get(name)) for name, value in expected.facts.items())
        case StepKind.EXECUTE:
            if not item.is_step_right(work.step, work.calls):
                return False
            if expected.gives_up:
                return work.gave_up and not isinstance(found.outcome, Done)
            return work.status in FINISHED_STATUSES
