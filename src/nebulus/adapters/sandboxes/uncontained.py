"""No containment: every command is refused, with the reason and what would fix it."""

from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.tools import SandboxLevel
from nebulus.ports.guard import CommandResult


class Uncontained:
    """The sandbox of level NONE. `reason` says what is missing here, `cure` what would change that."""

    def __init__(self, *, reason: str, cure: str) -> None:
        self.reason = reason
        self.cure = cure

    @property
    def level(self) -> SandboxLevel:
        """The level: no containment."""
        return SandboxLevel.NONE

    async def run(self, argv: tuple[str, ...], *, timeout_s: float) -> CommandResult | Failure:
        """Refuse the command. Nothing is started."""
        return Failure(
            kind=FailureKind.PERMISSION,
            fault=Fault.POLICY,
            what=f"commands can't be contained on this machine: {self.reason}",
            value=" ".join(argv)[:200],
            fix=self.cure,
        )
