"""Whether the answer of a smaller tier is used, or a larger one is asked as well: by what the answer shows of itself.

Invariants: it refuses no call and changes none; an answer is given up only for a tier that is allowed, was measured, and
promises more. Where there is no such tier, or tiers are not chosen by measurement, nothing is computed.
"""

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.budget import ASKING, exceeded
from nebulus.core.demand import Demand, Estimate
from nebulus.core.events import CallsParsed, ClaimParsed, Parsed
from nebulus.core.findings import Reading
from nebulus.core.routes import RouteMode, RoutePolicy, Weighed
from nebulus.core.tiers import StepKind
from nebulus.core.tools import ToolSpec
from nebulus.loop.machine import Machine
from nebulus.loop.phases import Task
from nebulus.loop.route import Skills, larger_tiers, task_demand
from nebulus.routing.demand import error_cost_of
from nebulus.routing.evidence import evidence_of
from nebulus.routing.keep import Escalate, chance_right, keep_or_escalate


class ReadAnswer(Struct, frozen=True, kw_only=True):
    """An answer as it was read, and what it answers."""

    reading: Reading
    tools: tuple[ToolSpec, ...]
    """The tools that were offered."""
    shown: str
    """The text that the model was shown, from which values may be copied."""


def weigh(
    machine: Machine, task: Task, parsed: Parsed, *, answer: ReadAnswer, skills: Skills
) -> Weighed | None:
    """Return whether an answer about a step is used; None where that is not in question.

    Only the first usable answer to a step of a plan is weighed: that is what was measured. What code checks is left to the
    check, unless a call would come before it. How sure an answer must be depends on what its own calls would do.
    """
    if machine.config.route.mode is not RouteMode.MEASURED or not _is_in_question(machine, task, parsed):
        return None
    above = [
        (option.name, option.estimate)
        for option in larger_tiers(machine, task, skills)
        if option.estimate is not None and option.estimate.observations
    ]
    if not above or exceeded(machine.config.budget, machine.spent, ASKING):
        return None
    demand, policy = task_demand(machine, task), machine.config.route
    if isinstance(parsed, CallsParsed):
        called = (machine.config.tool(proposed.call.tool) for proposed in parsed.calls)
        demand = replace(demand, error_cost=error_cost_of(called))
    name, estimate = _larger(above, demand, policy)
    evidence = evidence_of(
        answer.reading, machine.state.step(task.step).text, answer.tools, shown=answer.shown
    )
    chance = chance_right(evidence, demand)
    decision = keep_or_escalate(chance, demand, estimate, policy=policy)
    return Weighed(
        chance=round(chance, 4),
        reason=decision.reason,
        larger_tier=name if isinstance(decision, Escalate) else "",
    )


def _is_in_question(machine: Machine, task: Task, parsed: Parsed) -> bool:
    if task.kind is not StepKind.EXECUTE or task.attempts.succeeded:
        return False
    step = machine.state.step(task.step)
    match parsed:
        case CallsParsed():
            return not step.is_open
        case ClaimParsed():
            return not step.is_open and not step.checks
        case _:
            return False


def _larger(above: list[tuple[str, Estimate]], demand: Demand, policy: RoutePolicy) -> tuple[str, Estimate]:
    """Return the smallest tier that is good enough, else the one that is most likely right."""
    needed = policy.needed.get(demand.error_cost, 0.0)
    enough = (one for one in above if one[1].low >= needed)
    return next(enough, None) or max(above, key=lambda one: one[1].mean)
