"""What became of each piece of work that a model was asked for in a run: its demand, its calls, its cost.

Invariant: it is computed from the events of the run alone.
"""

from collections.abc import Iterable

from msgspec import Struct, field

from nebulus.core import events as e
from nebulus.core.demand import Demand
from nebulus.core.events import Event
from nebulus.core.findings import Call, FindingKind
from nebulus.core.outcome import Outcome
from nebulus.core.plan import StepStatus
from nebulus.core.tiers import StepKind
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.route import task_demand
from nebulus.loop.transitions import NO_CONFIG, feed
from nebulus.report.demands import extract_demand


class StepOutcome(Struct, kw_only=True):
    """One piece of work: a step of a plan, the plan itself, the answer, or reading values from a result.

    `step` is 0 for the plan and the answer. `calls` are those that ran and did not fail. `unused` are the calls of an answer
    that was not used since a larger tier was asked instead, by the tier that gave it. `values` are those that
    were read from a result, by name. `tiers` are the tiers that were asked, in order. `gave_up`: the model said that it can't
    be done, or only asked a question.
    """

    step: int
    kind: StepKind
    demand: Demand | None = None
    tiers: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    unused: dict[str, tuple[Call, ...]] = field(default_factory=dict)
    plan_tools: tuple[str, ...] = ()
    values: dict[str, str] = field(default_factory=dict)
    status: StepStatus = StepStatus.PENDING
    gave_up: bool = False
    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


class RunOutcomes(Struct, frozen=True, kw_only=True):
    """The pieces of work of a run, in the order in which they began, and how the run ended."""

    steps: tuple[StepOutcome, ...]
    outcome: Outcome | None


def step_outcomes(events: Iterable[Event]) -> RunOutcomes:
    """Return what became of each piece of work in a run, from all its events.

    Raises:
        IllegalEventError: the events do not fit the machine.
    """
    machine = new_machine(NO_CONFIG)
    found: dict[tuple[int, StepKind], StepOutcome] = {}
    proposed: dict[str, tuple[int, Call]] = {}
    for event in events:
        _take(event, found, proposed)
        if isinstance(event, e.RouteChosen) and found[event.step, event.kind].demand is None:
            found[event.step, event.kind].demand = event.demand or _demand(machine, event)
        machine = feed(machine, event)
    for work in found.values():
        if work.step and work.kind is StepKind.EXECUTE:
            work.status = machine.state.step(work.step).status
    return RunOutcomes(steps=tuple(found.values()), outcome=machine.outcome)


def _demand(machine: Machine, event: e.RouteChosen) -> Demand:
    """Return what the work that was routed demands, where the choice did not record it."""
    if event.kind is StepKind.EXTRACT:
        return extract_demand(machine.state.step(event.step).text)
    return task_demand(machine, machine.task(event.step))


def _take(
    event: Event, found: dict[tuple[int, StepKind], StepOutcome], proposed: dict[str, tuple[int, Call]]
) -> None:
    match event:
        case e.RouteChosen(step=step, kind=kind, tier=tier):
            work = found.setdefault((step, kind), StepOutcome(step=step, kind=kind))
            if tier not in work.tiers:
                work.tiers.append(tier)
        case e.ModelAnswered(step=step, kind=kind, answer=answer, took_s=took_s):
            work = found[step, kind]
            work.answers += 1
            work.prompt_tokens += answer.usage.prompt_tokens
            work.completion_tokens += answer.usage.completion_tokens
            work.seconds += took_s
        case e.AnswerParsed(step=step, parsed=parsed, weighed=weighed) if weighed and weighed.larger_tier:
            work = found[step, StepKind.EXECUTE]
            calls = parsed.calls if isinstance(parsed, e.CallsParsed) else ()
            work.unused[work.tiers[-1]] = tuple(one.call for one in calls)
        case e.AnswerParsed(step=step, parsed=parsed):
            _take_parsed(step, parsed, found, proposed=proposed)
        case e.ToolReturned(call_id=call_id):
            step, call = proposed[call_id]
            found[step, StepKind.EXECUTE].calls.append(call)
        case _:
            pass


def _take_parsed(
    step: int,
    parsed: e.Parsed,
    found: dict[tuple[int, StepKind], StepOutcome],
    *,
    proposed: dict[str, tuple[int, Call]],
) -> None:
    match parsed:
        case e.CallsParsed(calls=calls):
            for one in calls:
                proposed[one.call.call_id] = (step, one.call)
        case e.PlanParsed(plan=plan):
            found[step, StepKind.PLAN].plan_tools = tuple(tool for one in plan.steps for tool in one.tools)
        case e.ValuesParsed(marks=marks):
            found[step, StepKind.EXTRACT].values.update({mark.name: mark.value for mark in marks})
        case e.QuestionParsed():
            found[step, StepKind.EXECUTE].gave_up = True
        case e.Unusable(finding=finding) if finding.kind is FindingKind.GAVE_UP:
            found[step, StepKind.EXECUTE].gave_up = True
        case _:
            pass
