"""What each request of a run demands of a model: from the machine and the request, before any model is asked."""

import re
from collections.abc import Iterator

from msgspec.structs import replace

from nebulus.core.commands import AskModel
from nebulus.core.config import RunConfig
from nebulus.core.demand import Demand, ErrorCost, ToolDemand, ValueDemand, WorkKind
from nebulus.core.events import RunStarted
from nebulus.core.plan import Goal, Plan
from nebulus.core.prompt import PieceKind
from nebulus.core.tiers import StepKind
from nebulus.core.tools import Effect, ToolSpec
from nebulus.loop.ending_tools import ending_tools
from nebulus.loop.machine import Machine, new_machine
from nebulus.loop.phases import Task, Working
from nebulus.loop.request import ComposedRequest, compose
from nebulus.loop.transitions import feed

_KINDS = {
    StepKind.PLAN: WorkKind.PLAN,
    StepKind.EXECUTE: WorkKind.ACT,
    StepKind.EXTRACT: WorkKind.EXTRACT,
    StepKind.ANSWER: WorkKind.ANSWER,
}
_LONG = re.compile(r'"([^"]{12,})"|`([^`]{12,})`|(\S{12,})')
_ORDER = (Effect.READ, Effect.WRITE, Effect.IRREVERSIBLE, Effect.EGRESS)


def request_demand(machine: Machine, command: AskModel, composed: ComposedRequest) -> Demand:
    """Return what the request for `command` demands."""
    kind = _KINDS[command.kind]
    step = machine.state.step(command.step) if command.step else None
    if step is not None and step.is_open and command.kind is StepKind.EXECUTE:
        kind = WorkKind.NEXT
    ending = {spec.name for spec in ending_tools(machine.config.tools).specs}
    tools = [tool for tool in composed.request.tools if tool.name not in ending]
    text = step.text if step is not None else machine.state.goal.text
    longest = max((len(next(filter(None, match.groups()))) for match in _LONG.finditer(text)), default=0)
    return Demand(
        kind=kind,
        tools=_tools(tools),
        values=ValueDemand(
            facts=sum(piece.kind is PieceKind.FACT for piece in composed.prompt.pieces),
            longest_copy_characters=longest,
        ),
        prompt_tokens=composed.size_bytes // 4,
        window_tokens=machine.config.tier(command.tier).window_tokens,
        steps_left=len(machine.state.plan.steps) - command.step if command.step else 0,
        error_cost=ErrorCost.of(max((tool.effect for tool in tools), key=_ORDER.index, default=Effect.READ)),
    )


def _tools(tools: list[ToolSpec]) -> ToolDemand:
    required = [len(tool.parameters.get("required", ())) for tool in tools]
    return ToolDemand(
        count=len(tools),
        schema_depth=max((_depth(tool.parameters) for tool in tools), default=0),
        required_arguments=max(required, default=0),
    )


def _depth(schema: object) -> int:
    if not isinstance(schema, dict):
        return 0
    below = [*schema.get("properties", {}).values(), schema.get("items")]
    own = int(
        schema.get("type") in ("object", "array") and bool(schema.get("properties") or schema.get("items"))
    )
    return own + max(map(_depth, below), default=0)


def planned_demands(
    goal: Goal, plan: Plan, config: RunConfig, tier: str
) -> Iterator[tuple[int, str, Demand]]:
    """Yield number, text and demand of all that a run would ask `tier` for, as far as that is known before it begins."""
    machine = feed(new_machine(config), RunStarted(goal=goal, plan=plan, config=config))
    steps = machine.state.plan.steps
    if not steps:
        command = AskModel(step=0, kind=StepKind.PLAN, tier=tier)
        yield 0, goal.text, request_demand(machine, command, compose(machine, command))
    for step in steps:
        at_step = replace(machine, phase=Working((Task(kind=StepKind.EXECUTE, step=step.number),)))
        command = AskModel(step=step.number, kind=StepKind.EXECUTE, tier=tier)
        yield step.number, step.text, request_demand(at_step, command, compose(at_step, command))
