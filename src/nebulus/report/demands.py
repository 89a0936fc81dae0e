"""What each request of a run demands of a model: from the machine and the request, before any model is asked."""

from collections.abc import Iterator

from msgspec.structs import replace

from nebulus.core.commands import AskModel
from nebulus.core.config import RunConfig
from nebulus.core.demand import Demand, WorkKind
from nebulus.core.events import RunStarted
from nebulus.core.plan import Goal, Plan
from nebulus.core.prompt import PieceKind
from nebulus.core.tiers import StepKind
from nebulus.loop.ending_tools import ending_tools
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.phases import Answering, Task, Working
from nebulus.loop.request import ComposedRequest, compose
from nebulus.loop.transitions import feed
from nebulus.routing.demand import CHARS_PER_TOKEN, StepPlace, demand_of

UNREAD_TOKENS = 300
"""The size that is assumed of a prompt about a result that is not there yet: a choice, the size of a page."""
_KINDS = {
    StepKind.PLAN: WorkKind.PLAN,
    StepKind.EXECUTE: WorkKind.ACT,
    StepKind.EXTRACT: WorkKind.EXTRACT,
    StepKind.ANSWER: WorkKind.ANSWER,
}


def request_demand(machine: Machine, command: AskModel, composed: ComposedRequest) -> Demand:
    """Return what the request for `command` demands."""
    kind = _KINDS[command.kind]
    step = machine.state.step(command.step) if command.step else None
    if step is not None and step.is_open and command.kind is StepKind.EXECUTE:
        kind = WorkKind.NEXT
    ending = {spec.name for spec in ending_tools(machine.config.tools).specs}
    place = StepPlace(
        facts=sum(piece.kind is PieceKind.FACT for piece in composed.prompt.pieces),
        prompt_tokens=composed.size_bytes // CHARS_PER_TOKEN,
        window_tokens=machine.config.tier(command.tier).window_tokens,
        steps_left=len(machine.state.plan.steps) - command.step if command.step else 0,
    )
    return demand_of(
        step.text if step is not None else machine.state.goal.text,
        [tool for tool in composed.request.tools if tool.name not in ending],
        kind=kind,
        place=place,
    )


def planned_demands(
    goal: Goal, plan: Plan, config: RunConfig, *, tier: str
) -> Iterator[tuple[int, str, Demand]]:
    """Yield number, text and demand of all that a run would ask `tier` for, as far as that is known before it begins.

    Number 0 is the plan, where one must be made, and the answer. What earlier steps will have found is not known yet.
    """
    machine = feed(new_machine(config), RunStarted(goal=goal, plan=plan, config=config))
    steps = machine.state.plan.steps
    if not steps and goal.result is None:
        command = AskModel(step=0, kind=StepKind.PLAN, tier=tier)
        yield 0, goal.text, request_demand(machine, command, compose(machine, command))
    for step in steps:
        at_step = replace(machine, phase=Working((Task(kind=StepKind.EXECUTE, step=step.number),)))
        command = AskModel(step=step.number, kind=StepKind.EXECUTE, tier=tier)
        yield step.number, step.text, request_demand(at_step, command, compose(at_step, command))
        if step.reads:
            yield (
                step.number,
                f"read {', '.join(step.reads)}",
                demand_of(step.text, kind=WorkKind.EXTRACT, place=StepPlace(prompt_tokens=UNREAD_TOKENS)),
            )
    if goal.result is not None:
        task = Task(kind=StepKind.ANSWER, step=0)
        command = AskModel(step=0, kind=StepKind.ANSWER, tier=tier)
        at_answer = replace(machine, phase=Answering(task))
        yield 0, "write the answer", request_demand(at_answer, command, compose(at_answer, command))
