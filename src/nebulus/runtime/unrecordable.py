"""Ensures that no value makes a run unreadable: every event is decoded again before it is recorded.

What can't be decoded (a number that is not finite, text that is not Unicode) becomes a typed failure or, if an effect
may have happened, a result that is known to be lost.
"""

from msgspec.structs import replace

from nebulus.core.errors import JournalError
from nebulus.core.events import (
    Event,
    ModelAnswered,
    ModelFailed,
    OutcomeUnknown,
    PersonAnswered,
    ToolFailed,
    ToolReturned,
)
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.journal import decode_event, encode_event
from nebulus.core.tools import Effect, ToolResult, ToolSpec
from nebulus.loop.machine import Machine


def recordable(event: Event, machine: Machine) -> tuple[Event, bytes]:
    """Return `event` as it will be decoded, and its encoding; or the event that says why it can't be recorded.

    Raises:
        JournalError: an event of the runtime itself can't be recorded.
    """
    try:
        return _read_back(event)
    except (JournalError, UnicodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
        return _read_back(_instead(event, machine, str(error)[:200]))


def _read_back(event: Event) -> tuple[Event, bytes]:
    data = encode_event(event)
    return decode_event(data), data


def _instead(event: Event, machine: Machine, why: str) -> Event:
    match event:
        case ToolReturned(call_id=call_id):
            _, flight = machine.find_flight(call_id)
            return unrecordable_result(call_id, machine.config.tool(flight.call.tool), why)
        case ToolFailed(call_id=call_id):
            failure = _failure(Fault.TOOL, "the tool failed with a value that can't be recorded", why)
            return ToolFailed(call_id=call_id, failure=failure)
        case ModelAnswered() | ModelFailed():
            return ModelFailed(
                step=event.step,
                kind=event.kind,
                tier=event.tier,
                call_id=event.call_id,
                failure=_failure(Fault.BACKEND, "the answer contains a value that can't be recorded", why),
            )
        case OutcomeUnknown():
            return replace(event, why=f"the tool broke in a way that can't be recorded: {_ascii(why)}")
        case PersonAnswered():
            return replace(event, text="", by="")
        case _:
            raise JournalError(f"{type(event).__name__} can't be recorded: {why}")


def unrecordable_result(call_id: str, spec: ToolSpec, why: str) -> ToolReturned | ToolFailed:
    """Return the event for a call whose result can't be recorded: a failure, or for an effect, a lost result."""
    what = f"{spec.name} returned a value that can't be recorded"
    if spec.effect is Effect.READ:
        return ToolFailed(call_id=call_id, failure=_failure(Fault.TOOL, what, why))
    return ToolReturned(call_id=call_id, result=ToolResult(text=f"{what}; it took effect", is_lost=True))


def _failure(fault: Fault, what: str, why: str) -> Failure:
    return Failure(
        kind=FailureKind.OURS, fault=fault, what=what, value=_ascii(why), fix="correct what it returns"
    )


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()
