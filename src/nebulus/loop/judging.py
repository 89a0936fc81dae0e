"""What the guard is told beside a call: what the model had been shown, and what the plan set out to do.

Law: whatever stood in the prompt is accounted for; where that can't be told, it counts as from outside.
"""

from nebulus.core.context import Context
from nebulus.core.findings import Call
from nebulus.core.plan import ToolSucceeded
from nebulus.core.provenance import USER, Origin, Provenance
from nebulus.core.state import Observation
from nebulus.core.tools import ToolSpec
from nebulus.guard.labels import Heard, Source, label_all
from nebulus.loop.progress import Machine
from nebulus.memory.choice import remembered
from nebulus.memory.offer import named_tools

PLANNER = Provenance((Origin("model", "plan"),), is_trusted=True)
"""A plan that a tier proposed is made from the goal alone, before anything was read."""
REPLANNER = Provenance((Origin("model", "plan after reading"),))


def heard(machine: Machine, *, tier: str) -> Heard:
    """Return what stands in the prompt of the active step."""
    known = remembered(machine.state, machine.index.covering(machine.state.facts))
    sources = (
        *_own_words(machine),
        *(Source(text, provenance) for text, provenance in known),
        *(
            Source(seen.text, Provenance((Origin("tool", seen.tool),), _is_trusted(machine, seen)))
            for seen in machine.state.observations
        ),
    )
    is_tainted = has_read_outside(machine) or any(not provenance.is_trusted for _, provenance in known)
    return Heard(sources=sources, is_tainted=is_tainted, tier=tier)


def has_read_outside(machine: Machine) -> bool:
    """Whether text from outside stands in what is shown of this step, its failures, or the plan itself."""
    return (
        machine.tries.is_tainted
        or machine.state.plan.is_tainted
        or any(not _is_trusted(machine, seen) for seen in machine.state.observations)
    )


def context_of(machine: Machine, call: Call, known: Heard) -> Context:
    """Return what the guard is told beside `call`, read from an answer to `known`."""
    spec = machine.setup.tool(call.tool)
    return Context(
        agent=machine.setup.agent,
        tier=known.tier,
        run_id=machine.run_id,
        step=machine.state.active,
        is_tainted=known.is_tainted,
        is_planned=_is_planned(machine, spec),
        labels=label_all(call, spec, known),
        conduct=machine.conduct,
    )


def _own_words(machine: Machine) -> tuple[Source, ...]:
    goal, plan = machine.state.goal, machine.state.plan
    planner = USER if plan.origin == "runbook" else PLANNER
    return (
        *(Source(text, USER) for text in (goal.text, *goal.constraints)),
        Source(machine.state.step.text, REPLANNER if plan.is_tainted else planner),
    )


def _is_trusted(machine: Machine, seen: Observation) -> bool:
    specs = {spec.name: spec for spec in machine.setup.tools}
    is_foreign_error = seen.is_error and (seen.tool not in specs or specs[seen.tool].is_untrusted)
    return seen.is_trusted and not seen.is_derived and not is_foreign_error


def _is_planned(machine: Machine, spec: ToolSpec) -> bool:
    """Whether the goal names the tool; or the active step of a trusted plan lists, requires or names it."""
    step, plan = machine.state.step, machine.state.plan
    if named_tools(machine.state.goal.text, (spec,)):
        return True
    wanted = {*step.tools, *(check.tool for check in step.checks if isinstance(check, ToolSucceeded))}
    return not plan.is_tainted and (spec.name in wanted or bool(named_tools(step.text, (spec,))))
