"""A sandbox that runs nothing."""

from collections.abc import Callable
from typing import TypeAlias

from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.tools import SandboxLevel
from nebulus.ports.guard import CommandResult

Answer: TypeAlias = Callable[[tuple[str, ...], float], CommandResult | Failure]


def succeed(argv: tuple[str, ...], timeout_s: float) -> CommandResult | Failure:
    """Answer every command with exit code 0 and no output."""
    return CommandResult(exit_code=0, output="")


class FakeSandbox:
    """Claims a level, answers commands from a function, and lists them in `commands`."""

    def __init__(self, answer: Answer = succeed, *, level: SandboxLevel = SandboxLevel.NAMESPACES) -> None:
        self._answer = answer
        self._level = level
        self.commands: list[tuple[str, ...]] = []

    @property
    def level(self) -> SandboxLevel:
        """The level that it claims."""
        return self._level

    async def run(self, argv: tuple[str, ...], *, timeout_s: float) -> CommandResult | Failure:
        """Answer as scripted; at level NONE, refuse like the real one."""
        self.commands.append(argv)
        if self._level is SandboxLevel.NONE:
            return Failure(
                kind=FailureKind.PERMISSION,
                fault=Fault.POLICY,
                what="commands can't be contained on this machine: it is a fake",
                fix="claim another level",
            )
        return self._answer(argv, timeout_s)
