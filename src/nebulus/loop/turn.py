"""The next request: which tier is asked, what it is shown, and in which form it must answer.

Law: something changes from one attempt to the next (form, temperature, seed).
"""

from nebulus.core.answers import Form, FreeForm, ModelRequest, OneCall, Shape
from nebulus.core.plan import Step, ToolSucceeded
from nebulus.core.tiers import StepKind, Tier
from nebulus.core.tools import ToolSpec
from nebulus.loop.progress import Machine
from nebulus.loop.proposal import plan_schema
from nebulus.memory.offer import offer
from nebulus.memory.prompt import compose_plan, compose_step
from nebulus.recovery.strategy import RESTATED

TEMPERATURES = (0.0, 0.3, 0.7)
"""By attempt: greedy first, then looser, since a blind repeat reproduces the error."""


def kind_of(machine: Machine) -> StepKind:
    """Return what the machine asks a model for now."""
    return StepKind.EXECUTE if machine.state.plan.steps else StepKind.PLAN


def tier_of(machine: Machine) -> Tier:
    """Return the tier that is asked now: the rung of the ladder that evidence has led to."""
    return machine.setup.ladder(kind_of(machine))[machine.tries.rung]


def has_next_tier(machine: Machine) -> bool:
    """Whether a larger tier may be asked."""
    return machine.tries.rung + 1 < len(machine.setup.ladder(kind_of(machine)))


def request_for(machine: Machine) -> ModelRequest:
    """Return the request for the machine's tier: a plan if there is none, else the active step."""
    tier, tries = tier_of(machine), machine.tries
    attempt = len(tries.findings) + tries.retries + tries.tool_errors
    if kind_of(machine) is StepKind.PLAN:
        messages, tools = compose_plan(machine.state), machine.setup.tools
        form: Form = Shape(plan_schema(tools))
    else:
        messages, tools = (
            compose_step(machine.state, resolves=machine.setup.resolves_references),
            tools_for(machine, tier),
        )
        form = _step_form(machine, tools)
    return ModelRequest(
        messages=messages,
        tools=tools,
        form=form,
        max_tokens=tier.reserve_tokens,
        temperature=TEMPERATURES[min(attempt, len(TEMPERATURES) - 1)],
        seed=attempt,
    )


def tools_for(machine: Machine, tier: Tier) -> tuple[ToolSpec, ...]:
    """Return the tools that the active step is shown on `tier`."""
    return offer(machine.state.step, machine.setup.tools, most=tier.tools_shown)


def missing_calls(machine: Machine) -> tuple[str, ...]:
    """Return the tools that the active step must still have called with success, in order."""
    return missing_for(machine.state.step, machine.tries.succeeded)


def missing_for(step: Step, succeeded: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tools whose success `step` requires and `succeeded` lacks."""
    wanted = (check.tool for check in step.checks if isinstance(check, ToolSucceeded))
    return tuple(tool for tool in wanted if tool not in succeeded)


def _step_form(machine: Machine, tools: tuple[ToolSpec, ...]) -> Form:
    offered = {tool.name for tool in tools}
    if not offered:
        return FreeForm()
    last = machine.tries.findings[-1] if machine.tries.findings else None
    if last is not None and last.kind in RESTATED and last.tool in offered:
        return OneCall(last.tool)
    missing = [name for name in missing_calls(machine) if name in offered]
    if missing:
        return OneCall(missing[0] if len(missing) == 1 else "")
    return OneCall() if last is not None and not machine.tries.succeeded else FreeForm()
