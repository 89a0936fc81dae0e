"""Runs a tool so that no effect is lost, repeated or guessed.

Invariants: a call that may have happened is repeated only if its tool allows it; otherwise the tool is asked
whether it happened, and if it can't tell, the outcome is unknown. A tool's time is limited. Whatever a tool
returns or raises, the event can be recorded; processing a long result does not block the event loop.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeAlias, TypeVar

from msgspec.structs import replace

from nebulus.adapters.tools.results import recordable, recordable_failure
from nebulus.core.commands import RunTool
from nebulus.core.events import OutcomeUnknown, ToolFailed, ToolReturned, WorkerBlocked
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Finding
from nebulus.core.outcome import Question
from nebulus.core.references import references_in
from nebulus.core.text import bounded, message_of
from nebulus.core.tools import Effect, ToolResult, ToolSpec
from nebulus.loop.given import real_arguments
from nebulus.memory.record import RECORDED_CHARS, needs_store, stored_result
from nebulus.ports.tool import Handed, Tool, ToolOutput, Worker
from nebulus.recovery.classify import of_exception
from nebulus.recovery.results import did_nothing, fault_of, is_ambiguous
from nebulus.recovery.waiting import asked_wait_s
from nebulus.runtime.world import World

_log = logging.getLogger("nebulus.tools")

Ended: TypeAlias = ToolReturned | ToolFailed | OutcomeUnknown
ToolEvent: TypeAlias = Ended | WorkerBlocked
P = ParamSpec("P")
R = TypeVar("R")

LOOP_CHARS = 1 << 16
"""The longest text that is processed in the event loop: a few milliseconds of work."""


async def run_tool(command: RunTool, world: World, *, may_have_run: bool) -> ToolEvent:
    """Run an allowed call, or find out how an earlier attempt at it ended."""
    tool = world.tools[command.call.tool]
    if may_have_run and not tool.spec.is_repeatable:
        known = await _reconcile(tool, command, "the process ended while the call was under way")
        if known is not None:
            return known
    began, name = world.clock.now_s(), f"tool {tool.spec.name}"
    resting = world.breakers.refusal(name, fault=Fault.TOOL, now_s=began)
    if resting is not None:
        return ToolFailed(call_id=command.call.call_id, failure=resting)
    lost = None if may_have_run else _would_be_lost(command, world)
    if lost is not None:
        return ToolFailed(call_id=command.call.call_id, failure=lost)
    event = await _attempt(tool, command, world)
    if isinstance(event, ToolFailed):
        event = replace(event, failure=recordable_failure(event.failure))
    failure = event.failure if isinstance(event, ToolFailed) else None
    world.breakers.saw(name, failure, now_s=world.clock.now_s())
    return event if isinstance(event, OutcomeUnknown) else replace(event, took_s=_since(began, world))


def with_real_values(command: RunTool, world: World) -> RunTool | ToolFailed:
    """Return `command` with what its references stand for; the failure of the call if that can't be read any more."""
    spec = world.tools[command.call.tool].spec
    references = references_in(spec, command.call.arguments)
    if not references:
        return command
    if references.keys() <= command.results.keys():
        real = real_arguments(spec, command.call.arguments, command.results, stored=world.artifacts.get)
        if not isinstance(real, Finding):
            return replace(command, call=replace(command.call, arguments=real), results={})
    why = f"what {spec.name} was given by reference can't be read any more"
    return ToolFailed(call_id=command.call.call_id, failure=_failure(FailureKind.OURS, why))


def _would_be_lost(command: RunTool, world: World) -> Failure | None:
    """Return the failure of a call that would overwrite a file whose content the run has not seen; None if none is."""
    if world.workspace is None or not any(map(world.workspace.has, command.unseen)):
        return None
    path = next(filter(world.workspace.has, command.unseen))
    return Failure(
        kind=FailureKind.CONFLICT,
        fault=Fault.MODEL,
        what=f"{path} exists already, and this run has not read it: its content would be lost",
        fix=f"give another path, or read {path} first",
    )


async def _attempt(tool: Tool, command: RunTool, world: World) -> ToolEvent:
    """Run a call once, and return the event that says how it ended."""
    try:
        async with asyncio.timeout(tool.spec.timeout_s):
            came = await _performed(tool, command)
    except TimeoutError:
        failure = _failure(
            FailureKind.TIMEOUT, f"{tool.spec.name} took longer than {tool.spec.timeout_s:g} s"
        )
        return await _after_break(tool, command, failure)
    except Exception as error:  # noqa: BLE001 - a tool's own error: recorded as a failure or as unknown, never lost
        return await _after_break(tool, command, _raised(tool.spec, error))
    if isinstance(came.output, Question):
        return WorkerBlocked(call_id=command.call.call_id, question=came.output, handed=came.back)
    event = await _after_return(tool, command, came.output, world=world)
    return event if isinstance(event, OutcomeUnknown) else replace(event, handed=came.back)


async def _performed(tool: Tool, command: RunTool) -> Handed:
    """Perform the call, by a worker if it is one's."""
    arguments = dict(command.call.arguments)
    if command.handed is not None and isinstance(tool, Worker):
        return await tool.hand_over(arguments, command.key, command.handed)
    return Handed(await tool.run(arguments, command.key))


async def _after_return(tool: Tool, command: RunTool, given: ToolOutput | Failure, *, world: World) -> Ended:
    """Return the event for what a tool returned, once it is known to be what it promises."""
    output = recordable(given)
    if output is None:
        what = f"{tool.spec.name} returned a {type(given).__name__}, not a ToolOutput or a Failure"
        return await _after_break(tool, command, _failure(FailureKind.OURS, what))
    if isinstance(output, Failure):
        return ToolFailed(call_id=command.call.call_id, failure=output)
    if output.is_lost:
        return _lost(output, tool.spec, command)
    wrong = await _off_loop(len(output.text), fault_of, output.text, tool.spec)
    if wrong is not None:
        if is_ambiguous(wrong):
            return await _after_break(tool, command, wrong)
        return ToolFailed(call_id=command.call.call_id, failure=wrong)
    if await _did_nothing(tool, command):
        return ToolFailed(call_id=command.call.call_id, failure=did_nothing(tool.spec))
    result = await _off_loop(len(output.text), _recorded, output, command, world)
    return ToolReturned(call_id=command.call.call_id, result=result)


async def _off_loop(size_chars: int, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function in a thread where a text of `size_chars` makes it long."""
    if size_chars <= LOOP_CHARS:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)


def _lost(output: ToolOutput, spec: ToolSpec, command: RunTool) -> Ended:
    """Return the event of a call whose result can't be recorded: a failure where it only reads, else a loss."""
    what = f"{spec.name} did its work, and its result can't be recorded: {output.text}"
    if spec.effect is Effect.READ:
        return ToolFailed(call_id=command.call.call_id, failure=_failure(FailureKind.MALFORMED_ANSWER, what))
    result = ToolResult(text=bounded(what, RECORDED_CHARS), is_trusted=output.is_trusted, is_lost=True)
    return ToolReturned(call_id=command.call.call_id, result=result)


async def _did_nothing(tool: Tool, command: RunTool) -> bool:
    """Whether a call reported success while the tool's own check finds no effect."""
    if tool.spec.effect is Effect.READ or not tool.spec.has_check:
        return False
    return await _happened(tool, command) is False


async def _happened(tool: Tool, command: RunTool) -> bool | None:
    """Ask the tool's own check; one that breaks can't tell."""
    try:
        return await tool.has_happened(dict(command.call.arguments), command.key)
    except Exception as error:  # noqa: BLE001 - a tool's own error: logged, and the outcome is unknown
        _log.warning("check of %r raised %s: %s", tool.spec.name, type(error).__name__, message_of(error))
        return None


async def _after_break(tool: Tool, command: RunTool, failure: Failure) -> Ended:
    """Decide whether the call did not happen, may be repeated, or has an unknown outcome."""
    if tool.spec.is_repeatable:
        return ToolFailed(call_id=command.call.call_id, failure=failure)
    known = await _reconcile(tool, command, failure.what)
    return known or ToolFailed(call_id=command.call.call_id, failure=failure)


async def _reconcile(tool: Tool, command: RunTool, why: str) -> ToolReturned | OutcomeUnknown | None:
    """Ask the tool whether the call happened; None means that it certainly did not."""
    match await _happened(tool, command) if tool.spec.has_check else None:
        case True:
            text = f"{tool.spec.name} had taken effect; its result was lost"
            result = ToolResult(text=text, is_lost=True)
            return ToolReturned(call_id=command.call.call_id, result=result)
        case False:
            return None
        case _:
            return OutcomeUnknown(call_id=command.call.call_id, why=why)


def _recorded(output: ToolOutput, command: RunTool, world: World) -> ToolResult:
    """Return the result as it is recorded. An excerpt of a stored result is not stored again."""
    spec = world.tools[command.call.tool].spec
    is_piece = bool(spec.handles) and len(output.text) <= RECORDED_CHARS
    if is_piece or not needs_store(output.text):
        size_bytes = len(output.text.encode())
        return ToolResult(
            text=output.text, fields=output.fields, size_bytes=size_bytes, is_trusted=output.is_trusted
        )
    text = world.secrets.hide_all(output.text)
    address = world.artifacts.put(text)
    told = stored_result(text, address=address, is_trusted=output.is_trusted, reads=command.reads)
    return replace(told, fields=output.fields)


def _since(began: float, world: World) -> float:
    return round(world.clock.now_s() - began, 6)


def _raised(spec: ToolSpec, error: Exception) -> Failure:
    """Return an exception of a tool as a failure; one that is not recognised counts as a defect of the tool."""
    failure = _failure(FailureKind.OURS, f"{spec.name} raised {type(error).__name__}: {message_of(error)}")
    try:
        found, wait_s = of_exception(error), asked_wait_s(error, now_s=time.time())
    except Exception:  # noqa: BLE001 - an exception whose own code breaks is a defect of its tool
        return failure
    kind = FailureKind.OURS if found.kind is FailureKind.PERMANENT else found.kind
    return replace(failure, kind=kind, recognised=found.how, retry_after_s=wait_s)


def _failure(kind: FailureKind, what: str) -> Failure:
    return Failure(
        kind=kind, fault=Fault.TOOL, what=what, fix="check the tool's own log, or give it more time"
    )
