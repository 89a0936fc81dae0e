"""The request to a model: what it is shown, which tools it is offered, and in which form it must answer.

Requests are composed when a model is asked, never stored: replaying a run composes none. Something changes from one
attempt to the next (form, temperature, seed).
"""

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.answers import Form, FreeForm, ModelRequest, OneCall, Shape
from nebulus.core.commands import AskModel
from nebulus.core.findings import FindingKind
from nebulus.core.plan import GOAL
from nebulus.core.prompt import Piece, Prompt
from nebulus.core.result import ResultSpec
from nebulus.core.tiers import StepKind, Tier
from nebulus.core.tools import Effect, ToolSpec
from nebulus.loop.ending_tools import ending_tools
from nebulus.loop.machine import Machine
from nebulus.loop.phases import Extracting, Task, Working
from nebulus.loop.proposal import plan_schema
from nebulus.loop.steps import still_required
from nebulus.memory.answer import answer_form, closing_pieces, compose_answer
from nebulus.memory.choice import artifacts_for
from nebulus.memory.extract import compose_reading
from nebulus.memory.next_call import compose_next
from nebulus.memory.offer import named_tools, offer
from nebulus.memory.prompt import compose_plan, compose_step
from nebulus.memory.recall import Index
from nebulus.memory.window import estimated, room_bytes, tools_bytes
from nebulus.recovery.strategy import RESTATED

TEMPERATURES = (0.0, 0.3, 0.7)
"""The temperature of each attempt: greedy first, then higher, since a blind repeat reproduces the error."""


OPEN_TOOLS_SHARE = 0.5
"""The share of the room that the tools of an open step may take. As long as all fit, all are shown: one that is not
shown can't be chosen, in the whole run.
"""


class ComposedRequest(Struct, frozen=True, kw_only=True):
    """A request, the prompt that it contains, and its size.

    `is_tight`: by the estimate, prompt and answer may not fit, so the tokens are counted exactly before it is sent.
    `tools_shown` names the tools whose order the next prompt keeps; it is empty if this prompt narrowed the tools.
    """

    request: ModelRequest
    prompt: Prompt
    size_bytes: int
    is_tight: bool = False
    tools_shown: tuple[str, ...] = ()


def compose(machine: Machine, command: AskModel, index: Index | None = None) -> ComposedRequest:
    """Return the request for `command`, composed to fit its tier's window.

    `index` finds facts by words; it must cover the facts of the machine's state. If it is None, one is made.

    Raises:
        LookupError: there is no such step, call or tier.
    """
    task, tier = machine.task(command.step), machine.config.tier(command.tier)
    room = room_bytes(machine.tokens_per_byte.get(tier.name, 0.0), tier.room_tokens)
    tools: tuple[ToolSpec, ...] = ()
    shown: tuple[str, ...] = ()
    match command.kind:
        case StepKind.EXTRACT:
            _, flight = machine.find_flight(command.call_id)
            assert isinstance(flight.state, Extracting)
            prompt, form = compose_reading(flight.state.unread, room_bytes=room)
        case StepKind.PLAN:
            tools = tuple(tool for tool in machine.config.tools if not tool.handles)
            prompt, form = compose_plan(machine.state), Shape(plan_schema(tools))
        case StepKind.ANSWER:
            spec = machine.state.goal.result
            assert spec is not None
            if machine.state.plan.origin == GOAL:
                tools, prompt, form = _closing_answer(machine, tier, spec, room_bytes=room)
            else:
                prompt = compose_answer(machine.state, spec, room_bytes=room, index=index)
                form = answer_form(spec)
        case StepKind.EXECUTE:
            tools = tools_for(machine, task, tier)
            if machine.state.step(task.step).is_open:
                tools, prompt, form = _next_call(machine, task, tools, room_bytes=room)
            else:
                tools, prompt, form = _step_call(machine, task, tools, room_bytes=room, index=index)
            if not (task.attempts.findings or task.attempts.avoided_tools or task.attempts.must_read):
                shown = tuple(tool.name for tool in tools)
    size = prompt.size_bytes + tools_bytes(tools)
    tokens = estimated(machine.tokens_per_byte.get(tier.name, 0.0), size)
    return ComposedRequest(
        request=_request(prompt, tools, form, tier=tier, attempt=command.attempt),
        prompt=prompt,
        size_bytes=size,
        is_tight=tokens > tier.room_tokens,
        tools_shown=shown,
    )


def _step_call(
    machine: Machine, task: Task, tools: tuple[ToolSpec, ...], *, room_bytes: int, index: Index | None
) -> tuple[tuple[ToolSpec, ...], Prompt, Form]:
    """Return the tools, the prompt and the form of the answer for a step of a plan."""
    form = _step_form(machine, task, tools)
    is_narrow = isinstance(form, OneCall) and bool(form.tool) and bool(task.attempts.findings)
    if isinstance(form, OneCall) and is_narrow:
        tools = tuple(tool for tool in tools if tool.name == form.tool)
    prompt = compose_step(
        machine.state,
        step=task.step,
        resolves=machine.config.resolves_references,
        index=index,
        room_bytes=room_bytes - tools_bytes(tools),
        is_narrow=is_narrow,
    )
    return tools, prompt, form


def _next_call(
    machine: Machine, task: Task, tools: tuple[ToolSpec, ...], *, room_bytes: int
) -> tuple[tuple[ToolSpec, ...], Prompt, Form]:
    """Return the tools, the prompt and the form of the answer for an open step: one call, or the end of the work."""
    tools, prompt = _open_prompt(machine, task, tools, room_bytes=room_bytes)
    findings = task.attempts.findings
    barred = {one.tool for one in findings if one.kind is FindingKind.NO_PROGRESS and one.tool}
    is_ending = any(one.kind in (FindingKind.UNUSED, FindingKind.GAVE_UP) for one in findings)
    if is_ending and machine.unused_paths and not any(record.is_change for record in machine.calls):
        ending = ending_tools(machine.config.tools)
        barred |= {spec.name for spec in ending.specs}  # it was told what is missing: it must try something
    return tools, prompt, OneCall(barred=tuple(sorted(barred))) if tools else FreeForm()


def _closing_answer(
    machine: Machine, tier: Tier, spec: ResultSpec, *, room_bytes: int
) -> tuple[tuple[ToolSpec, ...], Prompt, Form]:
    """Return the request for the answer after an open step: as those before it, with the question at the end."""
    task = Task(kind=StepKind.EXECUTE, step=machine.state.plan.steps[-1].number)
    closing = closing_pieces(machine.state, spec, said=machine.closing_words)
    tools = tools_for(machine, task, tier)
    tools, prompt = _open_prompt(machine, task, tools, room_bytes=room_bytes, closing=closing)
    return tools, prompt, answer_form(spec, has_tools=bool(tools))


def _open_prompt(
    machine: Machine,
    task: Task,
    tools: tuple[ToolSpec, ...],
    *,
    room_bytes: int,
    closing: tuple[Piece, ...] = (),
) -> tuple[tuple[ToolSpec, ...], Prompt]:
    """Return the tools of an open step with those that end it, and its prompt."""
    ending = ending_tools(machine.config.tools)
    if tools and not task.attempts.must_read:
        tools = (*tools, *ending.specs)
    prompt = compose_next(
        machine.state,
        step=task.step,
        ending=(ending.finish.name, ending.give_up.name),
        room_bytes=room_bytes - tools_bytes(tools),
        closing=closing,
    )
    return tools, prompt


def _request(
    prompt: Prompt, tools: tuple[ToolSpec, ...], form: Form, *, tier: Tier, attempt: int
) -> ModelRequest:
    return ModelRequest(
        messages=prompt.messages(),
        tools=tools,
        form=form,
        max_tokens=tier.reserve_tokens,
        reasoning_tokens=tier.reasoning_tokens,
        temperature=TEMPERATURES[min(attempt, len(TEMPERATURES) - 1)],
        seed=attempt,
    )


def minimal_requests(machine: Machine) -> tuple[tuple[str, ComposedRequest], ...]:
    """Return, for each tier that may be asked first, the largest request that the run can't do without.

    It consists of instructions, tools, goal, constraints and step, without anything remembered.
    """
    if not machine.tasks:
        return ()
    task = machine.tasks[0]
    numbers = [step.number for step in machine.state.plan.steps] or [0]
    return tuple(
        (tier.name, max((_first_request(machine, number, tier) for number in numbers), key=_size))
        for tier in machine.config.tiers_for(task.kind)
    )


def _first_request(machine: Machine, step: int, tier: Tier) -> ComposedRequest:
    kind = StepKind.EXECUTE if step else machine.tasks[0].kind
    alone = Task(kind=kind, step=step)
    at_step = replace(machine, phase=Working((alone,))) if step else machine
    return compose(at_step, AskModel(step=step, kind=kind, tier=tier.name))


def _size(composed: ComposedRequest) -> int:
    return composed.size_bytes


def tools_for(machine: Machine, task: Task, tier: Tier) -> tuple[ToolSpec, ...]:
    """Return the tools that a step is shown on `tier`.

    A tool that reads stored results is shown if the step names it, or if there is a stored result for the step.
    """
    if task.attempts.must_read and (readers := offered_readers(machine, task, tier)):
        return readers
    step = machine.state.step(task.step)
    known = tuple(tool for tool in machine.config.tools if tool.name not in task.attempts.avoided_tools)
    working = [tool for tool in known if not tool.handles]
    most = _most_tools(machine, tier, working) if step.is_open else tier.tools_shown
    shown = offer(step, working, most=most, before=machine.tools_shown)
    opening = [tool for tool in known if tool.handles]
    if not opening:
        return shown
    named = {*named_tools(step.text, opening), *step.tools}
    has_stored = bool(artifacts_for(machine.state, step.text, step=task.step))
    return (*shown, *(tool for tool in opening if has_stored or tool.name in named))


def _most_tools(machine: Machine, tier: Tier, tools: list[ToolSpec]) -> int:
    """Return how many of `tools` an open step is shown on `tier`: all, if they fit their share of the room."""
    room = OPEN_TOOLS_SHARE * room_bytes(machine.tokens_per_byte.get(tier.name, 0.0), tier.room_tokens)
    size = tools_bytes(tuple(tools))
    return len(tools) if size <= room else max(tier.tools_shown, int(len(tools) * room / size))


def offered_readers(machine: Machine, task: Task, tier: Tier) -> tuple[ToolSpec, ...]:
    """Return the tools that a step may use and that only read."""
    readers = [tool for tool in machine.config.tools if tool.effect is Effect.READ and not tool.handles]
    return offer(machine.state.step(task.step), readers, most=tier.tools_shown)


def _step_form(machine: Machine, task: Task, tools: tuple[ToolSpec, ...]) -> Form:
    attempts, offered = task.attempts, {tool.name for tool in tools}
    if not offered:
        return FreeForm()
    if attempts.must_read:
        return OneCall()
    last = attempts.findings[-1] if attempts.findings else None
    if last is not None and last.kind in RESTATED and last.tool in offered:
        return OneCall(last.tool)
    missing = [name for name in still_required(machine, task) if name in offered]
    if missing:
        can_look = any(tool.handles for tool in tools)
        return OneCall(missing[0] if len(missing) == 1 and not can_look else "")
    return OneCall() if last is not None and not attempts.succeeded else FreeForm()
