"""The tool that runs a command in a sandbox."""

from typing import Annotated

from msgspec import Meta

from nebulus.core.failure import Failure
from nebulus.ports.guard import Sandbox
from nebulus.ports.tool import ToolOutput

LONGEST_S = 600
"""The most patience that a model may ask for, in seconds."""

Patience = Annotated[int, Meta(ge=1, le=LONGEST_S)]


class Commands:
    """Commands in a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def run_command(self, command: str, timeout_s: Patience = 60) -> ToolOutput | Failure:
        """Run a shell command in the workspace. There is no network.

        Args:
            command: The command, as for sh.
            timeout_s: Seconds after which it is stopped.
        """
        ended = await self._sandbox.run(("/bin/sh", "-c", command), timeout_s=timeout_s)
        if isinstance(ended, Failure):
            return ended
        notes = [f"(exit code {ended.exit_code})"]
        if ended.is_timeout:
            notes = [f"(stopped after {timeout_s} s; what it did until then remains)"]
        if ended.is_cut:
            notes.append("(the output was cut in the middle)")
        output = ended.output.rstrip("\n")
        return ToolOutput(
            text="\n".join([*([output] if output else []), *notes]),
            fields={"exit_code": ended.exit_code, "is_timeout": ended.is_timeout},
            is_trusted=False,
        )
