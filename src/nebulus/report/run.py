"""A run at one position, from its journal alone: step by step, with the cost of each and who decided.

Invariant: it reports what was recorded; nothing is decided or judged again.
"""

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from nebulus.core import events as e
from nebulus.core.budget import Spent
from nebulus.core.context import JudgedCall
from nebulus.core.events import Event
from nebulus.core.findings import Call
from nebulus.core.outcome import Done, Failed, Outcome
from nebulus.core.plan import FINISHED_STATUSES, Goal, Plan, StepStatus
from nebulus.core.tools import Effect, SandboxLevel
from nebulus.core.verdict import Allow, Ask, Refuse
from nebulus.loop import phases as p
from nebulus.loop.machine import Machine
from nebulus.report.line_kinds import ReportLine
from nebulus.report.lines import Narrator, find_question, place_of


class StepReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened in one step; number 0 is for what belongs to no step: the goal, the plan, the answer."""

    number: int
    text: str = ""
    status: StepStatus = StepStatus.PENDING
    lines: tuple[ReportLine, ...] = ()
    spent: Spent = Spent()


Decided: TypeAlias = Literal["allow", "refuse", "ask", "yes", "no", "absent"]
"""A decision about a call: by the guard, or by a person who was asked."""


class VerdictReport(Struct, frozen=True, kw_only=True):
    """One verdict on a call: by which rule or person, and under which policy and sandbox."""

    position: int
    step: int
    call: Call
    verdict: Decided
    rule: str
    """The rule that decided, or "person:" and the name of the person who did."""
    reason: str = ""
    question: str = ""
    """What a person was asked; "" for a verdict of the guard."""
    policy_digest: str = ""
    sandbox: SandboxLevel = SandboxLevel.NONE
    judged: JudgedCall = JudgedCall()
    """The call as the guard saw it, with where each argument came from; empty for a person's reply."""


class EffectReport(Struct, frozen=True, kw_only=True):
    """One change of the world: a call that does more than read, and that returned or was confirmed by a person."""

    position: int
    step: int
    call: Call

    @property
    def text(self) -> str:
        """The tool with its arguments' values: "move_file a.md, b.md"."""
        return f"{self.call.tool} {', '.join(str(value) for value in self.call.arguments.values())}"


class RunReport(Struct, frozen=True, kw_only=True):
    """A run, with everything that happened in it."""

    run_id: str
    goal: Goal
    plan: Plan
    steps: tuple[StepReport, ...]
    """Number 0 first, then the steps of the plan in order."""
    spent: Spent
    outcome: Outcome | None = None
    verdicts: tuple[VerdictReport, ...] = ()
    lessons: tuple[str, ...] = ()
    """What failed in the step that the run failed at, or in those under way, as "3x kind: why"."""
    effects: tuple[EffectReport, ...] = ()
    unenforced: tuple[str, ...] = ()
    """Parts of schemas that only validation enforced, since no grammar could, as `tool/pointer`."""
    position: int = 0

    @property
    def done_count(self) -> int:
        """How many steps are done."""
        return sum(step.status in FINISHED_STATUSES for step in self.steps)

    @property
    def answer(self) -> Any:
        """The answer of the run, or None."""
        return self.outcome.answer if self.outcome is not None else None

    @property
    def is_answered(self) -> bool:
        """Whether the run gave the answer that its goal asks for."""
        return isinstance(self.outcome, Done) and self.outcome.result is not None


def report_run(run_id: str, events: Iterable[Event]) -> RunReport:
    """Return the report of a run from all its events.

    Raises:
        IllegalEventError: the events do not fit the machine.
    """
    narrator = Narrator()
    lines: dict[int, list[ReportLine]] = {}
    spent: dict[int, Spent] = {}
    verdicts: list[VerdictReport] = []
    effects: list[EffectReport] = []
    unenforced: dict[str, None] = {}
    for event in events:
        before = narrator.machine
        for line in narrator.tell(event):
            lines.setdefault(line.step, []).append(line)
        after = narrator.machine
        step, _ = place_of(before, event)
        spent[step] = _plus(spent.get(step, Spent()), _minus(after.spent, before.spent))
        verdicts += _verdicts(before, event)
        effects += _effects(before, event)
        if isinstance(event, e.ModelAnswered):
            unenforced |= dict.fromkeys(event.answer.unenforced)
    machine = narrator.machine
    return RunReport(
        run_id=run_id,
        goal=machine.state.goal,
        plan=machine.state.plan,
        steps=_steps(machine, lines, spent),
        spent=machine.spent,
        outcome=machine.outcome,
        verdicts=tuple(verdicts),
        lessons=_lessons(machine),
        effects=tuple(effects),
        unenforced=tuple(unenforced),
        position=machine.position,
    )


def _steps(
    machine: Machine, lines: dict[int, list[ReportLine]], spent: dict[int, Spent]
) -> tuple[StepReport, ...]:
    frame = StepReport(number=0, lines=tuple(lines.get(0, ())), spent=spent.get(0, Spent()))
    steps = (
        StepReport(
            number=step.number,
            text=step.text,
            status=step.status,
            lines=tuple(lines.get(step.number, ())),
            spent=spent.get(step.number, Spent()),
        )
        for step in machine.state.plan.steps
    )
    return (frame, *steps)


def _verdicts(before: Machine, event: Event) -> list[VerdictReport]:
    match event:
        case e.CallJudged():
            return [_judged(before, event)]
        case e.PersonAnswered() | e.PersonAbsent():
            return _replied(before, event)
        case _:
            return []


def _judged(before: Machine, event: e.CallJudged) -> VerdictReport:
    task, flight = before.find_flight(event.call_id)
    said: Decided
    match event.verdict:
        case Allow():
            said, reason = "allow", ""
        case Refuse(reason=reason):
            said = "refuse"
        case Ask(reason=reason):
            said = "ask"
    return VerdictReport(
        position=before.position + 1,
        step=task.step,
        call=flight.call,
        verdict=said,
        rule=event.verdict.rule,
        reason=reason,
        policy_digest=event.policy_digest,
        sandbox=event.sandbox,
        judged=event.judged,
    )


def _replied(before: Machine, event: e.PersonAnswered | e.PersonAbsent) -> list[VerdictReport]:
    """Return a person's decision about a call; an answer to a model's question is not a verdict."""
    question, flight = find_question(before, event)
    if flight is None:
        return []
    said: Decided
    match event:
        case e.PersonAnswered(is_yes=is_yes, by=by, text=reason):
            said = "yes" if is_yes else "no"
        case e.PersonAbsent():
            said, by, reason = "absent", "", ""
    reply = VerdictReport(
        position=before.position + 1,
        step=question.step,
        call=flight.call,
        verdict=said,
        rule=f"person:{by}",
        reason=reason,
        question=question.text,
    )
    return [reply]


def _effects(before: Machine, event: Event) -> list[EffectReport]:
    """Return the change of the world that an event reports: a tool returned, or a person confirmed its effect."""
    match event:
        case e.ToolReturned():
            task, flight = before.find_flight(event.call_id)
            step = task.step
        case e.PersonAnswered(is_yes=True):
            question, asked = find_question(before, event)
            if asked is None or not isinstance(asked.state, p.Reconciling):
                return []
            flight, step = asked, question.step
        case _:
            return []
    if before.config.tool(flight.call.tool).effect is Effect.READ:
        return []
    return [EffectReport(position=before.position + 1, step=step, call=flight.call)]


def _lessons(machine: Machine) -> tuple[str, ...]:
    steps = {machine.outcome.step} if isinstance(machine.outcome, Failed) else set(machine.state.active_steps)
    return tuple(
        f"{lesson.count}x {lesson.kind}: {lesson.why}"
        for lesson in machine.state.lessons
        if lesson.step in steps
    )


def _minus(now: Spent, then: Spent) -> Spent:
    return Spent(**{name: getattr(now, name) - getattr(then, name) for name in Spent.__struct_fields__})


def _plus(one: Spent, other: Spent) -> Spent:
    return Spent(**{name: getattr(one, name) + getattr(other, name) for name in Spent.__struct_fields__})
