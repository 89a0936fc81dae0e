"""A machine driven by hand, every decision but the guard's taken as it comes: what is asked, and what follows."""

from msgspec import Struct

from nebulus.core.answers import ModelAnswer, ModelRequest
from nebulus.core.commands import AskModel, ChooseRecovery, ChooseRoute, JudgeCall, ParseAnswer, RunTool
from nebulus.core.config import RunConfig
from nebulus.core.events import CallJudged, Event, ModelAnswered, RunStarted, ToolReturned
from nebulus.core.plan import Goal, Plan
from nebulus.core.tools import ToolResult
from nebulus.core.verdict import Allow
from nebulus.loop import deciding
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.pending import commands, next_decision
from nebulus.loop.request import ComposedRequest, compose
from nebulus.loop.route import choose_route
from nebulus.loop.transitions import feed


class Walk(Struct, frozen=True):
    """A run at one position."""

    machine: Machine

    @property
    def asked(self) -> AskModel | None:
        """The question that is wanted, None where something else is."""
        wanted = commands(self.machine)
        return wanted[0] if wanted and isinstance(wanted[0], AskModel) else None

    @property
    def composed(self) -> ComposedRequest:
        """The request for that question."""
        assert self.asked is not None
        return compose(self.machine, self.asked)

    @property
    def request(self) -> ModelRequest:
        """What the model would be sent."""
        return self.composed.request

    @property
    def step(self) -> int:
        """The step that is asked about."""
        return self.asked.step if self.asked is not None else 0


def begun(config: RunConfig, goal: Goal, plan: Plan) -> Walk:
    """Return a run at its first question."""
    started = RunStarted(goal=goal, plan=plan, config=config, run_id="bench")
    return _fed(new_machine(config), started)


def answered(walk: Walk, answer: ModelAnswer, result: ToolResult | None = None) -> Walk:
    """Return the run after `answer`; where it makes calls and a `result` is given, they are allowed and bring it."""
    asked = walk.asked
    assert asked is not None
    composed = walk.composed
    event = ModelAnswered(
        step=asked.step,
        kind=asked.kind,
        tier=asked.tier,
        call_id=asked.call_id,
        answer=answer,
        prompt_bytes=composed.size_bytes,
        tools_shown=composed.tools_shown,
    )
    walk = _fed(walk.machine, event)
    while result is not None:
        match commands(walk.machine)[0]:
            case JudgeCall(call=call):
                walk = _fed(walk.machine, CallJudged(call_id=call.call_id, verdict=Allow("bench")))
            case RunTool(call=call):
                walk = _fed(walk.machine, ToolReturned(call_id=call.call_id, result=result))
            case _:
                break
    return walk


def _fed(before: Machine, event: Event) -> Walk:
    machine = feed(before, event)
    while (command := next_decision(machine)) is not None and not isinstance(command, JudgeCall):
        decided: Event
        match command:
            case ChooseRoute():
                decided = choose_route(machine, command)
            case ParseAnswer():
                composed = compose(before, deciding.asked_for(machine, command))
                decided = deciding.parse_answer(machine, command, composed)
            case ChooseRecovery():
                decided = deciding.choose_recovery(machine, command, now_s=0.0)
        machine = feed(machine, decided)
    return Walk(machine)
