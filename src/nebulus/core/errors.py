"""The exceptions of Nebulus. What is expected (a refusal, a limit, bad arguments of a model) is a value instead.

NebulusError
├── ConfigError          a setting, a flag or a file of the user is wrong; nothing was started
├── ToolDefinitionError  a function can't be made into a tool
├── RunBusyError         another process is working on this run
├── RunUnknownError      no run has this name
├── RunCancelledError    somebody asked this run to stop; it stopped between two steps
├── JournalError         a record can't be read, or contradicts the run
├── IllegalEventError    the machine's table does not allow this event here
├── StoreError           the engine's storage refused (full disk, read-only folder)
├── BackendError         a model server did not give a usable answer; carries the Failure
├── ToolError            a tool can't do what it was asked, and nothing happened; carries the Failure
└── SandboxError         a command can't be contained here
"""

from typing import ClassVar

from nebulus.core.failure import Failure, FailureKind, Fault


class NebulusError(Exception):
    """The base of all. The message says what, with which value, and what would fix it.

    `what` and `fix` are its two parts; `fix` is "" where nothing is known that would.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, what: str = "", *, fix: str = "") -> None:
        super().__init__(f"{what}; {fix}" if fix else what)
        self.what = what
        self.fix = fix


class ConfigError(NebulusError):
    """A setting, a flag or a file of the user is wrong."""


class ToolDefinitionError(NebulusError):
    """A function can't be made into a tool."""


class RunBusyError(NebulusError):
    """Another process is working on this run."""

    retryable = True


class RunUnknownError(NebulusError):
    """No run has this name."""


class RunCancelledError(NebulusError):
    """Somebody asked this run to stop, and it stopped between two steps. It can be resumed."""


class JournalError(NebulusError):
    """A record can't be read, or contradicts the run."""


class IllegalEventError(NebulusError):
    """The machine's table does not allow this event in this phase."""


class StoreError(NebulusError):
    """The engine's storage refused, for example because the disk is full."""


class SandboxError(NebulusError):
    """A command can't be contained on this machine."""


class BackendError(NebulusError):
    """A model server did not give a usable answer."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence())
        self.failure = failure


class ToolError(NebulusError):
    """A tool can't do what it was asked, and nothing happened. Raised by the code of a tool.

    `what` says what went wrong, `value` with which value, `fix` what the caller should do instead:
    all three are shown to the model.
    """

    def __init__(
        self,
        what: str,
        *,
        kind: FailureKind = FailureKind.PERMANENT,
        value: str = "",
        fix: str = "",
        retry_after_s: float = 0.0,
    ) -> None:
        self.failure = Failure(
            kind=kind, fault=Fault.TOOL, what=what, value=value, fix=fix, retry_after_s=retry_after_s
        )
        super().__init__(self.failure.sentence())
