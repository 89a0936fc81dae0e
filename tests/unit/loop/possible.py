"""Everything that may happen to a machine next: answers of the world, and every decision that code could take."""

from collections.abc import Iterator

from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core import strategy as s
from nebulus.core.answers import ModelAnswer
from nebulus.core.budget import Budget
from nebulus.core.commands import (
    AskModel,
    AskPerson,
    ChooseRecovery,
    ChooseRoute,
    Command,
    Decision,
    EvaluateChecks,
    JudgeCall,
    ParseAnswer,
    RunTool,
    Wait,
)
from nebulus.core.events import Event, Parsed, ProposedCall
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Call, Finding, FindingKind
from nebulus.core.plan import Plan, ToolSucceeded
from nebulus.core.result import Result
from nebulus.core.routes import Weighed
from nebulus.core.tiers import StepKind
from nebulus.core.tools import Mark, ToolResult
from nebulus.core.verdict import Allow, Ask, Refuse
from nebulus.guard.compile import FLOW_RULES
from nebulus.loop.deciding import possible_moves
from nebulus.loop.machine import Machine
from nebulus.loop.pending import DECISIONS, commands
from nebulus.loop.phases import Extracting, NotStarted
from nebulus.recovery.strategy import Move
from tests.unit.loop import scenario as sc

BROKEN = Failure(kind=FailureKind.TRANSIENT, fault=Fault.TOOL, what="it broke")
MALFORMED = Finding(kind=FindingKind.NO_CALL, rule="no call was made")
CALLS = (("look",), ("put",), ("look", "look"), ("look", "put"), ("put", "look"))
PLANNED = Plan((sc.step(1, "put a", ToolSucceeded("put")), sc.step(2, "look", after=())), origin="tier small")
STRATEGIES: dict[Move, s.Strategy] = {
    Move.ASK: s.AskAgain(),
    Move.WAIT: s.WaitAndRetry(1.0),
    Move.ESCALATE: s.Escalate(),
    Move.REPLAN: s.Replan(),
    Move.PERSON: s.AskPersonFirst(),
    Move.STOP: s.GiveUp(),
}


def possible(machine: Machine, *, but: str = "") -> list[Event]:
    """Return what could be recorded now, in a few variants of each.

    The call `but` keeps running until nothing else is wanted.
    """
    wanted = [c for c in commands(machine) if not (isinstance(c, RunTool) and c.call.call_id == but)]
    wanted = wanted or list(commands(machine))
    answers = [event for command in wanted for event in _answers(machine, command)]
    return answers if isinstance(machine.phase, NotStarted) else [*answers, *_resumed(machine)]


def _resumed(machine: Machine) -> Iterator[Event]:
    yield e.RunResumed()
    yield e.RunResumed(config=replace(machine.config, budget=Budget(model_calls=1)))
    yield e.RunResumed(config=replace(machine.config, tiers=(sc.LARGE,)))


def _answers(machine: Machine, command: Command) -> Iterator[Event]:
    if isinstance(command, DECISIONS):
        yield from _decisions(machine, command)
    else:
        yield from _happenings(command)


def _decisions(machine: Machine, command: Decision) -> Iterator[Event]:
    match command:
        case ChooseRoute(step=step, kind=kind, call_id=call_id):
            for tier in machine.config.tiers_for(kind):
                yield e.RouteChosen(step=step, kind=kind, tier=tier.name, reason="any", call_id=call_id)
            yield e.RouteRefused(step=step, kind=kind, reason="all are forbidden", call_id=call_id)
        case ParseAnswer(step=step, kind=kind, call_id=call_id):
            for index, parsed in enumerate(_parsed(machine, kind)):
                yield e.AnswerParsed(step=step, parsed=parsed, call_id=call_id, is_tainted=index % 2 == 1)
            if not call_id and kind is StepKind.EXECUTE and machine.has_next_tier(machine.task(step)):
                larger = Weighed(
                    chance=0.2, reason="it shows little", larger_tier=machine.config.tiers[-1].name
                )
                yield e.AnswerParsed(step=step, parsed=e.ClaimParsed(text="It is done."), weighed=larger)
        case JudgeCall(call=call):
            for verdict in (Allow("r"), Refuse("r", "no"), Ask("r", "sure?"), Ask(min(FLOW_RULES), "sure?")):
                yield e.CallJudged(call_id=call.call_id, verdict=verdict)
            yield e.CallDropped(call_id=call.call_id, reason="it would bring nothing")
        case ChooseRecovery(step=step, call_id=call_id):
            for strategy in _strategies(machine, command):
                yield e.RecoveryChosen(step=step, strategy=strategy, call_id=call_id)


def _happenings(command: Command) -> Iterator[Event]:
    match command:
        case AskModel(step=step, kind=kind, tier=tier_name, call_id=call_id):
            answer = ModelAnswer(text="some text")
            yield e.ModelAnswered(step=step, kind=kind, tier=tier_name, answer=answer, call_id=call_id)
            yield e.ModelFailed(step=step, kind=kind, tier=tier_name, failure=BROKEN, call_id=call_id)
        case RunTool(call=call):
            yield e.ToolReturned(call_id=call.call_id, result=ToolResult(text="ok"))
            yield e.ToolFailed(call_id=call.call_id, failure=BROKEN)
            yield e.OutcomeUnknown(call_id=call.call_id, why="the process died")
        case AskPerson(question=question):
            for is_yes in (True, False):
                yield e.PersonAnswered(question_id=question.question_id, is_yes=is_yes)
            yield e.PersonAbsent(question_id=question.question_id)
        case EvaluateChecks(step=step, checks=checks):
            for is_met in (True, False):
                passed, why = (is_met,) * len(checks), ("no",) * len(checks)
                yield e.ChecksEvaluated(step=step, passed=passed, why=why)
        case Wait(step=step, seconds=seconds, call_id=call_id):
            yield e.WaitEnded(step=step, seconds=seconds, call_id=call_id)
        case _:
            return


def _parsed(machine: Machine, kind: StepKind) -> Iterator[Parsed]:
    yield e.Unusable(finding=MALFORMED)
    match kind:
        case StepKind.PLAN:
            yield e.PlanParsed(plan=PLANNED)
        case StepKind.ANSWER:
            yield e.ResultParsed(result=Result(value="a"))
        case StepKind.EXTRACT:
            yield e.ValuesParsed(marks=(Mark("due", "ok", "line 1"),))
            yield e.ValuesParsed(made_up=("due",))
        case StepKind.EXECUTE:
            yield e.ClaimParsed(text="It is done.")
            yield e.QuestionParsed(text="Which one?")
            known = {tool.name for tool in machine.config.tools}
            for names in (names for names in CALLS if known.issuperset(names)):
                yield e.CallsParsed(
                    calls=tuple(
                        ProposedCall(Call(name, {"value": str(n)}, f"c{machine.position}.{n}"))
                        for n, name in enumerate(names)
                    )
                )


def _strategies(machine: Machine, command: ChooseRecovery) -> Iterator[s.Strategy]:
    task = machine.task(command.step)
    if command.call_id and isinstance(state := machine.find_flight(command.call_id)[1].state, Extracting):
        has_next = state.tier_index + 1 < len(machine.config.tiers_for(StepKind.EXTRACT))
        yield from (s.WaitAndRetry(1.0), s.GiveUp(), *((s.Escalate(),) if has_next else ()))
        return
    yield from (STRATEGIES[move] for move in sorted(possible_moves(machine, task)))
    if command.call_id:
        yield from (s.Reread(), s.OtherTool())
