"""The only file that names adapters; each is imported when it is first needed.

Law: what is not used is not imported, so that start-up stays fast and extras stay optional.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from nebulus.adapters.backends.settings import BackendSettings
from nebulus.app.settings import NANO, STATE_FOLDER, Settings
from nebulus.ports.backend import ModelBackend
from nebulus.ports.engine import Engine
from nebulus.ports.guard import Person, Sandbox
from nebulus.ports.tool import Tool
from nebulus.ports.world import ArtifactStore, Checker

if TYPE_CHECKING:
    from nebulus.adapters.workspaces.folder import FolderWorkspace

MEMORY = "memory"


class Kit(Struct, frozen=True, kw_only=True):
    """The tools of a run and what they work in; no workspace means no built-in tools."""

    tools: tuple[Tool, ...]
    workspace: "FolderWorkspace | None" = None
    sandbox: Sandbox | None = None


def engine(url: str, folder: Path) -> Engine:
    """Return the engine that `url` names: "memory", postgresql://…, or a SQLite file below `folder`."""
    if url == MEMORY:
        from nebulus.adapters.engines.memory import MemoryEngine

        return MemoryEngine()
    from nebulus.adapters.engines.dbos import DbosEngine

    return DbosEngine(url if "://" in url else folder / url)


def backend(settings: BackendSettings) -> ModelBackend:
    """Return the backend that `settings` describe; nothing is contacted yet."""
    from nebulus.adapters.backends.factory import open_backend

    if settings.path == NANO:
        settings = replace(settings, path=str(nano_path()))
    return open_backend(settings)


def nano_path() -> Path:
    """Return where the model that comes with the package lies."""
    return Path(str(files("nebulus") / "data" / "nano.gguf"))


@asynccontextmanager
async def tools(place: Mapping[str, str], own: Sequence[Tool], settings: Settings) -> AsyncIterator[Kit]:
    """Open the tools of a run: the caller's own, and the built-in ones where there is a workspace.

    Raises:
        ConfigError: the workspace is missing or can't be read or written.
    """
    if "workspace" not in place:
        yield Kit(tools=tuple(own))
        return
    from nebulus.adapters.sandboxes.probe import find_sandbox
    from nebulus.adapters.tools.builtin import builtin_tools
    from nebulus.adapters.workspaces.folder import FolderWorkspace

    workspace = FolderWorkspace(Path(place["workspace"]))
    sandbox = await find_sandbox(workspace.root) if settings.commands == "sandboxed" else None
    yield Kit(tools=(*builtin_tools(workspace, sandbox), *own), workspace=workspace, sandbox=sandbox)


def checker(workspace: "FolderWorkspace | None", predicates: Mapping[str, Any]) -> Checker:
    """Return what looks whether checks hold."""
    from nebulus.adapters.workspaces.checks import WorkspaceChecker

    return WorkspaceChecker(workspace, predicates)


def artifacts(url: str, folder: Path) -> ArtifactStore:
    """Return where large values are kept: beside the runs, or in memory with them."""
    from nebulus.adapters.stores.folder import FolderStore
    from nebulus.adapters.stores.memory import MemoryStore

    return MemoryStore() if url == MEMORY else FolderStore(folder / STATE_FOLDER / "artifacts")


def nobody() -> Person:
    """Return a person who is never there."""
    from nebulus.adapters.people.absent import AbsentPerson

    return AbsentPerson()
