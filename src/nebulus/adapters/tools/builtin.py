"""The tools that come with a workspace, each with what it does to the world."""

from nebulus.adapters.tools.commands import LONGEST_S, Commands
from nebulus.adapters.tools.files import FileChanges, FileReading
from nebulus.adapters.tools.function import tool
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.core.tools import Effect, SandboxLevel
from nebulus.ports.guard import Sandbox
from nebulus.ports.tool import Tool

_STOPPING_S = 30.0
"""What the runtime allows a stopped command to end, beyond the command's own patience."""


def builtin_tools(workspace: FolderWorkspace, sandbox: Sandbox | None) -> tuple[Tool, ...]:
    """Return the file tools of `workspace`, and `run_command` where there is a sandbox.

    What stands in files, what they are called, and what commands print is text from outside, and is marked so.
    """
    return (
        *_reading_tools(FileReading(workspace.tree)),
        *_changing_tools(FileChanges(workspace.tree)),
        *(_command_tools(Commands(sandbox)) if sandbox else ()),
    )


def _reading_tools(files: FileReading) -> tuple[Tool, ...]:
    return (
        tool(effect=Effect.READ, paths=("path",), facts=("total",), untrusted=True)(files.list_files),
        tool(effect=Effect.READ, paths=("path",), untrusted=True)(files.read_file),
        tool(effect=Effect.READ, paths=("path",), untrusted=True)(files.search_files),
    )


def _changing_tools(files: FileChanges) -> tuple[Tool, ...]:
    return (
        tool(effect=Effect.WRITE, paths=("path",), idempotent=True, check=files.has_written)(
            files.write_file
        ),
        tool(effect=Effect.WRITE, paths=("path",), check=files.has_edited)(files.edit_file),
        tool(effect=Effect.WRITE, paths=("source", "target"), check=files.has_moved)(files.move_file),
        tool(effect=Effect.IRREVERSIBLE, paths=("path",), check=files.has_deleted)(files.delete_file),
    )


def _command_tools(commands: Commands) -> tuple[Tool, ...]:
    contained = tool(
        effect=Effect.WRITE,
        untrusted=True,
        timeout_s=LONGEST_S + _STOPPING_S,
        least_sandbox=SandboxLevel.LANDLOCK,
        facts=("exit_code",),
    )
    return (contained(commands.run_command),)
