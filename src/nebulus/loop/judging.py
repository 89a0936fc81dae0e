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


def heard(machine: Machine, *, tier: str) -> Heard:
    """Return what stands in the prompt of the active step."""
    known = remembered(machine.state, machine.index.covering(machine.state.facts))
    unsafe = [seen for seen in machine.state.observations if not _is_trusted(machine, seen)]
    sources = (
        *_own_words(machine),
        *(Source(text, provenance) for text, provenance in known),
        *(
            Source(seen.text, Provenance((Origin("tool", seen.tool),), _is_trusted(machine, seen)))
            for seen in machine.state.observations
        ),
    )
    is_tainted = (
        machine.tries.is_tainted or bool(unsafe) or any(not provenance.is_trusted for _, provenance in known)
    )
    return Heard(sources=sources, is_tainted=is_tainted, tier=tier)


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
        Source(machine.state.step.text, planner),
    )


def _is_trusted(machine: Machine, seen: Observation) -> bool:
    specs = {spec.name: spec for spec in machine.setup.tools}
    is_foreign_error = seen.is_error and (seen.tool not in specs or specs[seen.tool].is_untrusted)
    return seen.is_trusted and not seen.is_derived and not is_foreign_error


def _is_planned(machine: Machine, spec: ToolSpec) -> bool:
    """Whether the active step lists, requires or names the tool; or the goal, in the user's words."""
    step = machine.state.step
    wanted = {*step.tools, *(check.tool for check in step.checks if isinstance(check, ToolSucceeded))}
    return spec.name in wanted or bool(named_tools(f"{step.text}\n{machine.state.goal.text}", (spec,)))
