"""Servers of the tests, started as a user's settings would start them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from nebulus.adapters.mcp.definitions import Definition
from nebulus.adapters.mcp.pins import PinStore
from nebulus.adapters.mcp.servers import Place, look, servers
from nebulus.adapters.mcp.settings import McpServerSettings, McpToolSettings
from nebulus.adapters.mcp.tool import McpTool
from nebulus.core.tools import Effect

HERE = Path(__file__).parent
_offered: dict[str, tuple[Definition, ...]] = {}
START_S = 300.0
"""Far more than a start takes: the machine of a test may be busy."""
READS = McpToolSettings(effect=Effect.READ)


def honest(*, port: int = 0, **settings: Any) -> McpServerSettings:
    """The server of `mcp_server.py`: a program, or at a port of this machine."""
    settings = {"start_timeout_s": START_S, **settings}
    if port:
        return McpServerSettings(url=f"http://127.0.0.1:{port}/mcp", **settings)
    return McpServerSettings(command=(sys.executable, str(HERE / "mcp_server.py")), **settings)


def hostile(way: str, **settings: Any) -> McpServerSettings:
    """A program that misbehaves in one way; its tool `look` is said to read only."""
    script = str(HERE / "hostile_mcp_server.py")
    return McpServerSettings(
        command=(sys.executable, script, way),
        **{"tools": {"look": READS}, "start_timeout_s": START_S, **settings},
    )


def place_in(folder: Path) -> Place:
    """A place outside of the folder of the tests' own servers."""
    (folder / "work").mkdir(exist_ok=True)
    return Place(base=folder / "work", workspace=folder / "work", state=folder / "state")


async def accept_all(server: McpServerSettings, folder: Path, *, name: str = "one") -> None:
    """Accept what the server offers now; the honest one offers the same each time."""
    pins = PinStore(folder / "state")
    known = _offered.get(server.address) if "hostile" not in server.address and not server.secrets else None
    if known is None:
        found = await look(name, replace(server, tools={}), place_in(folder), pins=pins)
        known = _offered[server.address] = found.offered
    pins.accept(name, server, known)


@asynccontextmanager
async def tools_of(
    server: McpServerSettings,
    folder: Path,
    *,
    name: str = "one",
    on_progress: Callable[[str, str], None] = lambda tool, progress: None,
    stored: list[str] | None = None,
) -> AsyncIterator[dict[str, McpTool]]:
    """The accepted tools of one server, by name; it is accepted first."""
    await accept_all(server, folder, name=name)
    kept = stored if stored is not None else []

    def store(text: str) -> str:
        kept.append(text)
        return "f" * 64

    async with servers(
        {name: server},
        place_in(folder),
        store=store,
        pins=PinStore(folder / "state"),
        on_progress=on_progress,
    ) as tools:
        yield {tool.spec.name: tool for tool in tools}


class HonestAtAPort:
    """The honest server at a free port; use it as a context manager, which starts it."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "mcp_server.py"), str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(4000):
            with socket.socket() as trying:
                if trying.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self) -> "HonestAtAPort":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def programs_of(script: str) -> list[int]:
    """The ids of the processes that run a script of ours, as children of this one."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and script in (entry / "cmdline").read_text():
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                found += [int(entry.name)] if parent == str(os.getpid()) else []
        except OSError:
            continue  # it has ended meanwhile
    return found
