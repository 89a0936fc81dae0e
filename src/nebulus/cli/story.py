"""The story of a run, told from its journal alone: step by step, with what each cost. Pure."""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from nebulus.cli.narrate import Said, narrate
from nebulus.core import events as e
from nebulus.core.budget import Spent
from nebulus.core.context import NOTHING
from nebulus.core.context import Judged as JudgedCall
from nebulus.core.findings import Call
from nebulus.core.journal import Record
from nebulus.core.outcome import Outcome
from nebulus.core.plan import FINISHED_STATUSES, Goal, Plan, StepStatus
from nebulus.core.tools import Effect, SandboxLevel
from nebulus.loop.machine import feed
from nebulus.loop.progress import Machine, Phase, Setup, new_machine


class Chapter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step as it went; number 0 is what came before the first step and after the last."""

    number: int
    text: str = ""
    status: StepStatus = StepStatus.PENDING
    said: tuple[Said, ...] = ()
    spent: Spent = Spent()


VerdictWord: TypeAlias = Literal["allow", "refuse", "ask", "yes", "no", "absent"]


class Judged(Struct, frozen=True, kw_only=True):
    """One verdict: a call, what was said of it, by which rule or person, and under what.

    `judged` is the call as the guard saw it, with where each argument came from. A person's answer has
    none of that, for it stands with the question.
    """

    position: int
    step: int
    call: Call
    verdict: VerdictWord
    rule: str
    reason: str = ""
    policy_digest: str = ""
    sandbox: SandboxLevel = SandboxLevel.NONE
    judged: JudgedCall = NOTHING


class Story(Struct, frozen=True, kw_only=True):
    """A run at one position, with everything that led there."""

    run_id: str
    goal: Goal
    plan: Plan
    chapters: tuple[Chapter, ...]
    spent: Spent
    outcome: Outcome | None = None
    verdicts: tuple[Judged, ...] = ()
    lessons: tuple[str, ...] = ()
    """What failed in the step where the run stands, as "3x kind: why"."""
    effects: tuple[str, ...] = ()
    """What was done to the world, in order."""
    unenforced: tuple[str, ...] = ()
    """What schemas asked and no grammar could hold, as `tool/pointer`: validation alone held it."""
    position: int = 0

    @property
    def done_count(self) -> int:
        """How many steps are done."""
        return sum(chapter.status in FINISHED_STATUSES for chapter in self.chapters)


def tell(run_id: str, setup: Setup, journal: Iterable[Record]) -> Story:
    """Return the story of `journal`.

    Raises:
        IllegalEventError: the journal does not fit the machine.
    """
    machine = new_machine(setup)
    said: dict[int, list[Said]] = {}
    spent: dict[int, Spent] = {}
    verdicts: list[Judged] = []
    effects: list[str] = []
    unenforced: dict[str, None] = {}
    for record in journal:
        before, machine = machine, feed(machine, record.event)
        step = before.active
        lines = narrate(before, record.event, machine)
        said.setdefault(step, []).extend(lines)
        spent[step] = _plus(spent.get(step, Spent()), _minus(machine.spent, before.spent))
        verdicts += _judged(before, record.event, machine.position)
        effects += _effects(before, record.event)
        if isinstance(record.event, e.ModelAnswered):
            unenforced |= dict.fromkeys(record.event.answer.unenforced)
    return Story(
        run_id=run_id,
        goal=machine.state.goal,
        plan=machine.state.plan,
        chapters=_chapters(machine, said, spent),
        spent=machine.spent,
        outcome=machine.outcome,
        verdicts=tuple(verdicts),
        lessons=_lessons(machine),
        effects=tuple(effects),
        unenforced=tuple(unenforced),
        position=machine.position,
    )


def effects_after(setup: Setup, journal: Sequence[Record], position: int) -> tuple[str, ...]:
    """Return what the records after `position` did to the world, in order."""
    whole, before = tell("", setup, journal), tell("", setup, journal[:position])
    return whole.effects[len(before.effects) :]


def _chapters(machine: Machine, said: dict[int, list[Said]], spent: dict[int, Spent]) -> tuple[Chapter, ...]:
    frame = Chapter(number=0, said=tuple(said.get(0, ())), spent=spent.get(0, Spent()))
    steps = (
        Chapter(
            number=step.number,
            text=step.text,
            status=step.status,
            said=tuple(said.get(step.number, ())),
            spent=spent.get(step.number, Spent()),
        )
        for step in machine.state.plan.steps
    )
    return (frame, *steps)


def _judged(before: Machine, event: e.Event, position: int) -> list[Judged]:
    said: tuple[VerdictWord, str, str]
    match event:
        case e.CallAllowed():
            said = "allow", event.rule, ""
        case e.CallRefused():
            said = "refuse", event.rule, event.reason
        case e.ApprovalAsked():
            said = "ask", event.rule, event.reason
        case e.PersonAnswered():
            said = ("yes" if event.is_yes else "no"), f"person:{event.by}", event.text
        case e.PersonAbsent():
            said = "absent", "person:", ""
        case _:
            return []
    verdict, rule, reason = said
    item = Judged(
        position=position,
        step=before.active,
        call=before.call,
        verdict=verdict,
        rule=rule,
        reason=reason,
    )
    if isinstance(event, e.PersonAnswered | e.PersonAbsent):
        return [item]
    about = {"policy_digest": event.policy_digest, "sandbox": event.sandbox, "judged": event.judged}
    return [replace(item, **about)]


def _effects(before: Machine, event: e.Event) -> list[str]:
    """Return what an event says was done to the world: by a tool that came back, or by a person's word."""
    is_confirmed = isinstance(event, e.PersonAnswered) and event.is_yes and before.phase is Phase.RECONCILING
    if not (isinstance(event, e.ToolReturned) or is_confirmed):
        return []
    if before.setup.tool(before.call.tool).effect is Effect.READ:
        return []
    arguments = ", ".join(str(value) for value in before.call.arguments.values())
    return [f"{before.call.tool} {arguments}"]


def _lessons(machine: Machine) -> tuple[str, ...]:
    active = machine.active
    return tuple(
        f"{lesson.count}x {lesson.kind}: {lesson.why}"
        for lesson in machine.state.lessons
        if lesson.step == active
    )


def _minus(now: Spent, then: Spent) -> Spent:
    return Spent(**{name: getattr(now, name) - getattr(then, name) for name in Spent.__struct_fields__})


def _plus(one: Spent, other: Spent) -> Spent:
    return Spent(**{name: getattr(one, name) + getattr(other, name) for name in Spent.__struct_fields__})
