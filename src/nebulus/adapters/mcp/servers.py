"""The servers of a run: started together, compared with what was accepted, ended together.

Invariants: no text of a server reaches a prompt before a person accepted it; a program of a workspace, which a run could
have written, is never started; each server gets its own secrets and no others.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from nebulus.adapters.mcp.address import reached
from nebulus.adapters.mcp.connection import Connection, Listed, ServerGoneError
from nebulus.adapters.mcp.contents import Store
from nebulus.adapters.mcp.definitions import Definition, Unusable, spec_of
from nebulus.adapters.mcp.pins import Difference, PinStore
from nebulus.adapters.mcp.program import INHERITED, Program, ProgramState, running
from nebulus.adapters.mcp.settings import WORKSPACE, McpServerSettings
from nebulus.adapters.mcp.tool import McpTool
from nebulus.core.errors import ConfigError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.tools import ToolSpec

_SCRIPTS = frozenset(
    {".py", ".pyz", ".js", ".mjs", ".cjs", ".ts", ".sh", ".rb", ".pl", ".php", ".jar", ".lua"}
)
"""Endings of files that are programs."""
_LOADS = (
    "PATH",
    "PYTHONPATH",
    "NODE_PATH",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "RUBYLIB",
    "PERL5LIB",
    "CLASSPATH",
)
"""Variables that say where programs load code from."""


class Place(Struct, frozen=True, kw_only=True):
    """Where servers are started: `base` is where relative paths of the settings begin, `workspace` that of the run."""

    base: Path
    workspace: Path | None = None
    state: Path
    """The user's state folder, in which each program has a folder of its own."""
    writable: tuple[Path, ...] = ()
    """Other folders in which runs could write."""
    hide: Callable[[str], str] = str
    """Removes the secrets from a text."""


class Found(Struct, frozen=True, kw_only=True):
    """What a server offers, compared with what was accepted."""

    name: str
    listed: Listed
    difference: Difference
    offered: tuple[Definition, ...]
    """The definitions of the tools that the settings let through."""
    pairs: tuple[tuple[Definition, ToolSpec], ...]
    """Those that can be used, each with what becomes of it."""
    unusable: tuple[Unusable, ...]
    words: str
    """What its program wrote beside the protocol."""

    @property
    def accepted_names(self) -> frozenset[str]:
        """The names, here, of the tools that were accepted as they are."""
        same = {one.name for one in self.difference.same}
        return frozenset(spec.name for definition, spec in self.pairs if definition.name in same)


def connection_to(name: str, server: McpServerSettings, place: Place) -> Connection:
    """Return the connection to a server; nothing is started yet.

    Raises:
        ConfigError: its program can't be found, a run could have written it, or a secret is not set.
    """
    words = ProgramState(place.hide)
    mode = "legacy" if server.protocol == "handshake" else "auto"
    if server.url:
        headers = _secrets_of(name, server)
        if server.api_key_env:
            headers["Authorization"] = f"Bearer {_value_of(server.api_key_env, name)}"
        return Connection(
            name,
            lambda: reached(server.url, headers),
            words=words,
            mode=mode,
            start_timeout_s=server.start_timeout_s,
        )
    program = program_of(name, server, place)
    return Connection(
        name,
        lambda: running(program, words),
        words=words,
        mode=mode,
        start_timeout_s=server.start_timeout_s,
        ends_on_cancel=True,
    )


def program_of(name: str, server: McpServerSettings, place: Place) -> Program:
    """Return what is started for a server.

    Raises:
        ConfigError: as `connection_to`.
    """
    if any(WORKSPACE in part for part in server.command) and place.workspace is None:
        raise ConfigError(
            f"mcp.{name}.command names {WORKSPACE}, and there is none", fix="give the run a workspace"
        )
    argv = [part.replace(WORKSPACE, str(place.workspace)) for part in server.command]
    path = str(place.base / argv[0]) if os.sep in argv[0] else shutil.which(argv[0])
    if path is None:
        raise ConfigError(f"mcp.{name}: there is no program {argv[0]!r} on your PATH", fix="install it")
    _require_outside(name, [path, *argv[1:]], server=server, place=place)
    folder = place.state / "mcp" / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
    env = {**inherited, **server.env, **_secrets_of(name, server)}
    return Program(argv=(path, *argv[1:]), env=env, folder=folder)


def _require_outside(name: str, argv: list[str], *, server: McpServerSettings, place: Place) -> None:
    """Refuse to start a program that a run could have written: it would run outside of the sandbox.

    What a program loads beyond what its arguments and the usual variables name is not known here.

    Raises:
        ConfigError: one is in a workspace.
    """
    loaded = [part for key in _LOADS for part in server.env.get(key, "").split(os.pathsep) if part]
    named = [(part, number == 0) for number, part in enumerate(argv)] + [(part, True) for part in loaded]
    for part, is_program in named:
        written = Path(os.path.abspath(place.base / part))  # noqa: PTH100 - links must not be followed yet
        real = Path(os.path.realpath(written))
        is_script = real.is_file() and (real.suffix in _SCRIPTS or os.access(real, os.X_OK))
        if (is_program or is_script) and _could_be_written(written, real, place):
            raise ConfigError(
                f"mcp.{name} starts {part!r}, which is in a workspace: a run could have written it",
                fix="install it elsewhere",
            )


def _could_be_written(written: Path, real: Path, place: Place) -> bool:
    """Whether a run could write a path, as it is written or where its links lead; our own interpreter is protected."""
    own = Path(os.path.realpath(sys.prefix))
    if own in written.parents or own in real.parents:
        return False
    roots = {Path(os.path.realpath(root)) for root in (place.base, place.workspace, *place.writable) if root}
    return any(root in (path, *path.parents) for root in roots for path in (written, real))


def _secrets_of(name: str, server: McpServerSettings) -> dict[str, str]:
    return {key: _value_of(variable, name) for key, variable in server.secrets.items()}


def _value_of(variable: str, name: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigError(f"mcp.{name} needs ${variable}, which is not set", fix="set it in the environment")
    return value


def found_of(
    name: str, server: McpServerSettings, listed: Listed, *, pins: PinStore, words: str = ""
) -> Found:
    """Compare what a server offers with what was accepted, and say which tools can be used.

    Raises:
        ConfigError: what was accepted can't be read.
    """
    offered = tuple(one for one in listed.definitions if not server.allow or one.name in server.allow)
    made = [spec_of(one, name, server) for one in offered]
    return Found(
        name=name,
        listed=listed,
        difference=pins.difference(name, server, offered),
        offered=offered,
        pairs=tuple(
            (definition, one)
            for definition, one in zip(offered, made, strict=True)
            if isinstance(one, ToolSpec)
        ),
        unusable=tuple(one for one in made if isinstance(one, Unusable)),
        words=words,
    )


async def look(name: str, server: McpServerSettings, place: Place, *, pins: PinStore) -> Found:
    """Connect to a server, see what it offers, and end the connection.

    Raises:
        ConfigError: it can't be reached, or can't be used.
    """
    connection = connection_to(name, server, place)
    try:
        listed = await connection.listed()
        return found_of(name, server, listed, pins=pins, words=connection.words.text)
    except ServerGoneError as error:
        raise ConfigError(
            f"{error.what}{error.said}", fix=f"check the settings under [mcp.{name}]"
        ) from error
    finally:
        await connection.close()


@asynccontextmanager
async def servers(
    settings: Mapping[str, McpServerSettings],
    place: Place,
    *,
    store: Store,
    pins: PinStore,
    on_progress: Callable[[str, str], None],
) -> AsyncIterator[tuple[McpTool, ...]]:
    """Start all servers of `settings`, yield their accepted tools, and end the servers.

    Raises:
        ConfigError: a server can't be used, or what it offers was not accepted.
    """
    for name, server in settings.items():
        if pins.accepted(name, server) is None:
            raise _not_accepted(name)  # before anything is started
    connections = {name: connection_to(name, server, place) for name, server in settings.items()}
    try:
        lists = await asyncio.gather(*(one.listed() for one in connections.values()), return_exceptions=True)
        tools: list[McpTool] = []
        for (name, server), listed in zip(settings.items(), lists, strict=True):
            if isinstance(listed, ServerGoneError):
                raise ConfigError(
                    f"{listed.what}{listed.said}", fix=f"`nebulus mcp check {name}` says more"
                ) from listed
            if isinstance(listed, BaseException):
                raise listed
            found = found_of(name, server, listed, pins=pins)
            require_accepted(found)
            require_known(server, listed, name=name)
            for definition, spec in _accepted_pairs(found):
                said = server.tools.get(definition.name)
                tools.append(
                    McpTool(
                        connections[name],
                        definition,
                        spec,
                        store=store,
                        workspace=place.workspace,
                        fails_cleanly=said is not None and said.fails_cleanly,
                        on_progress=on_progress,
                    )
                )
        yield tuple(tools)
    finally:
        await asyncio.gather(*(one.close() for one in connections.values()))


def accepted(settings: Mapping[str, McpServerSettings], *, pins: PinStore) -> list["AcceptedTool"]:
    """Return the accepted tools of all servers without starting one: enough to judge calls, not to make them.

    Raises:
        ConfigError: nobody has accepted the tools of a server.
    """
    tools: list[AcceptedTool] = []
    for name, server in settings.items():
        known = pins.accepted(name, server)
        if known is None:
            raise _not_accepted(name)
        made = (spec_of(one, name, server) for one in known if not server.allow or one.name in server.allow)
        tools += [AcceptedTool(one) for one in made if isinstance(one, ToolSpec)]
    return tools


class AcceptedTool:
    """A tool of a server that is not started."""

    def __init__(self, spec: ToolSpec) -> None:
        self._spec = spec

    @property
    def spec(self) -> ToolSpec:
        """What the runtime knows of it."""
        return self._spec

    async def run(self, arguments: dict[str, Any], key: str) -> Failure:
        """Refuse."""
        what = f"the server of {self._spec.name} is not started here"
        return Failure(kind=FailureKind.PERMANENT, fault=Fault.RUNTIME, what=what)

    async def has_happened(self, arguments: dict[str, Any], key: str) -> bool | None:
        """Tell nothing."""
        return None


def _not_accepted(name: str) -> ConfigError:
    return ConfigError(
        f"you have not accepted the tools of MCP server {name!r} yet",
        fix=f"`nebulus mcp accept {name}` shows them, and asks you",
    )


def require_accepted(found: Found) -> None:
    """Refuse a server whose tools nobody has accepted, or have changed since.

    Raises:
        ConfigError: says what, and which command shows it.
    """
    fix = f"`nebulus mcp accept {found.name}` shows them, and asks you"
    if found.difference.is_first:
        raise _not_accepted(found.name)
    if found.difference.changed:
        names = ", ".join(repr(new.name) for _, new in found.difference.changed)
        what = f"MCP server {found.name!r} has changed tools since you accepted them: {names}"
        raise ConfigError(what, fix=fix)


def require_known(server: McpServerSettings, listed: Listed, *, name: str) -> None:
    """Refuse settings for tools that the server does not have.

    Raises:
        ConfigError: names the first.
    """
    known = {one.name for one in listed.definitions}
    for setting, names in (("allow", server.allow), ("tools", tuple(server.tools))):
        for tool in names:
            if tool not in known:
                raise ConfigError(
                    f"mcp.{name}.{setting} names {tool!r}, which the server does not have",
                    fix=f"`nebulus mcp check {name}` lists its tools",
                )


def _accepted_pairs(found: Found) -> tuple[tuple[Definition, ToolSpec], ...]:
    """Return the tools that were accepted as they are.

    Raises:
        ConfigError: two of them would have the same name here.
    """
    pairs = {pair[1].name: pair for pair in found.pairs if pair[1].name in found.accepted_names}
    for definition, spec in found.pairs:
        first = pairs.get(spec.name)
        if first is not None and first[0].name != definition.name:
            raise ConfigError(
                f"MCP server {found.name!r} has two tools that are both called {spec.name!r} here: "
                f"{definition.name!r} and {first[0].name!r}",
                fix=f"name one of them in mcp.{found.name}.allow",
            )
    return tuple(pairs.values())
