"""Small runs to test the machine with: one tool of each effect, two tiers, and decisions taken as they come."""

import json
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core import events as e
from nebulus.core.answers import ModelAnswer, ModelRequest, Usage
from nebulus.core.budget import Budget
from nebulus.core.commands import AskModel, ChooseRecovery, ChooseRoute, Command, JudgeCall, ParseAnswer
from nebulus.core.config import RunConfig
from nebulus.core.context import Context
from nebulus.core.events import Event, ModelAnswered, RunStarted
from nebulus.core.failure import Failure
from nebulus.core.findings import Call
from nebulus.core.limits import Limits
from nebulus.core.outcome import Outcome, Question
from nebulus.core.plan import Check, Goal, Plan, Step
from nebulus.core.result import ResultSpec
from nebulus.core.state import State
from nebulus.core.tiers import StepKind, Tier
from nebulus.core.tools import Effect, ToolResult, ToolSpec
from nebulus.core.verdict import Allow, Ask, Refuse
from nebulus.loop import deciding, transitions
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.pending import DECISIONS, commands, questions
from nebulus.loop.phases import Attempts, Flight
from nebulus.loop.request import ComposedRequest, compose
from nebulus.loop.route import NO_SKILLS, Skills, choose_route

VALUE = {
    "type": "object",
    "properties": {"value": {"type": "string"}},
    "required": ["value"],
    "additionalProperties": False,
}
LOOK = ToolSpec(name="look", parameters=VALUE, effect=Effect.READ)
PUT = ToolSpec(name="put", parameters=VALUE, effect=Effect.WRITE)
DROP = ToolSpec(name="drop", parameters=VALUE, effect=Effect.IRREVERSIBLE)
TOOLS = (LOOK, PUT, DROP)
SMALL, LARGE = Tier(name="small", window_tokens=4096), Tier(name="large", window_tokens=32768)
UNPLACED = -1
"""The step of an answer to whatever is asked."""


class Scene(Struct, frozen=True):
    """A machine with every decision taken but the guard's; what it wants first is easy to see."""

    machine: Machine
    events: tuple[Event, ...] = ()
    skills: Skills = NO_SKILLS

    @property
    def commands(self) -> tuple[Command, ...]:
        return commands(self.machine)

    @property
    def command(self) -> Command:
        return self.commands[0]

    @property
    def asked(self) -> AskModel:
        command = self.command
        assert isinstance(command, AskModel), command
        return command

    @property
    def composed(self) -> ComposedRequest:
        return compose(self.machine, self.asked)

    @property
    def request(self) -> ModelRequest:
        return self.composed.request

    @property
    def shown(self) -> str:
        return self.request.messages[-1].content

    @property
    def flights(self) -> tuple[Flight, ...]:
        return tuple(flight for task in self.machine.tasks for flight in task.flights)

    @property
    def flight(self) -> Flight:
        return next(flight for flight in self.flights if not flight.is_settled)

    @property
    def call(self) -> Call:
        return self.flight.call

    @property
    def context(self) -> Context:
        judged = next(command for command in self.commands if isinstance(command, JudgeCall))
        return judged.context

    @property
    def question(self) -> Question:
        return questions(self.machine)[0]

    @property
    def attempts(self) -> Attempts:
        return self.machine.tasks[0].attempts

    @property
    def activity(self) -> type:
        return type(self.machine.tasks[0].activity)

    @property
    def phase(self) -> type:
        return type(self.machine.phase)

    @property
    def state(self) -> State:
        return self.machine.state

    @property
    def active(self) -> int:
        active = self.state.active_steps
        return active[0] if active else 0

    @property
    def outcome(self) -> Outcome | None:
        return self.machine.outcome


def setup(
    *, tiers: tuple[Tier, ...] = (SMALL,), budget: Budget | None = None, limits: Limits | None = None
) -> RunConfig:
    """Return a configuration over the tools above."""
    return RunConfig(tools=TOOLS, tiers=tiers, budget=budget or Budget(), limits=limits or Limits())


def step(number: int, text: str, *checks: Check, after: tuple[int, ...] | None = None) -> Step:
    """Return one step of a plan."""
    return Step(number=number, text=text, checks=checks, after=after)


def begun(
    *steps: Step,
    given: RunConfig | None = None,
    checks: tuple[Check, ...] = (),
    result: ResultSpec | None = None,
    plan: Plan | None = None,
    skills: Skills = NO_SKILLS,
) -> Scene:
    """Return a run that was given a goal with `steps` as its runbook."""
    config = given or setup()
    goal = Goal(text="Get it done.", checks=checks, result=result)
    started = RunStarted(goal=goal, plan=plan or Plan(steps), config=config, run_id="r")
    return feed(Scene(new_machine(config), skills=skills), started)


def feed(scene: Scene, event: Event) -> Scene:
    """Return the scene after `event` and every decision that follows, but the guard's."""
    event = _placed(scene, event)
    before = scene.machine
    machine, events = transitions.feed(before, event), [*scene.events, event]
    while (command := _decision_of_ours(machine)) is not None:
        decided = _decided(before, machine, command, scene.skills)
        machine = transitions.feed(machine, decided)
        events.append(decided)
    return Scene(machine, tuple(events), scene.skills)


def _decision_of_ours(machine: Machine) -> Command | None:
    """Return the first decision that is not the guard's, None where there is none."""
    ours = (c for c in commands(machine) if isinstance(c, DECISIONS) and not isinstance(c, JudgeCall))
    return next(ours, None)


def _placed(scene: Scene, event: Event) -> Event:
    if isinstance(event, e.ModelAnswered | e.ModelFailed) and event.step == UNPLACED:
        asked = next(command for command in scene.commands if isinstance(command, AskModel))
        tier = event.tier or asked.tier
        return replace(event, step=asked.step, kind=asked.kind, call_id=asked.call_id, tier=tier)
    return event


def _decided(before: Machine, machine: Machine, command: Command, skills: Skills) -> Event:
    match command:
        case ChooseRoute():
            return choose_route(machine, command, skills)
        case ParseAnswer():
            composed = compose(before, deciding.asked_for(machine, command))
            return deciding.parse_answer(machine, command, composed, skills=skills)
        case ChooseRecovery():
            return deciding.choose_recovery(machine, command, now_s=0.0, skills=skills)
        case _:
            raise AssertionError(command)


def called(tool: str, tier: str = "", **arguments: Any) -> ModelAnswered:
    """Return an answer that calls `tool`."""
    call = json.dumps({"name": tool, "arguments": arguments})
    return said(f"<tool_call>\n{call}\n</tool_call>", tier)


def said(text: str, tier: str = "") -> ModelAnswered:
    """Return an answer in words, to whatever is asked."""
    answer = ModelAnswer(text=text, usage=Usage(100, 10))
    return ModelAnswered(step=UNPLACED, kind=StepKind.EXECUTE, tier=tier, answer=answer, took_s=0.5)


def unanswered(failure: Failure, tier: str = "") -> e.ModelFailed:
    """Return the failure of the backend that is asked."""
    return e.ModelFailed(step=UNPLACED, kind=StepKind.EXECUTE, tier=tier, failure=failure)


def allowed(scene: Scene, **paths: str) -> Scene:
    """Return the scene with the next call allowed, its `paths` made canonical."""
    return feed(scene, e.CallJudged(call_id=scene.call.call_id, verdict=Allow("r"), paths=paths))


def refused(scene: Scene, reason: str = "no", rule: str = "r") -> Scene:
    """Return the scene with the next call refused."""
    return feed(scene, e.CallJudged(call_id=scene.call.call_id, verdict=Refuse(rule, reason)))


def held(scene: Scene, reason: str = "sure?", rule: str = "r") -> Scene:
    """Return the scene with the next call before a person."""
    return feed(scene, e.CallJudged(call_id=scene.call.call_id, verdict=Ask(rule, reason)))


def answered(scene: Scene, *, is_yes: bool = True, text: str = "") -> Scene:
    """Return the scene with its question answered."""
    asked = scene.question.question_id
    return feed(scene, e.PersonAnswered(question_id=asked, is_yes=is_yes, text=text))


def absent(scene: Scene) -> Scene:
    """Return the scene with nobody there to answer."""
    return feed(scene, e.PersonAbsent(question_id=scene.question.question_id))


def returned(scene: Scene, text: str = "ok", **more: Any) -> Scene:
    """Return the scene with the call that runs come back."""
    return feed(scene, e.ToolReturned(call_id=scene.call.call_id, result=ToolResult(text=text, **more)))


def broken(scene: Scene, failure: Failure) -> Scene:
    """Return the scene with the call that runs failed."""
    return feed(scene, e.ToolFailed(call_id=scene.call.call_id, failure=failure))


def unknown(scene: Scene, why: str = "the process died") -> Scene:
    """Return the scene with the outcome of the call that runs unknown."""
    return feed(scene, e.OutcomeUnknown(call_id=scene.call.call_id, why=why))


def checked(scene: Scene, *passed: bool, why: tuple[str, ...] = ()) -> Scene:
    """Return the scene with the checks that are wanted evaluated."""
    step_number = getattr(scene.command, "step", 0)
    return feed(scene, e.ChecksEvaluated(step=step_number, passed=passed, why=why))


def waited(scene: Scene) -> Scene:
    """Return the scene with its wait over."""
    wait = scene.command
    assert type(wait).__name__ == "Wait", wait
    return feed(scene, e.WaitEnded(step=wait.step, seconds=wait.seconds, call_id=wait.call_id))  # type: ignore[union-attr]


def done(scene: Scene, tool: str, value: str = "a", text: str = "ok") -> Scene:
    """Return the scene with one call proposed, allowed and returned."""
    return returned(allowed(feed(scene, called(tool, value=value))), text)
