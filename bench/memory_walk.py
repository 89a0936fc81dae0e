"""A run walked by hand: the machine alone, every decision taken as the runtime takes it, every call allowed."""

from dataclasses import dataclass, field

from nebulus.core.answers import ModelAnswer
from nebulus.core.commands import AskModel, ChooseRecovery, ChooseRoute, JudgeCall, ParseAnswer, RunTool
from nebulus.core.config import RunConfig
from nebulus.core.events import CallJudged, Event, ModelAnswered, RunStarted, ToolReturned
from nebulus.core.plan import Goal, Plan
from nebulus.core.tools import ToolResult
from nebulus.core.verdict import Allow
from nebulus.loop import deciding
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.pending import commands
from nebulus.loop.request import ComposedRequest, compose
from nebulus.loop.transitions import feed
from nebulus.memory.recall import Index


@dataclass
class Walk:
    """A machine that waits for a model, and the request that it would be asked with."""

    machine: Machine
    index: Index = field(default_factory=Index)
    told: ToolResult = field(default_factory=lambda: ToolResult(text=""))

    @property
    def asked(self) -> AskModel | None:
        """What a model is asked for now; None where nothing is."""
        wanted = commands(self.machine)
        return wanted[0] if wanted and isinstance(wanted[0], AskModel) else None

    def composed(self) -> ComposedRequest:
        """Return the request that the model is asked with."""
        assert self.asked is not None
        self.index = self.index.covering(self.machine.state.facts)
        return compose(self.machine, self.asked, self.index)

    def answer(self, answer: ModelAnswer, told: ToolResult | None = None) -> None:
        """Go on to the next question; every call that the answer makes returns `told`."""
        asked, composed = self.asked, self.composed()
        assert asked is not None
        self.told = told or self.told
        event: Event | None = ModelAnswered(
            step=asked.step,
            kind=asked.kind,
            tier=asked.tier,
            call_id=asked.call_id,
            answer=answer,
            prompt_bytes=composed.size_bytes,
            tools_shown=composed.tools_shown,
        )
        while event is not None:
            self.machine = feed(self.machine, event)
            event = self._next(composed)

    def _next(self, composed: ComposedRequest) -> Event | None:
        wanted = commands(self.machine)
        match wanted[0] if wanted else None:
            case ChooseRoute() as command:
                return deciding.choose_route(self.machine, command)
            case ParseAnswer() as command:
                return deciding.parse_answer(self.machine, command, composed)
            case ChooseRecovery() as command:
                return deciding.choose_recovery(self.machine, command, now_s=0.0)
            case JudgeCall(call=call):
                return CallJudged(call_id=call.call_id, verdict=Allow("bench"))
            case RunTool(call=call):
                return ToolReturned(call_id=call.call_id, result=self.told)
            case _:
                return None


def begin(config: RunConfig, goal: Goal, plan: Plan) -> Walk:
    """Return a run that was given `goal` and `plan`, at its first question."""
    walk = Walk(new_machine(config))
    walk.machine = feed(walk.machine, RunStarted(goal=goal, plan=plan, config=config, run_id="bench"))
    while wanted := [command for command in commands(walk.machine) if isinstance(command, ChooseRoute)]:
        walk.machine = feed(walk.machine, deciding.choose_route(walk.machine, wanted[0]))
    return walk
