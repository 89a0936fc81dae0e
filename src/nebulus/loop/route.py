"""The tier that is asked about a task or about a call's result, and those that could be asked instead.

Invariants: a tier that may not see the data, or that costs more than is allowed, is never asked, on no way: not by demand,
by a pin, by climbing the ladder, nor for a second opinion; where no tier is left, the run is refused and says why.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from msgspec.structs import replace

from nebulus.core.commands import ChooseRoute
from nebulus.core.demand import AnswerCost, Demand, Skill, WorkKind
from nebulus.core.events import RouteChosen, RouteRefused
from nebulus.core.routes import AfterEscalation, RouteMode, RoutePolicy
from nebulus.core.state import FactKind
from nebulus.core.tiers import StepKind, Tier
from nebulus.loop.machine import Machine
from nebulus.loop.phases import Extracting, Task
from nebulus.loop.request import tools_for
from nebulus.routing.choose import NoTierAllowed, Route, TierOption, choose, is_allowed
from nebulus.routing.demand import StepPlace, demand_of

Skills: TypeAlias = Mapping[str, Skill]
"""What was measured of each tier, by its name; a tier that was not measured is absent."""
NO_SKILLS: Skills = MappingProxyType({})

_KINDS = {
    StepKind.PLAN: WorkKind.PLAN,
    StepKind.EXECUTE: WorkKind.ACT,
    StepKind.EXTRACT: WorkKind.EXTRACT,
    StepKind.ANSWER: WorkKind.ANSWER,
}


def choose_route(
    machine: Machine, command: ChooseRoute, skills: Skills = NO_SKILLS
) -> RouteChosen | RouteRefused:
    """Choose the tier for a request: by demand where that is wanted, else the smallest; or the one that evidence led to.

    A task begins without a past, so after one that needed a larger tier the next is chosen by its own demand again,
    unless the policy says that it stays. `skills` says what was measured of each tier.
    """
    task, policy = machine.task(command.step), machine.config.route
    tiers = machine.config.tiers_for(command.kind)
    index, why = _reached(machine, task, command)
    is_by_demand = not (why or command.call_id or (policy.mode is RouteMode.LADDER and not policy.pins))
    if not is_by_demand and not _is_limited(policy):
        return RouteChosen(
            step=command.step,
            kind=command.kind,
            tier=tiers[index].name,
            reason=why or f"the smallest of {len(tiers)} that may {command.kind.value}",
            call_id=command.call_id,
        )
    demand = _demand(machine, task, command)
    start = _floor(machine, command) if is_by_demand else index
    options = tier_options(tiers[start:], demand, skills)
    wanted = _policy(machine)
    if is_by_demand:
        route = _within_budget(machine, demand, options, policy=wanted)
    else:
        route = choose(demand, options, replace(wanted, mode=RouteMode.LADDER, pins={}))
    return _event(route, command, why)


def _event(route: Route | NoTierAllowed, command: ChooseRoute, why: str) -> RouteChosen | RouteRefused:
    if isinstance(route, NoTierAllowed):
        reasons = "; ".join(f"{one.tier}: {one.why}" for one in route.barred)
        return RouteRefused(
            step=command.step,
            kind=command.kind,
            reason=f"no tier may {command.kind.value} here. {reasons}",
            call_id=command.call_id,
            alternatives=route.barred,
        )
    return RouteChosen(
        step=command.step,
        kind=command.kind,
        tier=route.tier,
        reason=why or route.reason,
        call_id=command.call_id,
        demand=route.demand,
        estimate=route.estimate,
        needed=route.needed,
        shortfall=route.shortfall,
        alternatives=route.alternatives,
    )


def _reached(machine: Machine, task: Task, command: ChooseRoute) -> tuple[int, str]:
    """Return the place of the tier that evidence has led to, and the evidence in words, "" for none."""
    if command.call_id:
        state = machine.find_flight(command.call_id)[1].state
        assert isinstance(state, Extracting)
        return state.tier_index, ""
    floor = _floor(machine, command)
    if reasons := task.attempts.escalation_reasons:
        return max(floor, task.attempts.tier_index), "; ".join(reasons)
    if floor > 0:
        return floor, "an earlier step needed this tier, and the settings say that the run stays with it"
    return task.attempts.tier_index, ""


def _floor(machine: Machine, command: ChooseRoute) -> int:
    """Return the place of the smallest tier that is considered: above 0 if an earlier step went up and the run stays."""
    stays = machine.config.route.after_escalation is AfterEscalation.STAY
    return machine.highest_tier if stays and command.kind is StepKind.EXECUTE else 0


def _is_limited(policy: RoutePolicy) -> bool:
    """Whether some tier may be forbidden."""
    return (
        policy.is_private
        or bool(policy.private_tools)
        or policy.most_usd is not None
        or policy.most_seconds is not None
    )


def _policy(machine: Machine) -> RoutePolicy:
    """Return the policy of the run as it is now: private once a private tool was called."""
    policy = machine.config.route
    if policy.is_private or not policy.private_tools:
        return policy
    return replace(policy, is_private=any(record.tool in policy.private_tools for record in machine.calls))


def _within_budget(
    machine: Machine, demand: Demand, options: Sequence[TierOption], *, policy: RoutePolicy
) -> Route | NoTierAllowed:
    """Return the choice among the tiers that the rest of the budget pays for; among all, if it pays for none.

    What a budget allows at all is decided where it is spent: here it only steers.
    """
    budget, spent = machine.config.budget, machine.spent
    tight = replace(
        policy,
        most_usd=_least(policy.most_usd, budget.usd - spent.usd if budget.usd else None),
        most_seconds=_least(policy.most_seconds, budget.seconds - spent.seconds if budget.seconds else None),
    )
    route = choose(demand, options, tight)
    return choose(demand, options, policy) if isinstance(route, NoTierAllowed) else route


def _least(one: float | None, other: float | None) -> float | None:
    return min((value for value in (one, other) if value is not None), default=None)


def tier_options(tiers: Sequence[Tier], demand: Demand, skills: Skills) -> list[TierOption]:
    """Return the tiers as they can be chosen for a demand."""
    return [_option(tier, demand, skills.get(tier.name)) for tier in tiers]


def _option(tier: Tier, demand: Demand, skill: Skill | None) -> TierOption:
    """Return a tier with what an answer of it is expected to take; where nothing was measured, the most it may write."""
    cost = skill.answer_cost(demand) if skill is not None else AnswerCost()
    return TierOption(
        name=tier.name,
        estimate=skill.estimate(demand) if skill is not None else None,
        leaves_machine=tier.leaves_machine,
        cost_usd=tier.cost_usd(demand.prompt_tokens, cost.completion_tokens or tier.reserve_tokens),
        seconds=cost.seconds,
    )


def larger_tiers(machine: Machine, task: Task, skills: Skills = NO_SKILLS) -> tuple[TierOption, ...]:
    """Return the tiers above that of a task which may be asked about it, from small to large."""
    tiers = machine.config.tiers_for(task.kind)[task.attempts.tier_index + 1 :]
    if not tiers:
        return ()
    demand, policy = task_demand(machine, task), _policy(machine)
    return tuple(option for option in tier_options(tiers, demand, skills) if is_allowed(option, policy))


def may_escalate(machine: Machine, task: Task, skills: Skills = NO_SKILLS) -> bool:
    """Whether a larger tier may be asked about a task."""
    if not _is_limited(machine.config.route):
        return machine.has_next_tier(task)
    return bool(larger_tiers(machine, task, skills))


def _demand(machine: Machine, task: Task, command: ChooseRoute) -> Demand:
    if command.call_id:
        return demand_of(machine.state.step(task.step).text, kind=WorkKind.EXTRACT)
    return task_demand(machine, task)


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
