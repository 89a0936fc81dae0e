"""A tool of an MCP server behind the port: what happened is a result, a failure, or an outcome that nobody knows.

Invariants: a failure means that nothing happened; a tool whose definition is no longer the one that was accepted is not
called.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, CallToolResult

from nebulus.adapters.mcp.connection import Connection, ServerGoneError, ToolChangedError
from nebulus.adapters.mcp.contents import Store, fields_of, text_of
from nebulus.adapters.mcp.definitions import Definition
from nebulus.core.errors import ConfigError, NebulusError
from nebulus.core.failure import Failure, FailureKind, Fault, Recognised
from nebulus.core.text import bounded, clean, message_of
from nebulus.core.tools import ToolSpec
from nebulus.ports.tool import ToolOutput

ERROR_CHARS = 1000
"""The most of an error of a tool that is shown."""
_REJECTED = frozenset({INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR})
"""Codes with which a server says that it has not begun. Source: JSON-RPC 2.0, section 5.1."""


class ToolReportedError(NebulusError):
    """A tool reported an error that does not say whether anything happened."""


class McpTool:
    """One tool of one server. `on_progress` is told the tool's name and how far it is.

    Paths are given relative to the workspace, as to every tool; the server, which works elsewhere, gets them absolute.
    """

    def __init__(
        self,
        connection: Connection,
        definition: Definition,
        spec: ToolSpec,
        *,
        store: Store,
        workspace: Path | None = None,
        fails_cleanly: bool = False,
        on_progress: Callable[[str, str], None],
    ) -> None:
        self._connection, self._definition, self._spec = connection, definition, spec
        self._store, self._fails_cleanly, self._on_progress = store, fails_cleanly, on_progress
        self._workspace = workspace

    @property
    def spec(self) -> ToolSpec:
        """What the runtime knows of it."""
        return self._spec

    async def run(self, arguments: dict[str, Any], key: str) -> ToolOutput | Failure:
        """Call the tool.

        Raises:
            ServerGoneError: the server went away during a call that may have taken effect.
            ToolReportedError: the tool reported an error, and the call may have taken effect.
            MCPError: the server did, likewise.
        """
        given = {name: self._placed(name, value) for name, value in arguments.items()}
        try:
            result = await self._connection.call(self._definition, given, on_progress=self._tell)
        except (ToolChangedError, ConfigError) as error:
            return self._not_called(error)
        except ServerGoneError as error:
            if error.was_sent and not self._spec.is_repeatable:
                raise
            return self._failure(FailureKind.TRANSIENT, error.what, fix="try again")
        except MCPError as error:
            return self._after_error(error)
        except (RuntimeError, ValueError) as error:
            why = f"what it returned breaks the protocol, or the schema that it promises: {message_of(error)}"
            return ToolOutput(text=why, is_trusted=not self._spec.is_untrusted, is_lost=True)
        if result.is_error:
            return self._after_failed(result)
        return ToolOutput(
            text=text_of(result, self._store),
            fields=fields_of(result),
            is_trusted=not self._spec.is_untrusted,
        )

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """Tell nothing: the protocol can't be asked what became of a call."""
        return None

    def _placed(self, name: str, value: Any) -> Any:
        """Return an argument as the server gets it."""
        if self._workspace is None or name not in self._spec.paths:
            return value
        if isinstance(value, list):
            return [self._placed(name, item) for item in value]
        return str(self._workspace / value) if isinstance(value, str) else value

    def _not_called(self, error: NebulusError) -> Failure:
        """Return why the tool was not called: it is not what was accepted, or its server can't be started."""
        name = self._connection.name
        what = f"MCP server {name!r}: {error.what}"
        match error:
            case ToolChangedError(is_gone=True):
                return self._failure(FailureKind.NOT_FOUND, what, fix="use another tool")
            case ToolChangedError():
                fix = f"`nebulus mcp accept {name}` shows how, and asks you"
                return self._failure(FailureKind.PERMISSION, what, fix=fix)
            case _:
                return self._failure(FailureKind.TRANSIENT, what, fix=f"`nebulus mcp check {name}` says more")

    def _after_error(self, error: MCPError) -> Failure:
        if error.code in _REJECTED:
            what = f"{self._spec.name} was not called: its server rejected the request"
            return self._failure(FailureKind.INVALID_ARGUMENTS, what, value=error.message)
        if not self._spec.is_repeatable:
            raise error
        what = f"the server of {self._spec.name} reported an error"
        return self._failure(FailureKind.PERMANENT, what, value=error.message)

    def _after_failed(self, result: CallToolResult) -> Failure:
        said = bounded(" ".join(text_of(result, self._store).split()), ERROR_CHARS)
        if not self._spec.is_repeatable and not self._fails_cleanly:
            raise ToolReportedError(f"it reported an error: {said}")
        return self._failure(
            FailureKind.INVALID_ARGUMENTS, f"{self._spec.name} reported an error", value=said
        )

    def _failure(self, kind: FailureKind, what: str, *, value: str = "", fix: str = "") -> Failure:
        shown = bounded(clean(value), ERROR_CHARS)
        how = Recognised.DECLARED if value else Recognised.STRUCTURE
        return Failure(kind=kind, fault=Fault.TOOL, what=what, value=shown, fix=fix, recognised=how)

    def _tell(self, progress: str) -> None:
        self._on_progress(self._spec.name, progress)
