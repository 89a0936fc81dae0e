"""What an event means, in a person's words. Pure: the same for live progress and for the past.

Law: a line says what happened and who says so; nothing is left out because it looks bad.
"""

from enum import StrEnum
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from nebulus.cli.words import counted, one_line, seconds, spelled
from nebulus.core import events as e
from nebulus.core.events import Event
from nebulus.core.outcome import Question
from nebulus.core.plan import StepStatus
from nebulus.core.state import Fact
from nebulus.loop.progress import Machine, Phase


class Kind(StrEnum):
    """What a line is about; screens choose a mark and a colour by it."""

    GOAL = "goal"
    PLAN = "plan"
    PROPOSED = "proposed"
    READ = "read"
    CLAIMED = "claimed"
    FINDING = "finding"
    ALLOWED = "allowed"
    REFUSED = "refused"
    ASKED = "asked"
    ANSWERED = "answered"
    INTENDED = "intended"
    DID = "did"
    BROKE = "broke"
    UNKNOWN = "unknown"
    HELD = "held"
    UNMET = "unmet"
    WAITED = "waited"
    STEP_DONE = "step done"
    STEP_FAILED = "step failed"


class Said(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: what, at which position of the journal, within which step (0 for none), at what cost."""

    kind: Kind
    text: str
    position: int
    step: int = 0
    cost: str = ""


def narrate(before: Machine, event: Event, after: Machine) -> tuple[Said, ...]:
    """Return what `event` means, given the machine before and after it."""
    lines = [*_happened(before, event, after), *_steps_ended(before, after)]
    position, step = after.position, before.active
    said = [Said(kind=kind, text=text, position=position, step=step) for kind, text in lines]
    if said:
        said[0] = replace(said[0], cost=_cost(event))
    return tuple(said)


def _cost(event: Event) -> str:
    match event:
        case e.ModelAnswered(took_s=took_s):
            usage = event.answer.usage
            speed = f" · {usage.completion_tokens / took_s:,.0f} tokens/s" if took_s else ""
            thought = f" ({usage.reasoning_tokens} of them a thought)" if usage.reasoning_tokens else ""
            tokens = f"{usage.prompt_tokens} + {usage.completion_tokens} tokens{thought}"
            return f"{tokens} · {took_s:.2f} s{speed}"
        case e.ModelFailed(took_s=took_s) | e.ToolReturned(took_s=took_s) | e.ToolFailed(took_s=took_s):
            return f"{took_s:.2f} s" if took_s >= 0.1 else ""
        case _:
            return ""


def _happened(before: Machine, event: Event, after: Machine) -> list[tuple[Kind, str]]:
    match event:
        case e.GoalGiven():
            return _begun(event)
        case e.ModelAnswered():
            return _answered(before, event, after)
        case e.ModelFailed():
            return [(Kind.BROKE, f"{event.tier} gave no answer: {event.failure.sentence()}")]
        case e.CallAllowed() | e.CallRefused() | e.ApprovalAsked():
            return [_judged(event)]
        case e.PersonAnswered() | e.PersonAbsent():
            return [_decided(before.question, event)]
        case e.EffectIntended():
            return [(Kind.INTENDED, f"about to happen, under the key {event.key}")]
        case e.ToolReturned() | e.ToolFailed() | e.OutcomeUnknown():
            return [_came_of(before, event)]
        case e.ChecksJudged():
            return [_looked(event, at_goal=not before.active)]
        case e.TimePassed() | e.SetupChanged():
            return [_between(event, after)]
        case _:
            assert_never(event)


def _between(event: e.TimePassed | e.SetupChanged, after: Machine) -> tuple[Kind, str]:
    if isinstance(event, e.TimePassed):
        return Kind.WAITED, f"waited {seconds(event.seconds)}"
    tiers = ", ".join(tier.name for tier in after.setup.tiers)
    if event.spent:
        return Kind.PLAN, f"taken up again; what was done and spent since then still counts; tiers: {tiers}"
    return Kind.PLAN, f"taken up with a changed setup or policy; tiers: {tiers}"


def _begun(event: e.GoalGiven) -> list[tuple[Kind, str]]:
    lines = [(Kind.GOAL, one_line(event.goal.text, 400))]
    if event.plan.steps:
        lines.append((Kind.PLAN, f"{counted(len(event.plan.steps), 'step')} from the {event.plan.origin}"))
    return lines


def _answered(before: Machine, event: e.ModelAnswered, after: Machine) -> list[tuple[Kind, str]]:
    fresh = [lesson for lesson in after.state.lessons if lesson not in before.state.lessons]
    if fresh:
        return [(Kind.FINDING, f"{event.tier}: {one_line(fresh[-1].why, 300)}")]
    if before.extraction is not None:
        names = [item.name for item in before.extraction.unread.wanted]
        said = [f"{fact.name} = {one_line(fact.value)}" for fact in _new_facts(before, after)]
        found = "; ".join(said) or f"no {' and no '.join(names)}"
        return [(Kind.READ, f"{event.tier} read out of {before.extraction.unread.tool}: {found}")]
    if before.phase is Phase.PLANNING:
        return [(Kind.PLAN, f"{counted(len(after.state.plan.steps), 'step')} from {after.state.plan.origin}")]
    if after.phase is Phase.JUDGING:
        calls = (after.call, *after.queue)
        return [(Kind.PROPOSED, f"{event.tier} proposes {spelled(call)}") for call in calls]
    if after.phase is Phase.CONSULTING:
        return [(Kind.ASKED, f"{event.tier} asks: {one_line(event.answer.text, 300)}")]
    return [(Kind.CLAIMED, f"{event.tier} says: {one_line(event.answer.text) or '(nothing)'}")]


def _new_facts(before: Machine, after: Machine) -> tuple[Fact, ...]:
    return after.state.facts[len(before.state.facts) :]


def _judged(event: e.CallAllowed | e.CallRefused | e.ApprovalAsked) -> tuple[Kind, str]:
    match event:
        case e.CallAllowed():
            return Kind.ALLOWED, f"allowed by {event.rule}"
        case e.CallRefused():
            return Kind.REFUSED, f"refused by {event.rule}: {one_line(event.reason)}"
        case e.ApprovalAsked():
            return Kind.ASKED, f"a person must decide ({event.rule}): {one_line(event.reason)}"


def _decided(question: Question | None, event: e.PersonAnswered | e.PersonAbsent) -> tuple[Kind, str]:
    asked = one_line(question.text) if question else "?"
    if isinstance(event, e.PersonAbsent):
        return Kind.ANSWERED, f"{asked} Nobody was there to answer"
    if question is not None and question.kind == "question" and event.text:
        return Kind.ANSWERED, f"{asked} {event.by or 'a person'} said: {one_line(event.text, 300)}"
    word = f", saying: {one_line(event.text)}" if event.text else ""
    return Kind.ANSWERED, f"{asked} {event.by or 'a person'} said {'yes' if event.is_yes else 'no'}{word}"


def _came_of(before: Machine, event: e.ToolReturned | e.ToolFailed | e.OutcomeUnknown) -> tuple[Kind, str]:
    tool = before.call.tool
    match event:
        case e.ToolReturned():
            return Kind.DID, f"{tool} -> {one_line(event.result.text)}"
        case e.ToolFailed():
            return Kind.BROKE, f"{tool} failed: {one_line(event.failure.sentence(), 300)}"
        case e.OutcomeUnknown():
            return Kind.UNKNOWN, f"{tool} may have taken effect: {one_line(event.why)}"


def _looked(event: e.ChecksJudged, *, at_goal: bool) -> tuple[Kind, str]:
    looked = "code looked whether the goal is met" if at_goal else "code looked"
    if all(event.held):
        return Kind.HELD, f"{looked}: {counted(len(event.held), 'check')} held"
    return Kind.UNMET, f"{looked}: {one_line('; '.join(why for why in event.why if why), 300)}"


def _steps_ended(before: Machine, after: Machine) -> list[tuple[Kind, str]]:
    was = {step.number: step.status for step in before.state.plan.steps}
    lines = []
    for step in after.state.plan.steps:
        if step.status is was.get(step.number):
            continue
        match step.status:
            case StepStatus.PROVEN:
                lines.append((Kind.STEP_DONE, "done, and code has checked it"))
            case StepStatus.CALLED:
                lines.append((Kind.STEP_DONE, "done: the call succeeded, and nothing else was to be checked"))
            case StepStatus.CLAIMED:
                lines.append((Kind.STEP_DONE, "done, on the model's word alone"))
            case StepStatus.FAILED:
                lines.append((Kind.STEP_FAILED, "not done"))
            case StepStatus.DROPPED:
                lines.append((Kind.STEP_FAILED, "dropped: a newer plan takes its place"))
            case StepStatus.PENDING | StepStatus.ACTIVE:
                continue
    return lines
