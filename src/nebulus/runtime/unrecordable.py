"""No value can make a run unreadable: every event is read back before it is recorded.

What can't be read back (a number that is not one, text that is not Unicode) becomes a typed failure, and where an
effect may have happened, a result that is known to be lost.
"""

from msgspec.structs import replace

from nebulus.core.errors import JournalError
from nebulus.core.events import Event, ModelAnswered, ModelFailed, PersonAnswered, ToolFailed, ToolReturned
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.journal import decode_event, encode_event
from nebulus.core.tools import Effect, ToolResult
from nebulus.loop.machine import Machine


def recordable(event: Event, machine: Machine) -> tuple[Event, bytes]:
    """Return `event` as it will be read back, and its encoding; or the event that says why it can't be recorded.

    Raises:
        JournalError: an event of the runtime's own can't be recorded.
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
            tool = flight.call.tool
            what = f"{tool} returned a value that can't be recorded"
            if machine.config.tool(tool).effect is Effect.READ:
                return ToolFailed(call_id=call_id, failure=_failure(Fault.TOOL, what, why))
            result = ToolResult(text=f"{what}; it took effect", is_lost=True)
            return ToolReturned(call_id=call_id, result=result, took_s=_seconds(event.took_s))
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
        case PersonAnswered():
            return replace(event, text="", by="")
        case _:
            raise JournalError(f"{type(event).__name__} can't be recorded: {why}")


def _failure(fault: Fault, what: str, why: str) -> Failure:
    reason = why.encode("ascii", "backslashreplace").decode()
    return Failure(kind=FailureKind.OURS, fault=fault, what=what, value=reason, fix="correct what it returns")


def _seconds(value: float) -> float:
    return value if 0 <= value < 1e9 else 0.0
