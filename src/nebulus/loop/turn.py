"""The next request: which tier is asked, what it is shown, and in which form it must answer.

Law: something changes from one attempt to the next (form, temperature, seed).
"""

from collections.abc import Collection

from msgspec.structs import replace

from nebulus.core.answers import Form, FreeForm, ModelRequest, OneCall, Shape
from nebulus.core.commands import AskModel
from nebulus.core.findings import FindingKind
from nebulus.core.plan import Step, ToolSucceeded
from nebulus.core.prompt import Prompt
from nebulus.core.tiers import StepKind, Tier
from nebulus.core.tools import Effect, ToolSpec
from nebulus.loop.progress import Machine
from nebulus.loop.proposal import plan_schema
from nebulus.memory.choice import artifacts_for
from nebulus.memory.extract import compose_reading
from nebulus.memory.offer import named_tools, offer
from nebulus.memory.prompt import compose_plan, compose_step
from nebulus.memory.window import estimated, room_bytes, size_bytes, tools_bytes
from nebulus.recovery.strategy import RESTATED

TEMPERATURES = (0.0, 0.3, 0.7)
"""By attempt: greedy first, then looser, since a blind repeat reproduces the error."""


def kind_of(machine: Machine) -> StepKind:
    """Return what the machine asks a model for now."""
    if machine.extraction is not None:
        return StepKind.EXTRACT
    is_planning = machine.tries.is_replanning or not machine.state.plan.steps
    return StepKind.PLAN if is_planning else StepKind.EXECUTE


def tier_of(machine: Machine) -> Tier:
    """Return the tier that is asked now: the rung of the ladder that evidence has led to."""
    return machine.setup.ladder(kind_of(machine))[_rung(machine)]


def has_next_tier(machine: Machine) -> bool:
    """Whether a larger tier may be asked."""
    return _rung(machine) + 1 < len(machine.setup.ladder(kind_of(machine)))


def _rung(machine: Machine) -> int:
    return machine.extraction.rung if machine.extraction is not None else machine.tries.rung


def question(machine: Machine) -> AskModel:
    """Return what is asked of the machine's tier: a plan if there is none, else the active step."""
    tier, request = tier_of(machine), request_for(machine)
    size = size_bytes(request.messages, request.tools)
    tokens = estimated(machine.rates.get(tier.name, 0.0), size)
    return AskModel(tier=tier.name, request=request, is_tight=tokens > tier.room_tokens)


def floors(machine: Machine) -> tuple[AskModel, ...]:
    """Return, for each tier that may be asked, the largest question that the run must be able to ask.

    It is made before the first step: instructions, tools, goal, constraints and step, nothing remembered.
    """
    steps = machine.state.plan.steps
    places = [step.number for step in steps] or [machine.active]
    rungs = range(len(machine.setup.ladder(kind_of(machine))))
    return tuple(
        max(
            (question(replace(machine.with_tries(rung=rung), active=place)) for place in places),
            key=lambda asked: size_bytes(asked.request.messages, asked.request.tools),
        )
        for rung in rungs
    )


def prompt_for(machine: Machine) -> Prompt:
    """Return the prompt for the machine's tier."""
    return _composed(machine)[0]


def _composed(machine: Machine) -> tuple[Prompt, Form, tuple[ToolSpec, ...], int]:
    tier, tries = tier_of(machine), machine.tries
    attempt = len(tries.findings) + tries.retries + tries.tool_errors
    room = room_bytes(machine.rates.get(tier.name, 0.0), tier.room_tokens)
    tools: tuple[ToolSpec, ...] = ()
    if machine.extraction is not None:
        attempt = machine.extraction.attempts + machine.extraction.retries
        prompt, form = compose_reading(machine.extraction.unread, room_bytes=room)
    elif kind_of(machine) is StepKind.PLAN:
        tools = tuple(tool for tool in machine.setup.tools if not tool.handles)
        prompt, form = compose_plan(machine.state), _plan_form(tools)
    else:
        tools = tools_for(machine, tier)
        form = _step_form(machine, tools)
        alone = form.tool if isinstance(form, OneCall) and tries.findings else ""
        if alone:
            unasked = {one.where[1:] for one in tries.findings if one.kind is FindingKind.UNASKED}
            tools = tuple(_without(tool, unasked) for tool in tools if tool.name == alone)
        prompt = compose_step(
            machine.state,
            step=machine.active,
            resolves=machine.setup.resolves_references,
            index=machine.index,
            room_bytes=room - tools_bytes(tools),
            is_narrow=bool(alone),
        )
    return prompt, form, tools, attempt


def request_for(machine: Machine) -> ModelRequest:
    """Return the request for the machine's tier, composed to fit its window."""
    tier = tier_of(machine)
    prompt, form, tools, attempt = _composed(machine)
    return ModelRequest(
        messages=prompt.messages(),
        tools=tools,
        form=form,
        max_tokens=tier.reserve_tokens,
        reasoning_tokens=tier.reasoning_tokens,
        temperature=TEMPERATURES[min(attempt, len(TEMPERATURES) - 1)],
        seed=attempt,
    )


def tools_for(machine: Machine, tier: Tier) -> tuple[ToolSpec, ...]:
    """Return the tools that the active step is shown on `tier`.

    A tool that looks inside stored results is shown where the step names it, or has one to look into.
    """
    if machine.tries.must_read and (readers := offered_readers(machine, tier)):
        return readers
    step, avoided = machine.step, machine.tries.avoided
    known = tuple(tool for tool in machine.setup.tools if tool.name not in avoided)
    working = [tool for tool in known if not tool.handles]
    shown = offer(step, working, most=tier.tools_shown, before=machine.offered)
    opening = [tool for tool in known if tool.handles]
    if not opening:
        return shown
    named = {*named_tools(step.text, opening), *step.tools}
    has_stored = bool(artifacts_for(machine.state, step.text, step=step.number))
    return (*shown, *(tool for tool in opening if has_stored or tool.name in named))


def offered_readers(machine: Machine, tier: Tier) -> tuple[ToolSpec, ...]:
    """Return the tools that the active step may use and that only look."""
    readers = [tool for tool in machine.setup.tools if tool.effect is Effect.READ and not tool.handles]
    return offer(machine.step, readers, most=tier.tools_shown)


def missing_calls(machine: Machine) -> tuple[str, ...]:
    """Return the tools that the active step must still have called with success, in order."""
    return missing_for(machine.step, machine.tries.succeeded)


def missing_for(step: Step, succeeded: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tools whose success `step` requires and `succeeded` lacks."""
    wanted = (check.tool for check in step.checks if isinstance(check, ToolSucceeded))
    return tuple(tool for tool in wanted if tool not in succeeded)


def _without(tool: ToolSpec, names: Collection[str]) -> ToolSpec:
    """Return `tool` without some of its parameters."""
    properties = tool.parameters.get("properties", {})
    kept = {name: shape for name, shape in properties.items() if name not in names}
    if len(kept) == len(properties):
        return tool
    return replace(tool, parameters={**tool.parameters, "properties": kept})


def _plan_form(tools: tuple[ToolSpec, ...]) -> Form:
    return Shape(plan_schema(tools))


def _step_form(machine: Machine, tools: tuple[ToolSpec, ...]) -> Form:
    offered = {tool.name for tool in tools}
    if not offered:
        return FreeForm()
    if machine.tries.must_read:
        return OneCall()
    last = machine.tries.findings[-1] if machine.tries.findings else None
    if last is not None and last.kind in RESTATED and last.tool in offered:
        return OneCall(last.tool)
    missing = [name for name in missing_calls(machine) if name in offered]
    if missing:
        can_look = any(tool.handles for tool in tools)
        return OneCall(missing[0] if len(missing) == 1 and not can_look else "")
    return OneCall() if last is not None and not machine.tries.succeeded else FreeForm()
