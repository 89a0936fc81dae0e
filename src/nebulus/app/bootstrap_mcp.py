"""The part of the composition root for MCP servers: the tools that they give to a run, and looking at one."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from nebulus.adapters.mcp.settings import McpServerSettings
from nebulus.adapters.trust.ledger import TrustLedger
from nebulus.app.secrets import secrets as secrets_of
from nebulus.app.settings import Settings
from nebulus.core.errors import ConfigError
from nebulus.core.text import nearest
from nebulus.ports.tool import Tool
from nebulus.ports.world import ArtifactStore

if TYPE_CHECKING:
    from nebulus.adapters.mcp.pins import PinStore
    from nebulus.adapters.mcp.servers import Found, Place

OnProgress: TypeAlias = Callable[[str, str], None]
"""Is told the name of a tool, and how far it is."""


class ServerPlace(Struct, frozen=True, kw_only=True):
    """Where the settings' relative paths begin, the workspace of the run, and where large results are stored."""

    base: Path
    workspace: Path | None = None
    stored: ArtifactStore


@asynccontextmanager
async def mcp_tools(
    settings: Settings,
    where: ServerPlace,
    *,
    on_progress: OnProgress | None,
) -> AsyncIterator[tuple[Tool, ...]]:
    """Open the accepted tools of the servers that `settings` name; without `on_progress` no server is started.

    Raises:
        ConfigError: the extra is not installed, a server can't be used, or its tools were not accepted.
    """
    if not settings.mcp:
        yield ()
        return
    require_mcp(settings)
    from nebulus.adapters.mcp.servers import accepted, servers

    if on_progress is None:
        yield tuple(accepted(settings.mcp, pins=pins()))
        return
    known = secrets_of(settings)
    async with servers(
        settings.mcp,
        _place(where.base, where.workspace, hide=known.hide_all),
        store=lambda text: where.stored.put(known.hide(text)),
        pins=pins(),
        on_progress=on_progress,
    ) as opened:
        yield opened


async def look_at(name: str, settings: Settings, *, folder: Path) -> "Found":
    """Start the server `name`, see what it offers, and end it.

    Raises:
        ConfigError: there is none, or it can't be used.
    """
    require_mcp(settings)
    from nebulus.adapters.mcp.servers import look

    known = secrets_of(settings)
    place = _place(folder, folder.resolve(), hide=known.hide_all)
    return await look(name, server_of(name, settings), place, pins=pins())


def server_of(name: str, settings: Settings) -> McpServerSettings:
    """Return the settings of the server `name`.

    Raises:
        ConfigError: there is none.
    """
    if name not in settings.mcp:
        fix = nearest(name, settings.mcp) if settings.mcp else f'write [mcp.{name}] and command = ["PROGRAM"]'
        raise ConfigError(f"there is no MCP server {name!r} in the settings", fix=fix)
    return settings.mcp[name]


def pins() -> "PinStore":
    """Return what the user has accepted of servers."""
    from nebulus.adapters.mcp.pins import PinStore

    return PinStore()


def require_mcp(settings: Settings) -> None:
    """Refuse to begin where nothing can speak the protocol.

    Raises:
        ConfigError: the SDK is not installed.
    """
    if find_spec("mcp") is None:
        names = ", ".join(settings.mcp) or "serve"
        raise ConfigError(f"MCP ({names}) needs the package mcp", fix="pip install 'nebulus[mcp]'")


def _place(base: Path, workspace: Path | None, *, hide: Callable[[str], str]) -> "Place":
    from nebulus.adapters.mcp.servers import Place

    written = tuple(map(Path, TrustLedger().load().workspaces))
    return Place(base=base, workspace=workspace, state=pins().folder, writable=written, hide=hide)
