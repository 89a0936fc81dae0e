"""What is on this machine: each thing that a run needs, whether it is there, and what would fix it.

Invariants: nothing is changed, and nothing is assumed: servers are asked, models are loaded and given the least prompt
of a run to count, databases are read, the sandbox is tried.
"""

import importlib.metadata
import importlib.util
import os
import platform
import sqlite3
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack, closing
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from nebulus import __version__
from nebulus.adapters.backends.discover import FoundServer, discover
from nebulus.adapters.backends.hub_files import is_hub_name, size_text
from nebulus.adapters.sandboxes.uncontained import Uncontained
from nebulus.app import bootstrap
from nebulus.app.application import open_application
from nebulus.app.governing import engine_file
from nebulus.app.settings import FILE_NAME, SMOLLM2, EngineSettings, Settings, TierSettings
from nebulus.app.settings_layers import Layered, unknown_variables
from nebulus.cli.exits import envelope
from nebulus.cli.place import Choice, layered_of
from nebulus.core.errors import BackendError, ConfigError
from nebulus.core.text import counted
from nebulus.core.tools import SandboxLevel
from nebulus.report.text import Line, one_line

PACKAGES = ("msgspec", "jsonschema-rs", "aiohttp", "dbos", "typer", "rich")
LOCAL = "xllamacpp"
_INSTALL_LOCAL = "pip install 'nebulus[local]'"
_LEAST_GOAL = "Look.\n\n1. Use list_files\n"
_TABLE_OF_RUNS = "dbos_migrations"
"""The table by which a database of runs is known. Source: dbos 3.4, `_sys_db_sqlite.py`."""


class Health(StrEnum):
    """How a thing is: `odd` can be lived with, `bad` keeps a run from beginning."""

    GOOD = "good"
    ODD = "odd"
    BAD = "bad"


class Sign(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was looked at."""

    what: str
    found: str
    health: Health = Health.GOOD
    fix: str = ""


async def examine(folder: Path, config: Path | None) -> list[Sign]:
    """Look at everything that a run in `folder` would need."""
    signs = [_python(), _packages(), _embedded(), _nano()]
    signs += _servers(await discover())
    try:
        layered = layered_of(folder, Choice(config=str(config or "")), asks=False)
    except ConfigError as error:
        return [*signs, Sign(what="settings", found=error.what, health=Health.BAD, fix=error.fix)]
    settings = layered.settings
    signs += _settings(layered)
    for name, tier in settings.tiers.items():
        signs.append(await _tier(name, tier, folder))
    return [*signs, *await containment(settings, folder), _engine(settings, folder)]


def health_lines(signs: Iterable[Sign]) -> list[Line]:
    """Return the signs as lines, each with its fix below it."""
    marks = {Health.GOOD: ("✓", "green"), Health.ODD: ("!", "yellow"), Health.BAD: ("✗", "red")}
    lines = []
    for sign in signs:
        mark, style = marks[sign.health]
        lines.append(Line(f"{mark} {sign.what:<16} {one_line(sign.found, 300)}", style))
        if sign.fix:
            lines.append(Line(f"  {'':<16} → {one_line(sign.fix, 300)}"))
    return lines


def _python() -> Sign:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, nebulus {__version__}"
    return Sign(what="Python", found=found)


def _packages() -> Sign:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES if _is_installed(name)]
    missing = [name for name in PACKAGES if not _is_installed(name)]
    if missing:
        fix = f"{sys.executable} -m pip install --force-reinstall nebulus"
        return Sign(what="packages", found=f"missing: {', '.join(missing)}", health=Health.BAD, fix=fix)
    return Sign(what="packages", found=", ".join(versions))


def _is_installed(name: str) -> bool:
    return any(importlib.metadata.distributions(name=name))


def _embedded() -> Sign:
    if importlib.util.find_spec(LOCAL) is None:
        return Sign(
            what="llama.cpp",
            found=f"{LOCAL} is not installed: no model file can be run here, only servers",
            health=Health.ODD,
            fix=_INSTALL_LOCAL,
        )
    return Sign(what="llama.cpp", found=f"{LOCAL} {importlib.metadata.version(LOCAL)}")


def _nano() -> Sign:
    path = bootstrap.nano_path()
    if not path.exists():
        return Sign(what="nano model", found="it is not in the package", health=Health.ODD, fix="make nano")
    size = path.stat().st_size / 1e6
    return Sign(what="nano model", found=f"{size:.1f} MB: a wind tunnel for the runtime, not an assistant")


def _servers(found: list[FoundServer]) -> list[Sign]:
    if not found:
        fix = "start Ollama, llama.cpp's server, vLLM or LM Studio; or use a model file: -m PATH.gguf or hf:OWNER/REPO:QUANT"
        return [Sign(what="servers", found="none on the usual ports", health=Health.ODD, fix=fix)]
    return [_server(server) for server in found]


def _server(server: FoundServer) -> Sign:
    if server.problem:
        fix = "it may not be a model server; if it is one, look at its log"
        return Sign(what="server", found=f"{server.url}: {server.problem}", health=Health.ODD, fix=fix)
    models = ", ".join(
        f"{model.name} ({f'window {model.window_tokens}' if model.window_tokens else 'window unknown'})"
        for model in server.models[:6]
    )
    found = f"{server.url} {server.flavour.value}: {models or 'no model'}"
    if not server.models:
        return Sign(what="server", found=found, health=Health.ODD, fix="load a model into it")
    return Sign(what="server", found=found)


def _settings(layered: Layered) -> list[Sign]:
    """Return each source of settings with what it decides, and what it says in vain."""
    signs = []
    for layer in layered.layers:
        decided = [key for key, source in layered.origins.items() if source == layer.source]
        found = (
            f"{layer.source} is valid; from it: {', '.join(decided) or 'nothing, since others override it'}"
        )
        signs.append(Sign(what="settings", found=found))
        if layer.kept_out:
            found = f"{', '.join(layer.kept_out)} of {layer.source}: not used, since your own file decides"
            fix = f"--config {layer.source} uses it, if you trust it"
            signs.append(Sign(what="settings", found=found, health=Health.ODD, fix=fix))
    for name, near in unknown_variables(os.environ).items():
        signs.append(Sign(what="settings", found=f"${name} is not a setting", health=Health.ODD, fix=near))
    if not any(key.startswith("tiers.") for key in layered.origins):
        fix = "`nebulus init` writes one for this machine, `nebulus init --user` one for all folders"
        found = f"no source names a model: {SMOLLM2} is used"
        signs.append(Sign(what="settings", found=found, health=Health.ODD, fix=fix))
    return signs


async def _tier(name: str, tier: TierSettings, folder: Path) -> Sign:
    """Open a model as a run would, and prepare a run of one step on it; nothing is begun."""
    what, alone = f"tier {name}", replace(tier, kinds=TierSettings(model=tier.model).kinds)
    settings = Settings(tiers={name: alone}, engine=EngineSettings(url=bootstrap.MEMORY), commands="off")
    try:
        if is_hub_name(tier.model) and (sign := _not_fetched(what, tier.model)) is not None:
            return sign
        backend = bootstrap.backend(tier.backend())
        async with AsyncExitStack() as stack:
            stack.push_async_callback(backend.close)
            application = await stack.enter_async_context(
                open_application(settings, folder, backends={name: backend})
            )
            info = await backend.describe()
            await application.prepare(_LEAST_GOAL, workspace=folder)
    except (BackendError, ConfigError) as error:
        failure = envelope(error)
        said = failure.what.removeprefix(f"tiers.{name}: ")
        return Sign(
            what=what,
            found=f"{tier.model}: {said}",
            health=Health.BAD,
            fix=failure.fix or "start its server, or name another model",
        )
    form = "calls by construction" if info.constrains_calls else "calls validated, not constrained"
    thought = f", a thought of at most {tier.reasoning_tokens} before each" if tier.reasoning_tokens else ""
    window = counted(info.window_tokens, "token")
    return Sign(what=what, found=f"{info.model} on {info.name}, window {window}, {form}{thought}")


def _not_fetched(what: str, model: str) -> Sign | None:
    """Ask the hub for a model that is not in the cache, and fetch nothing; None if it is there.

    Raises:
        ConfigError, BackendError: a run could not fetch it either.
    """
    hub = bootstrap.hub()
    if hub.cache.find(model) is not None:
        return None
    found = hub.find(model)
    size = size_text(found.model.size_bytes)
    return Sign(
        what=what,
        found=f"{model} is not fetched yet: {size}, which the next run fetches before it begins",
        health=Health.ODD,
        fix=f"`nebulus models pull {model}` fetches it now",
    )


async def containment(settings: Settings, folder: Path) -> list[Sign]:
    """Return the level that commands would run at, and what keeps this machine from a better one."""
    try:
        sandbox = await bootstrap.find_sandbox(settings, folder)
    except ConfigError as error:
        return [Sign(what="policy", found=error.what, health=Health.BAD, fix=error.fix)]
    if sandbox is None:
        return [Sign(what="sandbox", found="no commands: commands is off in the settings")]
    if isinstance(sandbox, Uncontained):
        return [
            Sign(
                what="sandbox",
                found=f"commands can't be contained, so run_command is refused: {sandbox.reason}",
                health=Health.ODD,
                fix=sandbox.cure,
            )
        ]
    held = Sign(what="sandbox", found=f"{sandbox.level.value}: tried, and it holds")
    if sandbox.level is SandboxLevel.NAMESPACES or settings.commands != "sandboxed":
        return [held]
    better = await bootstrap.find_sandbox(replace(settings, commands="namespaces"), folder)
    if not isinstance(better, Uncontained):
        return [held]
    found = f"{SandboxLevel.NAMESPACES.value} would contain more, and does not hold here: {better.reason}"
    return [held, Sign(what="sandbox", found=found, health=Health.ODD, fix=better.cure)]


def _engine(settings: Settings, folder: Path) -> Sign:
    url = settings.engine.url
    if url == bootstrap.MEMORY:
        found = "in memory: no run survives its process, and none can be resumed or shown"
        return Sign(what="runs", found=found, health=Health.ODD, fix='engine.url = ".nebulus/runs.sqlite"')
    path = engine_file(settings, folder)
    if path is None:
        return _database(url)
    nearest = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not os.access(nearest, os.W_OK):
        fix = f"make it writable, or set engine.url in {FILE_NAME} to another path"
        return Sign(what="runs", found=f"{nearest} can't be written", health=Health.BAD, fix=fix)
    if not path.exists():
        return Sign(what="runs", found=f"SQLite, {path} (not made yet)")
    return _sqlite(path)


def _sqlite(path: Path) -> Sign:
    """Read a database from end to end. If no process has it open, not even a log file is created next to it."""
    is_open = path.with_name(f"{path.name}-wal").exists()
    address = f"file:{quote(str(path.absolute()))}?mode=ro{'' if is_open else '&immutable=1'}"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        said, tables = str(error), set()
    fix = "put a copy of it back, or move it away: then its runs are gone, and new ones can begin"
    if said != "ok":
        return Sign(what="runs", found=f"{path} is damaged: {said}", health=Health.BAD, fix=fix)
    if tables and _TABLE_OF_RUNS not in tables:
        fix = f"set engine.url in {FILE_NAME} to another path"
        return Sign(what="runs", found=f"{path} is of another program", health=Health.BAD, fix=fix)
    if path.stat().st_mode & 0o077:
        fix = f"chmod 600 {path}"
        return Sign(what="runs", found=f"{path} can be read by others", health=Health.ODD, fix=fix)
    return Sign(what="runs", found=f"SQLite, {path}")


def _database(url: str) -> Sign:
    """Connect, and let go again. The password, if there is one, is not shown."""
    import psycopg

    try:
        psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"), connect_timeout=5).close()
    except psycopg.Error as error:
        fix = "start PostgreSQL, or correct engine.url"
        return Sign(what="runs", found=f"PostgreSQL: {error}", health=Health.BAD, fix=fix)
    return Sign(what="runs", found="PostgreSQL answers")
