"""What the guard is told beside a call: what the model had been shown, and what the plan set out to do.

Law: whatever stood in the prompt is accounted for; where that can't be told, it counts as from outside.
"""

from msgspec.structs import replace

from nebulus.core.context import Context
from nebulus.core.findings import Call
from nebulus.core.plan import ToolSucceeded
from nebulus.core.prompt import PromptSources
from nebulus.core.tools import ToolSpec
from nebulus.guard.labels import label_all
from nebulus.loop.progress import Machine
from nebulus.loop.turn import prompt_for
from nebulus.memory.choice import observations_for
from nebulus.memory.offer import named_tools


def heard(machine: Machine, *, tier: str) -> PromptSources:
    """Return what is in the prompt of the active step."""
    shown = prompt_for(machine).sources(tier)
    return replace(shown, is_tainted=shown.is_tainted or has_read_outside(machine))


def has_read_outside(machine: Machine) -> bool:
    """Whether text from outside is in what is shown of this step, its failures, or the plan itself."""
    seen = (
        observations_for(machine.state, machine.active) if machine.active else machine.state.observations[-1:]
    )
    return (
        machine.tries.is_tainted
        or machine.state.plan.is_tainted
        or any(not item.provenance.is_trusted for item in seen)
    )


def context_of(machine: Machine, call: Call, known: PromptSources) -> Context:
    """Return what the guard is told beside `call`, read from an answer to `known`."""
    spec = machine.setup.tool(call.tool)
    return Context(
        agent=machine.setup.agent,
        tier=known.tier,
        run_id=machine.run_id,
        step=machine.active,
        is_tainted=known.is_tainted,
        is_planned=_is_planned(machine, spec),
        labels=label_all(call, spec, known),
        conduct=machine.conduct,
    )


def _is_planned(machine: Machine, spec: ToolSpec) -> bool:
    """Whether the goal names the tool; or the active step of a trusted plan lists, requires or names it."""
    step, plan = machine.step, machine.state.plan
    if named_tools(machine.state.goal.text, (spec,)):
        return True
    wanted = {*step.tools, *(check.tool for check in step.checks if isinstance(check, ToolSucceeded))}
    return not plan.is_tainted and (spec.name in wanted or bool(named_tools(step.text, (spec,))))
