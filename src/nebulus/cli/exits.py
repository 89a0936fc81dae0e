"""How a command ends: one number for each kind of ending, and the failure envelope of an error."""

import signal
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import assert_never

from nebulus.core.errors import (
    BackendError,
    ConfigError,
    IllegalEventError,
    JournalError,
    NebulusError,
    RunBusyError,
    RunCancelledError,
    RunUnknownError,
    SandboxError,
    StoreError,
    ToolDefinitionError,
    ToolError,
)
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.outcome import Blocked, Done, Exhausted, Failed, Outcome, Proof, Refused


class Exit(IntEnum):
    """What a script reads of a command."""

    DONE = 0
    DEFECT = 1
    """Nebulus itself broke."""
    USAGE = 2
    """A flag, a setting or a file of the user's is wrong; nothing was begun."""
    BLOCKED = 3
    REFUSED = 4
    EXHAUSTED = 5
    FAILED = 6
    UNAVAILABLE = 7
    """The run is unknown, or another process is working on it."""
    CLAIMED = 8
    """The goal is met, but only the model says so, and `--require-proof` asked for more."""
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143
    """The last three are 128 and the number of the signal, as shells report it."""


_ERRORS: Mapping[type[NebulusError], tuple[Exit, FailureKind, Fault]] = MappingProxyType(
    {
        ConfigError: (Exit.USAGE, FailureKind.INVALID_ARGUMENTS, Fault.CONTRACT),
        ToolDefinitionError: (Exit.USAGE, FailureKind.INVALID_ARGUMENTS, Fault.CONTRACT),
        SandboxError: (Exit.USAGE, FailureKind.PERMISSION, Fault.RUNTIME),
        RunUnknownError: (Exit.UNAVAILABLE, FailureKind.NOT_FOUND, Fault.CONTRACT),
        RunBusyError: (Exit.UNAVAILABLE, FailureKind.CONFLICT, Fault.RUNTIME),
        RunCancelledError: (Exit.INTERRUPTED, FailureKind.CONFLICT, Fault.CONTRACT),
        JournalError: (Exit.FAILED, FailureKind.PERMANENT, Fault.RUNTIME),
        IllegalEventError: (Exit.FAILED, FailureKind.OURS, Fault.RUNTIME),
        StoreError: (Exit.FAILED, FailureKind.PERMANENT, Fault.RUNTIME),
        BackendError: (Exit.FAILED, FailureKind.PERMANENT, Fault.BACKEND),
        ToolError: (Exit.FAILED, FailureKind.PERMANENT, Fault.TOOL),
    }
)


def exit_of(outcome: Outcome, *, requires_proof: bool = False) -> Exit:
    """Return the exit code of a run that ended in `outcome`; `requires_proof`: a claimed end has its own."""
    match outcome:
        case Done(proof=proof):
            return Exit.CLAIMED if requires_proof and proof is Proof.CLAIMED else Exit.DONE
        case Blocked():
            return Exit.BLOCKED
        case Refused():
            return Exit.REFUSED
        case Exhausted():
            return Exit.EXHAUSTED
        case Failed():
            return Exit.FAILED
        case _:
            assert_never(outcome)


def exit_of_signal(number: int) -> Exit:
    """Return the exit code of a command that a signal ended; 0 is Ctrl-C."""
    match number:
        case signal.SIGTERM:
            return Exit.TERMINATED
        case signal.SIGHUP:
            return Exit.HUNG_UP
        case _:
            return Exit.INTERRUPTED


def exit_of_error(error: NebulusError) -> Exit:
    """Return the exit code of a command that `error` ended."""
    return _row(error)[0]


def envelope(error: NebulusError) -> Failure:
    """Return `error` as the failure that every surface shares: what it carries, or what it says."""
    if isinstance(error, BackendError | ToolError):
        return error.failure
    _, kind, fault = _row(error)
    return Failure(kind=kind, fault=fault, what=error.what, fix=error.fix)


def _row(error: NebulusError) -> tuple[Exit, FailureKind, Fault]:
    found = (row for kind in type(error).__mro__ for known, row in _ERRORS.items() if kind is known)
    return next(found, (Exit.FAILED, FailureKind.OURS, Fault.RUNTIME))
