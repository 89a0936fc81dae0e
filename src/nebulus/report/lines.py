"""What each event of a run means, as lines for a person: the same for live progress and for past runs.

Invariant: a line says what happened and who says so; nothing is omitted because it looks bad.
"""

from itertools import zip_longest
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core import strategy as s
from nebulus.core.events import Event
from nebulus.core.outcome import Question
from nebulus.core.plan import Step, StepStatus
from nebulus.core.text import counted
from nebulus.core.verdict import Allow, Ask, Refuse
from nebulus.loop import phases as p
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.phases import Flight, Task
from nebulus.loop.transitions import NO_CONFIG, feed
from nebulus.report.line_kinds import LineKind, ReportLine
from nebulus.report.text import format_call, format_seconds, format_value, one_line, safe

Said: TypeAlias = tuple[LineKind, str]
CallEvent: TypeAlias = (
    e.CallJudged | e.CallDropped | e.ToolReturned | e.ToolFailed | e.OutcomeUnknown | e.WorkerBlocked
)
PersonEvent: TypeAlias = e.PersonAnswered | e.PersonAbsent


class Narrator:
    """Explains the events of one run, given in order from the first.

    `machine` is the state of the run after the latest event.
    """

    def __init__(self) -> None:
        self.machine: Machine = new_machine(NO_CONFIG)
        self._answers: dict[tuple[int, str], e.ModelAnswered] = {}

    def tell(self, event: Event) -> tuple[ReportLine, ...]:
        """Return what `event` means.

        Raises:
            IllegalEventError: the event is not legal here.
        """
        before, self.machine = self.machine, feed(self.machine, event)
        step, call_id = place_of(before, event)
        said = [(kind, text, step) for kind, text in self._said(before, event)]
        said += _steps_ended(before, self.machine)
        position, cost = self.machine.position, self._cost(event)
        lines = [
            ReportLine(
                kind=kind, text=text, position=position, step=at, call_id=call_id if at == step else ""
            )
            for kind, text, at in said
        ]
        if lines:
            lines[0] = replace(lines[0], cost=cost)
        return tuple(lines)

    def _said(self, before: Machine, event: Event) -> list[Said]:
        match event:
            case e.RunStarted() | e.RunResumed():
                return _of_run(event, self.machine)
            case e.ModelAnswered():
                self._answers[event.step, event.call_id] = event  # what it says is parsed next
                return []
            case e.AnswerParsed():
                tier = self._answers[event.step, event.call_id].tier
                return [*_parsed(before, event, tier=tier), *_weighed(event, tier)]
            case e.RouteChosen() | e.RouteRefused():
                return [_route(event)]
            case e.ModelFailed():
                return [(LineKind.FAILURE, f"{event.tier} gave no answer: {event.failure.sentence()}")]
            case e.RecoveryChosen():
                return [_recovery(before, event)]
            case e.PersonAnswered() | e.PersonAbsent():
                return [_reply(find_question(before, event)[0], event)]
            case e.ChecksEvaluated():
                return [_checked(event)]
            case e.WaitEnded():
                return [(LineKind.WAITED, f"waited {format_seconds(event.seconds)}")]
            case _:
                return [_of_call(before, event)]

    def _cost(self, event: Event) -> str:
        match event:
            case e.AnswerParsed():
                answered = self._answers.pop((event.step, event.call_id))
                usage, took_s = answered.answer.usage, answered.took_s
                speed = f" · {usage.completion_tokens / took_s:,.0f} tokens/s" if took_s else ""
                thought = f" ({usage.reasoning_tokens} of them reasoning)" if usage.reasoning_tokens else ""
                tokens = f"{usage.prompt_tokens} + {usage.completion_tokens} tokens{thought}"
                return f"{tokens} · {took_s:.2f} s{speed}"
            case e.ModelFailed(took_s=took_s) | e.ToolReturned(took_s=took_s) | e.ToolFailed(took_s=took_s):
                return f"{took_s:.2f} s" if took_s >= 0.1 else ""
            case _:
                return ""


def place_of(machine: Machine, event: Event) -> tuple[int, str]:
    """Return the step (0 for none) and the call ("" for none) that an event concerns, before it is fed."""
    match event:
        case e.RunStarted() | e.RunResumed():
            return 0, ""
        case (
            e.CallJudged()
            | e.CallDropped()
            | e.ToolReturned()
            | e.ToolFailed()
            | e.OutcomeUnknown()
            | e.WorkerBlocked()
        ):
            return machine.find_flight(event.call_id)[0].step, event.call_id
        case e.PersonAnswered() | e.PersonAbsent():
            question, flight = find_question(machine, event)
            return question.step, flight.call.call_id if flight is not None else ""
        case e.ChecksEvaluated():
            return event.step, ""
        case _:
            return event.step, event.call_id


def find_question(machine: Machine, event: PersonEvent) -> tuple[Question, Flight | None]:
    """Return the question that a person's decision answers, and the call that it is about, if it is about one.

    Raises:
        LookupError: there is no such open question.
    """
    for task in machine.tasks:
        match task.activity:
            case p.NeedsHelp(question, _) | p.Consulting(question) if (
                question.question_id == event.question_id
            ):
                return question, None
        for flight in task.flights:
            match flight.state:
                case p.AwaitingApproval(question) | p.Reconciling(question) if (
                    question.question_id == event.question_id
                ):
                    return question, flight
    raise LookupError(f"no question {event.question_id!r} waits for an answer")


def _of_run(event: e.RunStarted | e.RunResumed, after: Machine) -> list[Said]:
    if isinstance(event, e.RunStarted):
        lines = [(LineKind.GOAL, one_line(event.goal.text, 400))]
        if event.plan.steps:
            lines.append(
                (LineKind.PLAN, f"{counted(len(event.plan.steps), 'step')} from the {event.plan.origin}")
            )
        return lines
    said = ["resumed"]
    if event.spent is not None:
        said.append("what was done and spent before still counts")
    if event.config is not None or event.policy_digest:
        tiers = ", ".join(tier.name for tier in after.config.tiers)
        said.append(f"with a changed configuration or policy; tiers: {tiers}")
    return [(LineKind.PLAN, "; ".join(said))]


def _parsed(before: Machine, event: e.AnswerParsed, *, tier: str) -> list[Said]:
    match event.parsed:
        case e.CallsParsed():
            return _proposed(event.parsed, tier)
        case e.ClaimParsed(text=text):
            return [(LineKind.CLAIM, f"{tier} says: {one_line(text) or '(nothing)'}")]
        case e.QuestionParsed(text=text):
            return [(LineKind.QUESTION, f"{tier} asks: {one_line(text, 300)}")]
        case e.PlanParsed(plan=plan):
            return [(LineKind.PLAN, f"{counted(len(plan.steps), 'step')} from {plan.origin}")]
        case e.ValuesParsed():
            return [_values(before, event, event.parsed, tier=tier)]
        case e.ResultParsed(result=result):
            value = result.value if isinstance(result.value, str) else format_value(result.value)
            return [(LineKind.ANSWER, f"{tier} answers: {one_line(value, 300)}")]
        case e.Unusable(finding=finding):
            return [(LineKind.FINDING, f"{tier}: {one_line(finding.sentence(), 300)}")]
        case _:
            assert_never(event.parsed)


def _route(event: e.RouteChosen | e.RouteRefused) -> Said:
    """Say which tier is asked and why, and why not the others, as far as the choice recorded it."""
    if isinstance(event, e.RouteRefused):
        return LineKind.REFUSED, event.reason
    others = "; ".join(f"not {safe(one.tier)}: {one.why}" for one in event.alternatives)
    said = f"{event.tier} is asked to {event.kind.value}: {event.reason}{f'; {others}' if others else ''}"
    return LineKind.ROUTE, said


def _weighed(event: e.AnswerParsed, tier: str) -> list[Said]:
    """Say whether an answer is used, where a larger tier could be asked instead."""
    if event.weighed is None:
        return []
    if not event.weighed.larger_tier:
        return [(LineKind.ROUTE, f"{tier}'s answer is used: {event.weighed.reason}")]
    said = f"{tier}'s answer is not used, {event.weighed.larger_tier} is asked: {event.weighed.reason}"
    return [(LineKind.ESCALATION, said)]


def _proposed(parsed: e.CallsParsed, tier: str) -> list[Said]:
    calls = [proposed.call for proposed in parsed.calls]
    names = [f"{call.call_id}: " if len(calls) > 1 else "" for call in calls]
    doubt = f"; in doubt: {one_line(parsed.doubt)}" if parsed.doubt else ""
    lines = [
        (LineKind.PROPOSAL, f"{tier} proposes {name}{format_call(call)}{doubt}")
        for name, call in zip(names, calls, strict=True)
    ]
    if parsed.edits:
        edits = ", ".join(
            f"{edit.name} at {edit.where}" if edit.where else edit.name for edit in parsed.edits
        )
        lines.append(
            (LineKind.EDIT, f"parsed after {counted(len(parsed.edits), 'edit')} without loss: {edits}")
        )
    return lines


def _values(before: Machine, event: e.AnswerParsed, parsed: e.ValuesParsed, *, tier: str) -> Said:
    _, flight = before.find_flight(event.call_id)
    assert isinstance(flight.state, p.Extracting)
    unread = flight.state.unread
    found = [f"{mark.name} = {one_line(mark.value)}" for mark in parsed.marks]
    if parsed.made_up:
        found.append(f"made up, not kept: {', '.join(parsed.made_up)}")
    none = f"no {' and no '.join(item.name for item in unread.wanted)}"
    return LineKind.VALUES, f"{tier} read from {unread.tool}: {'; '.join(found) or none}"


def _of_call(before: Machine, event: CallEvent) -> Said:
    task, flight = before.find_flight(event.call_id)
    name = _name(task, flight)
    match event:
        case e.CallJudged():
            return _judged(event, name)
        case e.CallDropped(reason=reason):
            return LineKind.DROPPED, f"{name} is not called: {one_line(reason, 300)}"
        case e.ToolReturned(result=result, handed=handed) if handed is not None:
            return LineKind.RESULT, f"{name} (run {handed.run_id}) -> {one_line(result.text)}"
        case e.ToolReturned(result=result):
            return LineKind.RESULT, f"{name} -> {one_line(result.text)}"
        case e.ToolFailed(failure=failure):
            return LineKind.FAILURE, f"{name} failed: {one_line(failure.sentence(), 300)}"
        case e.OutcomeUnknown(why=why):
            return LineKind.UNKNOWN, f"{name} may have taken effect: {one_line(why)}"
        case e.WorkerBlocked(question=question):
            return LineKind.QUESTION, f"the worker {name} waits for a person: {one_line(question.text)}"
        case _:
            assert_never(event)


def _judged(event: e.CallJudged, name: str) -> Said:
    match event.verdict:
        case Allow(rule=rule):
            changed = "".join(f", {key} is {one_line(path)}" for key, path in event.paths.items())
            return LineKind.ALLOWED, f"{name} is allowed by {rule}{changed}{_values_given(event)}"
        case Refuse(rule=rule, reason=reason):
            return LineKind.REFUSED, f"{name} is refused by {rule}: {one_line(reason)}"
        case Ask(rule=rule, reason=reason):
            said = f"a person must decide about {name} ({rule}): {one_line(reason)}{_values_given(event)}"
            return LineKind.QUESTION, said
        case _:
            assert_never(event.verdict)


def _values_given(event: e.CallJudged) -> str:
    """Say how the values begin that the references of a call stand for."""
    begins = event.real.begins.items()
    return "".join(f"; {safe(name)} begins {format_value(one_line(text, 80))}" for name, text in begins)


def _name(task: Task, flight: Flight) -> str:
    """Return the tool of a call, with its id if the answer proposed several."""
    return f"{flight.call.tool} {flight.call.call_id}" if len(task.flights) > 1 else flight.call.tool


def _recovery(before: Machine, event: e.RecoveryChosen) -> Said:
    task = before.task(event.step)
    flight = before.find_flight(event.call_id)[1] if event.call_id else None
    why = one_line(_why(task, flight), 300)
    tool = f" {flight.call.tool}" if flight is not None else " the tool"
    match event.strategy:
        case s.AskAgain():
            return LineKind.RECOVERY, f"the same tier is asked again and told: {why}"
        case s.WaitAndRetry(seconds=seconds):
            return LineKind.RECOVERY, f"the same again after {format_seconds(seconds)}: {why}"
        case s.Reread():
            return LineKind.RECOVERY, f"only reading tools are offered until one has succeeded: {why}"
        case s.OtherTool():
            return LineKind.RECOVERY, f"the step continues without{tool}: {why}"
        case s.Escalate():
            return LineKind.ESCALATION, f"the next tier takes over: {why}"
        case s.Replan():
            return LineKind.RECOVERY, f"a new plan is requested: {why}"
        case s.AskPersonFirst():
            return LineKind.RECOVERY, f"a person is asked for help: {why}"
        case s.GiveUp():
            return LineKind.RECOVERY, f"nothing is left to try: {why}"
        case _:
            assert_never(event.strategy)


def _why(task: Task, flight: Flight | None) -> str:
    """Return what failed: the finding if an answer was unusable, else the failure."""
    match flight.state if flight is not None else task.activity:
        case p.CallRecovering(failure, _):
            return failure.sentence()
        case p.Extracting(activity=p.Recovering(problem)) | p.Recovering(problem):
            return problem.question or (problem.finding or problem.failure).sentence()
        case _:
            return "a failure"


def _reply(question: Question, event: PersonEvent) -> Said:
    asked = one_line(question.text)
    if isinstance(event, e.PersonAbsent):
        return LineKind.REPLY, f"{asked} Nobody was available to answer"
    if question.kind == "question" and event.text:
        return LineKind.REPLY, f"{asked} {event.by or 'a person'} said: {one_line(event.text, 300)}"
    word = f", saying: {one_line(event.text)}" if event.text else ""
    return LineKind.REPLY, f"{asked} {event.by or 'a person'} said {'yes' if event.is_yes else 'no'}{word}"


def _checked(event: e.ChecksEvaluated) -> Said:
    what = "code checked the step" if event.step else "code checked the goal"
    if all(event.passed):
        return LineKind.CHECKED, f"{what}: {counted(len(event.passed), 'check')} passed"
    return LineKind.UNMET, f"{what}: {one_line('; '.join(why for why in event.why if why), 300)}"


def _steps_ended(before: Machine, after: Machine) -> list[tuple[LineKind, str, int]]:
    """Return a line for each step whose status has changed; a step keeps its place in the plan."""
    was, now = before.state.plan, after.state.plan
    if was is now:
        return []
    changed = (new for old, new in zip_longest(was.steps, now.steps) if _has_changed(old, new))
    return [(*said, step.number) for step in changed if (said := _ended(step)) is not None]


def _has_changed(old: Step | None, new: Step) -> bool:
    return old is not new and (old is None or old.status is not new.status)


def _ended(step: Step) -> Said | None:
    match step.status:
        case StepStatus.PROVEN:
            return LineKind.STEP_DONE, "done, and checked by code"
        case StepStatus.CALLED:
            return LineKind.STEP_DONE, "done: the call succeeded, and there was nothing else to check"
        case StepStatus.CLAIMED:
            return LineKind.STEP_DONE, "done, but only the model says so"
        case StepStatus.FAILED:
            return LineKind.STEP_FAILED, "not done"
        case StepStatus.DROPPED:
            return LineKind.STEP_FAILED, "dropped: replaced by a newer plan"
        case StepStatus.PENDING | StepStatus.ACTIVE:
            return None
        case _:
            assert_never(step.status)
