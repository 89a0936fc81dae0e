"""The tools that come with a workspace, each with what it does to the world."""

from nebulus.adapters.tools.calculator import calculate
from nebulus.adapters.tools.commands import LONGEST_S, Commands
from nebulus.adapters.tools.files import FileChanges, FileReading
from nebulus.adapters.tools.function import tool
from nebulus.adapters.tools.groups import ALL_GROUPS, ToolGroups
from nebulus.adapters.tools.tables.tool import Tables
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.core.tools import Effect, SandboxLevel
from nebulus.ports.guard import Sandbox
from nebulus.ports.tool import Tool

_STOPPING_S = 30.0
"""What the runtime allows a stopped command to end, beyond the command's own patience."""


def builtin_tools(
    workspace: FolderWorkspace, sandbox: Sandbox | None, groups: ToolGroups = ALL_GROUPS
) -> tuple[Tool, ...]:
    """Return the tools of `workspace` that `groups` name, and `run_command` where there is a sandbox.

    What is in files, what they are called, and what commands print is text from outside, and is marked so.
    """
    tree = workspace.tree
    return (
        *(_reading_tools(FileReading(tree)) if groups.files else ()),
        *(_changing_tools(FileChanges(tree)) if groups.files else ()),
        *(_command_tools(Commands(sandbox)) if sandbox else ()),
        *(_table_tools(Tables(tree)) if groups.tables else ()),
        *((tool(effect=Effect.READ, facts=("result", "exact"))(calculate),) if groups.calculate else ()),
    )


def _reading_tools(files: FileReading) -> tuple[Tool, ...]:
    return (
        tool(effect=Effect.READ, paths=("path",), facts=("total",), untrusted=True)(files.list_files),
        tool(effect=Effect.READ, paths=("path",), untrusted=True)(files.read_file),
        tool(effect=Effect.READ, paths=("path",), facts=("lines", "words", "bytes", "changed"))(
            files.file_info
        ),
        tool(effect=Effect.READ, paths=("path",), untrusted=True)(files.search_files),
    )


def _changing_tools(files: FileChanges) -> tuple[Tool, ...]:
    return (
        tool(
            effect=Effect.WRITE,
            paths=("path",),
            replaces=("path",),
            idempotent=True,
            check=files.has_written,
        )(files.write_file),
        tool(effect=Effect.WRITE, paths=("path",), check=files.has_appended)(files.append_file),
        tool(effect=Effect.WRITE, paths=("path",), check=files.has_edited, untrusted=True)(files.edit_file),
        tool(effect=Effect.WRITE, paths=("source", "target"), check=files.has_copied)(files.copy_file),
        tool(effect=Effect.WRITE, paths=("source", "target"), check=files.has_moved)(files.move_file),
        tool(effect=Effect.IRREVERSIBLE, paths=("path",), check=files.has_deleted)(files.delete_file),
    )


def _table_tools(tables: Tables) -> tuple[Tool, ...]:
    return (
        tool(effect=Effect.READ, paths=("path",), untrusted=True)(tables.describe_table),
        tool(effect=Effect.READ, paths=("path",), untrusted=True)(tables.query_table),
        tool(effect=Effect.READ, paths=("path", "other_path"), untrusted=True)(tables.join_tables),
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
