"""The decisions that pure code makes: which tier, what an answer says, what to do about a failure.

Each returns the event that records it, so a journal is replayed without deciding anything again. Judging a call needs
the policy and the workspace, so it is in `runtime`.
"""

from msgspec.structs import replace

from nebulus.calls import ReaderProfile, read
from nebulus.core import events as e
from nebulus.core.answers import FinishReason, ModelAnswer
from nebulus.core.commands import AskModel, ChooseRecovery, ParseAnswer
from nebulus.core.digest import canonical
from nebulus.core.events import AnswerParsed, Parsed, ProposedCall, RecoveryChosen
from nebulus.core.failure import Failure, Recognised
from nebulus.core.findings import Call, Finding, FindingKind, Reading
from nebulus.core.plan import GOAL, RUNBOOK, Plan, ToolSucceeded
from nebulus.core.prompt import PromptSources
from nebulus.core.strategy import Side, Strategy, WaitAndRetry
from nebulus.core.text import bounded
from nebulus.core.tiers import StepKind
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.labels import label_all
from nebulus.loop import phases as p
from nebulus.loop.argument_check import check_arguments
from nebulus.loop.ending_tools import ending_tools
from nebulus.loop.given import ResolvedCall, Stored, nothing_stored, resolved_calls
from nebulus.loop.machine import Machine
from nebulus.loop.phases import Extracting, Flight, Task
from nebulus.loop.proposal import read_plan
from nebulus.loop.recovering import ASKED, no_progress
from nebulus.loop.request import ComposedRequest, offered_readers, tools_for
from nebulus.loop.route import NO_SKILLS, Skills, may_escalate
from nebulus.loop.steps import still_required
from nebulus.loop.weighing import ReadAnswer, weigh
from nebulus.memory.answer import answer_of
from nebulus.memory.extract import accepted
from nebulus.memory.offer import named_tools
from nebulus.recovery import strategy as table
from nebulus.recovery.claims import Ledger, contradiction, is_question
from nebulus.recovery.stagnation import ALREADY_DONE, SAME_CALLS, blocked
from nebulus.recovery.strategy import History, Move

OPEN_STEP = {"model.no_progress": "ask 2, escalate, stop"}
"""The row for a repeated call of an open step: each time it is asked again, the tools that it repeated are barred."""


def asked_for(machine: Machine, command: ParseAnswer) -> AskModel:
    """Return the request whose answer must be parsed."""
    task = machine.task(command.step)
    activity, attempt = task.activity, task.attempts.number
    if command.call_id:
        state = _extraction(machine.find_flight(command.call_id)[1])
        activity, attempt = state.activity, state.attempts + state.retries
    assert isinstance(activity, p.Parsing)
    return AskModel(
        step=command.step, kind=command.kind, tier=activity.tier, attempt=attempt, call_id=command.call_id
    )


def parse_answer(
    machine: Machine,
    command: ParseAnswer,
    composed: ComposedRequest,
    *,
    stored: Stored = nothing_stored,
    skills: Skills = NO_SKILLS,
) -> AnswerParsed:
    """Parse the last answer, and decide whether it is used where a larger tier could be asked instead.

    `composed` is the request that it answers, `stored` reads results by their address, `skills` says what was measured.
    """
    task, weighed = machine.task(command.step), None
    if command.call_id:
        state = _extraction(machine.find_flight(command.call_id)[1])
        assert isinstance(state.activity, p.Parsing)
        parsed = _values(state.activity.answer, state)
    else:
        assert isinstance(task.activity, p.Parsing)
        answer = _read(machine, task.activity, composed) if task.kind is StepKind.EXECUTE else None
        parsed = _parsed(machine, task, task.activity, composed=composed, stored=stored, answer=answer)
        weighed = weigh(machine, task, parsed, answer=answer, skills=skills) if answer is not None else None
    return AnswerParsed(
        step=command.step,
        parsed=parsed,
        call_id=command.call_id,
        is_tainted=composed.prompt.is_tainted,
        weighed=weighed,
    )


def _read(machine: Machine, parsing: p.Parsing, composed: ComposedRequest) -> ReadAnswer:
    """Return what an answer about a step says, with what it answers."""
    answer, shown = parsing.answer, composed.prompt.groundable_text()
    declared = {tool.name: tool for tool in machine.config.tools}
    tools = tuple(declared.get(tool.name, tool) for tool in composed.request.tools)
    profile = ReaderProfile(
        starts_in_reasoning=answer.starts_in_reasoning, is_constrained=answer.is_constrained
    )
    reading = read(answer, tools, shown=shown, profile=profile, cap_tokens=composed.request.most_tokens)
    return ReadAnswer(reading=reading, tools=tools, shown=shown)


def _values(answer: ModelAnswer, state: Extracting) -> Parsed:
    found = accepted(answer, state.unread)
    if isinstance(found, Finding):
        return e.Unusable(finding=found)
    return e.ValuesParsed(marks=found.marks, made_up=found.made_up)


def _parsed(
    machine: Machine,
    task: Task,
    parsing: p.Parsing,
    *,
    composed: ComposedRequest,
    stored: Stored,
    answer: ReadAnswer | None,
) -> Parsed:
    if answer is not None:
        reading = answer.reading
        return _calls_or_words(machine, task, parsing, composed=composed, stored=stored, reading=reading)
    match task.kind:
        case StepKind.PLAN:
            return _plan(machine, task, parsing, composed=composed)
        case _:
            spec = machine.state.goal.result
            assert spec is not None
            if parsing.answer.finish is FinishReason.LENGTH:
                rule = "the answer was cut at the token limit"
                return e.Unusable(finding=Finding(kind=FindingKind.TRUNCATED, rule=rule))
            result = answer_of(parsing.answer.text, spec, machine.state)
            if isinstance(result, Finding):
                return e.Unusable(finding=result)
            return e.ResultParsed(result=result)


def _plan(machine: Machine, task: Task, parsing: p.Parsing, *, composed: ComposedRequest) -> Parsed:
    plan = read_plan(parsing.answer, machine.config.tools, tier=parsing.tier)
    if isinstance(plan, Finding):
        return e.Unusable(finding=plan)
    wrong = _plan_complaint(machine, task, plan)
    if wrong is not None:
        return e.Unusable(finding=wrong)
    is_tainted = composed.prompt.is_tainted or task.attempts.is_tainted
    return e.PlanParsed(plan=replace(plan, is_tainted=is_tainted))


def _plan_complaint(machine: Machine, task: Task, plan: Plan) -> Finding | None:
    """Compare a plan with the goal: a step that is the whole goal again; and, once, what the goal names and no step."""
    goal = " ".join(machine.state.goal.text.split()).rstrip(".").lower()
    texts = [" ".join(step.text.split()) for step in plan.steps]
    for number, text in enumerate(texts, start=1):
        if len(texts) > 1 and text.lstrip("0123456789.) ").rstrip(".").lower() == goal:
            return Finding(
                kind=FindingKind.BAD_PLAN,
                rule=f"step {number} repeats the whole goal",
                fix="say in each step only what its own call does",
            )
    planned = "\n".join(texts)
    unused = [path for path in machine.unused_paths if path not in planned]
    if not unused or task.attempts.is_reminded:
        return None
    return Finding(
        kind=FindingKind.UNUSED,
        rule=f"the goal names {', '.join(unused)}, and no step of the plan uses that",
        fix="write a plan that reaches all of the goal",
    )


def _calls_or_words(
    machine: Machine,
    task: Task,
    parsing: p.Parsing,
    *,
    composed: ComposedRequest,
    stored: Stored,
    reading: Reading,
) -> Parsed:
    if reading.finding is not None:
        return e.Unusable(finding=reading.finding)
    working = _without_ending(machine, task, reading.calls)
    if isinstance(working, Finding):
        return e.Unusable(finding=working)
    if isinstance(working, str):
        return _words(machine, task, working)
    if not working:
        return _words(machine, task, reading.text)
    position = machine.position + 1
    calls = tuple(
        replace(call, call_id=f"c{position}" + (f".{index}" if index else ""))
        for index, call in enumerate(working)
    )
    resolved = resolved_calls(machine, task.step, calls, stored=stored)
    if isinstance(resolved, Finding):
        return e.Unusable(finding=resolved)
    checked = check_arguments(machine, task, resolved)
    if checked.finding is not None:
        return e.Unusable(finding=checked.finding)
    first = resolved[0].call
    same_calls = 1 if machine.state.step(task.step).is_open else SAME_CALLS
    why = blocked(task.attempts.history, first.tool, first.arguments, same_calls=same_calls)
    if why:
        return _blocked(machine, task, first, why=why)
    sources = composed.prompt.sources(parsing.tier)
    proposed = tuple(_proposed(machine, task, each, sources=sources) for each in resolved)
    return e.CallsParsed(calls=proposed, edits=reading.edits, doubt=checked.doubt)


def _proposed(machine: Machine, task: Task, given: ResolvedCall, *, sources: PromptSources) -> ProposedCall:
    spec = machine.config.tool(given.call.tool)
    labels = label_all(given.call, spec, sources, known=given.labels())
    return ProposedCall(given.call, labels, _is_planned(machine, task, spec))


def _without_ending(
    machine: Machine, task: Task, calls: tuple[Call, ...]
) -> tuple[Call, ...] | str | Finding:
    """Return the calls of an open step before the one that ends it; if there are none, what that one claims."""
    if not machine.state.step(task.step).is_open:
        return calls
    ending = ending_tools(machine.config.tools)
    for index, call in enumerate(calls):
        claim = ending.claim_of(call)
        if claim is not None:
            return calls[:index] or claim
    return calls


def _blocked(machine: Machine, task: Task, call: Call, *, why: str) -> Parsed:
    """Report once that a call gives nothing new; a model that insists on a change already made has nothing to do."""
    finding = no_progress(call.tool, bounded(canonical(call.arguments).decode(), 200), why)
    is_told = any(earlier.value == finding.value for earlier in task.attempts.findings)
    if finding.rule == ALREADY_DONE and is_told and not still_required(machine, task):
        return e.ClaimParsed(text="it proposes again the change that it has already made")
    return e.Unusable(finding=finding)


def _words(machine: Machine, task: Task, text: str) -> Parsed:
    if is_question(text, step=machine.state.step(task.step).text):
        return e.QuestionParsed(text=text)
    if machine.state.step(task.step).is_open and (unused := _unused(machine, task)) is not None:
        return e.Unusable(finding=unused)
    missing = still_required(machine, task)
    if missing:
        rule = f"the step needs a call of {missing[0]}, and none was made"
        return e.Unusable(finding=Finding(kind=FindingKind.NO_CALL, rule=rule, tool=missing[0]))
    succeeded = tuple(record for record in machine.calls if not record.is_error)
    wrong = contradiction(text, Ledger(calls=succeeded, last_error=task.attempts.last_error))
    return e.Unusable(finding=wrong) if wrong is not None else e.ClaimParsed(text=text)


def _unused(machine: Machine, task: Task) -> Finding | None:
    """Return, each once, the paths that the goal names and no call has used or found, when a model ends the work.

    Quotations are not pointed out: of 796 honest jobs, 100 quote what no right call contains.
    """
    if machine.unused_paths and not task.attempts.is_reminded:
        return Finding(
            kind=FindingKind.UNUSED,
            rule=f"the goal names {', '.join(machine.unused_paths)}, and no call has used that",
            fix="make the calls that are missing; if it needs none, end the work again",
        )
    if machine.missing_paths and not machine.unused_paths and not task.attempts.is_told_missing:
        return Finding(
            kind=FindingKind.MISSING,
            rule=f"the goal names {', '.join(machine.missing_paths)}, and there is no such file. If the goal can't be "
            "reached without it, give up and say so; if it can, end the work again",
        )
    return None


def _is_planned(machine: Machine, task: Task, spec: ToolSpec) -> bool:
    """Whether the goal names the tool; or the step, of a trusted plan, lists, requires or names it."""
    step, plan = machine.state.step(task.step), machine.state.plan
    if named_tools(machine.state.goal.text, (spec,)):
        return True
    wanted = {*step.tools, *(check.tool for check in step.checks if isinstance(check, ToolSucceeded))}
    return not plan.is_tainted and (spec.name in wanted or bool(named_tools(step.text, (spec,))))


def choose_recovery(
    machine: Machine, command: ChooseRecovery, *, now_s: float, skills: Skills = NO_SKILLS
) -> RecoveryChosen:
    """Choose how to recover from a failure; `now_s` is the time of day, from which the end of a wait is computed.

    `skills` says what was measured of each tier: one that takes longer than is allowed can't take over.
    """
    task = machine.task(command.step)
    if command.call_id:
        _, flight = machine.find_flight(command.call_id)
        strategy = _for_call(machine, task, flight, skills=skills)
    else:
        assert isinstance(task.activity, p.Recovering)
        strategy = _for_task(machine, task, task.activity.problem, skills=skills)
    until_s = now_s + strategy.seconds if isinstance(strategy, WaitAndRetry) else 0.0
    return RecoveryChosen(
        step=command.step, strategy=strategy, call_id=command.call_id, until_s=round(until_s, 3)
    )


def _for_task(machine: Machine, task: Task, problem: p.Problem, *, skills: Skills) -> Strategy:
    limits, attempts = machine.config.limits, task.attempts
    moves = possible_moves(machine, task, skills)
    if problem.finding is None:
        history = _history(task, "model", problem.failure, total=attempts.retries, moves=moves)
        return table.for_model_failure(problem.failure, history=history, limits=limits)
    before = attempts.findings[:-1]
    if task.step and machine.state.step(task.step).is_open:
        before = tuple(one for one in before if one.kind is problem.finding.kind)
        if problem.finding.kind is FindingKind.NO_PROGRESS:
            limits = replace(limits, strategies=OPEN_STEP | limits.strategies)
    if problem.finding.kind is ASKED.kind:
        moves &= {Move.ASK, Move.ESCALATE, Move.STOP}
    return table.for_finding(
        problem.finding,
        before=before,
        history=History(possible=moves - {Move.WAIT}),
        limits=limits,
    )


def _for_call(machine: Machine, task: Task, flight: Flight, *, skills: Skills) -> Strategy:
    limits = machine.config.limits
    match flight.state:
        case p.CallRecovering(failure, _):
            moves = _moves_for_tool(machine, task, flight, failure=failure, skills=skills)
            history = _history(task, "tool", failure, total=task.attempts.tool_errors, moves=moves)
            return table.for_tool_failure(failure, history=history, limits=limits)
        case Extracting(activity=p.Recovering(problem)) as state:
            tiers = machine.config.tiers_for(StepKind.EXTRACT)
            has_next = state.tier_index + 1 < len(tiers)
            moves = frozenset({Move.WAIT, Move.STOP, *((Move.ESCALATE,) if has_next else ())})
            seen = state.failures.count(problem.failure.kind.value) - 1
            history = History(seen=seen, total=state.retries - 1, possible=moves)
            return table.for_model_failure(problem.failure, history=history, limits=limits)
        case state:
            raise AssertionError(f"nothing failed: {type(state).__name__}")


def _history(task: Task, side: Side, failure: Failure, *, total: int, moves: frozenset[Move]) -> History:
    """Return what happened before this failure, which is already counted."""
    seen = task.attempts.failures.count(f"{side}.{failure.kind.value}") - 1
    return History(seen=seen, total=total - 1, possible=moves)


def possible_moves(machine: Machine, task: Task, skills: Skills = NO_SKILLS) -> frozenset[Move]:
    """Return the moves that are possible here after a bad answer or a failed backend."""
    moves = {Move.WAIT, Move.ASK, Move.STOP}
    if may_escalate(machine, task, skills):
        moves.add(Move.ESCALATE)
    if _may_replan(machine, task):
        moves.add(Move.REPLAN)
    if task.step and not task.attempts.is_helped:
        moves.add(Move.PERSON)
    return frozenset(moves)


def _moves_for_tool(
    machine: Machine, task: Task, flight: Flight, *, failure: Failure, skills: Skills
) -> frozenset[Move]:
    """Return the moves for a tool that failed: nothing is repeated on a guess, nothing required is avoided."""
    tool = machine.config.tool(flight.call.tool)
    tier = machine.tier_of(task)
    moves = set(possible_moves(machine, task, skills))
    if not (tool.is_repeatable or failure.recognised is not Recognised.TEXT):
        moves.discard(Move.WAIT)
    if tool.effect is not Effect.READ and offered_readers(machine, task, tier):
        moves.add(Move.REREAD)
    is_required = ToolSucceeded(tool.name) in machine.state.step(task.step).checks
    others = [spec for spec in tools_for(machine, task, tier) if spec.name != tool.name]
    if others and not is_required:
        moves.add(Move.OTHER_TOOL)
    return frozenset(moves)


def _may_replan(machine: Machine, task: Task) -> bool:
    """Whether a new plan may be requested: never in place of the user's, nor while other steps are under way."""
    return (
        task.step > 0
        and len(machine.tasks) == 1
        and machine.state.plan.origin not in (RUNBOOK, GOAL)
        and machine.replans < machine.config.limits.replans
        and bool(machine.config.tiers_for(StepKind.PLAN))
    )


def _extraction(flight: Flight) -> Extracting:
    assert isinstance(flight.state, Extracting)
    return flight.state
