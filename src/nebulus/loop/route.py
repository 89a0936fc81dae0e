"""The tier that is asked first about a task, by what the task demands and what was measured."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from nebulus.core.demand import Demand, Estimate, WorkKind
from nebulus.core.events import RouteChosen
from nebulus.core.routes import RouteMode
from nebulus.core.state import FactKind
from nebulus.core.tiers import StepKind
from nebulus.loop.machine import Machine
from nebulus.loop.phases import Task
from nebulus.loop.request import tools_for
from nebulus.routing.choose import NoTierAllowed, TierOption, choose
from nebulus.routing.demand import StepPlace, demand_of

Skills: TypeAlias = Mapping[str, Callable[[Demand], Estimate]]
"""What estimates the success of each tier that was measured, by its name."""
NO_SKILLS: Skills = MappingProxyType({})

_KINDS = {
    StepKind.PLAN: WorkKind.PLAN,
    StepKind.EXECUTE: WorkKind.ACT,
    StepKind.EXTRACT: WorkKind.EXTRACT,
    StepKind.ANSWER: WorkKind.ANSWER,
}


def route_by_demand(machine: Machine, task: Task, skills: Skills) -> RouteChosen | None:
    """Return the choice by demand; None where a ladder is climbed, or a smaller tier has given up this task already.

    A task begins without a past, so after one that needed a larger tier the next is chosen by its own demand again.
    """
    policy = machine.config.route
    is_ladder = policy.mode is RouteMode.LADDER and not policy.pins
    if is_ladder or task.attempts.escalation_reasons:
        return None
    demand = task_demand(machine, task)
    options = [
        TierOption(name=tier.name, estimate=skills[tier.name](demand) if tier.name in skills else None)
        for tier in machine.config.tiers_for(task.kind)
    ]
    route = choose(demand, options, policy)
    if isinstance(route, NoTierAllowed):
        return None
    return RouteChosen(
        step=task.step,
        kind=task.kind,
        tier=route.tier,
        reason=route.reason,
        demand=demand,
        estimate=route.estimate,
        needed=route.needed,
        shortfall=route.shortfall,
        alternatives=route.alternatives,
    )


def task_demand(machine: Machine, task: Task) -> Demand:
    """Return what a task demands, as far as that is known before its prompt is composed."""
    tier = machine.tier_of(task)
    place = StepPlace(
        facts=sum(fact.kind is FactKind.RESULT and fact.step < task.step for fact in machine.state.facts),
        window_tokens=tier.window_tokens,
        steps_left=max(0, len(machine.state.plan.steps) - task.step) if task.step else 0,
        failures=task.attempts.number,
    )
    if not task.step:
        return demand_of(machine.state.goal.text, kind=_KINDS[task.kind], place=place)
    step = machine.state.step(task.step)
    kind = WorkKind.NEXT if step.is_open and task.kind is StepKind.EXECUTE else _KINDS[task.kind]
    return demand_of(step.text, tools_for(machine, task, tier), kind=kind, place=place)
