"""A connection to one server: made in a task of its own, made again when it was lost, ended with everything it started.

Invariants: a call that was cancelled leaves no program behind that still works on it; a lost connection is a typed
failure of the calls that were under way; every new connection lists the tools before it is used.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    CallToolResult,
    Implementation,
    InputRequiredResult,
    Tool,
    ToolListChangedNotification,
)
from msgspec import Struct

from nebulus.adapters.mcp.definitions import Definition, Hints
from nebulus.adapters.mcp.program import ProgramState
from nebulus.core.errors import ConfigError, NebulusError
from nebulus.core.text import bounded, clean, message_of

logging.getLogger("mcp").addHandler(logging.NullHandler())
"""Without a handler, warnings of the SDK would be written over what the user looks at."""
MOST_PAGES = 100
MOST_TOOLS = 1000
"""More tools than any known server has; a list without an end is not read to its end."""
SAID_CHARS = 600
RELIST_S = 30.0
"""After so long the tools are listed again before a call: servers of the newer era announce no change unasked."""
_DEATH_S = 1.0
"""How long to wait for what the system says about the end of a process."""
_END_S = 8.0
"""How long the end of a connection may take: longer than the program's own end."""

OnProgress: TypeAlias = Callable[[str], None]
Transport: TypeAlias = Callable[[], Any]
"""Makes what the SDK's client connects to: once for each connection."""


class ServerGoneError(NebulusError):
    """The connection ended while a call was under way, or could not be made."""

    def __init__(self, what: str, *, was_sent: bool, said: str = "") -> None:
        super().__init__(what)
        self.said = said
        """The end of what its program wrote beside the protocol: for the user, not for a model."""
        self.was_sent = was_sent
        """Whether the call may have reached the server."""


class ToolChangedError(NebulusError):
    """A tool is no longer what was accepted; it was not called."""

    def __init__(self, what: str, *, is_gone: bool) -> None:
        super().__init__(what)
        self.is_gone = is_gone


class Listed(Struct, frozen=True, kw_only=True):
    """What a server says when it is first asked."""

    definitions: tuple[Definition, ...]
    protocol: str
    version: str
    """The name and version that the server gives itself; "" if it gives none."""


class _Live(Struct):
    client: Client
    task: "asyncio.Task[None]"
    closing: asyncio.Event
    listed: Listed
    listed_s: float
    """When, in seconds on a clock that never goes back."""
    is_stale: bool = False


class Connection:
    """One server. `words` are what its program wrote beside the protocol."""

    def __init__(
        self,
        name: str,
        transport: Transport,
        *,
        words: ProgramState,
        mode: str = "auto",
        start_timeout_s: float = 30.0,
        ends_on_cancel: bool = False,
    ) -> None:
        self.name, self.words = name, words
        self._transport, self._mode, self._start_timeout_s = transport, mode, start_timeout_s
        self._ends_on_cancel = ends_on_cancel
        self._live: _Live | None = None
        self._making = asyncio.Lock()

    async def listed(self) -> Listed:
        """Return what the server says about itself, over a connection that works; made if there is none.

        Raises:
            ServerGoneError: there is none, and it can't be made.
        """
        async with self._making:
            return (await self._working()).listed

    async def call(
        self, definition: Definition, arguments: dict[str, Any], *, on_progress: OnProgress
    ) -> CallToolResult:
        """Call a tool that is still what `definition` says, and return the answer; the caller limits the time.

        Raises:
            ToolChangedError: it is something else now, or is gone; it was not called.
            ServerGoneError: the connection ended meanwhile, or there is none.
            MCPError: the server refused the call.
            RuntimeError, ValueError: the answer is not what the server promised.
        """
        async with self._making:
            live = await self._working()
        _require_same(live.listed, definition)

        async def tell(progress: float, total: float | None, message: str | None) -> None:
            on_progress(_progress(progress, total, message))

        calling = asyncio.ensure_future(
            live.client.session.call_tool(
                definition.name, arguments, progress_callback=tell, allow_input_required=True
            )
        )
        calling.add_done_callback(_retrieve)
        try:
            await asyncio.wait({calling, live.task}, return_when=asyncio.FIRST_COMPLETED)
            if not calling.done():
                raise ServerGoneError(self._lost(), was_sent=True)
            result = calling.result()
        except asyncio.CancelledError:
            if self._ends_on_cancel:
                await self._drop(live)
            raise
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                if self._ends_on_cancel:
                    await _first(self.words.over.wait(), asyncio.sleep(_DEATH_S))
                await self._drop(live)
                raise ServerGoneError(self._lost(), was_sent=True) from error
            raise
        finally:
            if not calling.done():
                calling.cancel()
                await asyncio.gather(calling, return_exceptions=True)
        if isinstance(result, InputRequiredResult):
            raise MCPError(-32602, "the server asks for input that only a person could give", None)
        assert isinstance(result, CallToolResult)
        return result

    async def close(self) -> None:
        """End the connection, and the program with everything that it started."""
        live, self._live = self._live, None
        if live is None or live.task.done():
            return
        live.closing.set()
        await asyncio.wait({live.task}, timeout=_END_S)
        await self._cancelled(live.task)

    async def _working(self) -> _Live:
        """Return a connection that works, made if there is none, whose list of tools is not old."""
        live = self._live
        if live is None or live.task.done():
            live = self._live = await self._made()
        elif live.is_stale or time.monotonic() - live.listed_s > RELIST_S:
            live.listed = await self._bounded(_listed(live.client))
            live.is_stale, live.listed_s = False, time.monotonic()
        return live

    async def _drop(self, live: _Live) -> None:
        if self._live is live:
            self._live = None
        self.words.is_unwanted = True
        await self._cancelled(live.task)

    async def _cancelled(self, task: "asyncio.Task[None]") -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _made(self) -> _Live:
        """Connect in a task of its own: what the SDK opens must be closed in the task that opened it."""
        ready: asyncio.Future[tuple[Client, Listed]] = asyncio.get_running_loop().create_future()
        closing = asyncio.Event()
        holder: list[_Live] = []

        async def on_message(message: Any) -> None:
            if isinstance(message, ToolListChangedNotification) and holder:
                holder[0].is_stale = True

        async def live() -> None:
            client = Client(
                self._transport(),
                mode=self._mode,
                message_handler=on_message,
                client_info=Implementation(name="nebulus", version="1"),
                cache=None,
            )
            try:
                async with client:
                    listed = await _listed(client)
                    if not ready.done():
                        ready.set_result((client, listed))
                    await _first(closing.wait(), self.words.over.wait())
            except Exception as error:
                if ready.done():
                    raise
                ready.set_exception(error)

        task = asyncio.ensure_future(live())
        task.add_done_callback(_retrieve)
        try:
            client, listed = await self._bounded(asyncio.shield(ready))
        except BaseException:
            await self._cancelled(task)
            if ready.done() and not ready.cancelled():
                ready.exception()
            raise
        made = _Live(client=client, task=task, closing=closing, listed=listed, listed_s=time.monotonic())
        holder.append(made)
        return made

    async def _bounded(self, waiting: Awaitable[Any]) -> Any:
        try:
            return await asyncio.wait_for(waiting, timeout=self._start_timeout_s)
        except TimeoutError as error:
            what = f"MCP server {self.name!r} did not say what it offers within {self._start_timeout_s:g} s"
            raise ServerGoneError(what, was_sent=False, said=self._said()) from error
        except ConfigError:
            raise
        except Exception as error:
            reason = self.words.ended or _reason(error)
            what = f"MCP server {self.name!r} can't be used: {reason}"
            raise ServerGoneError(what, was_sent=False, said=self._said()) from error

    def _lost(self) -> str:
        why = self.words.ended or "the connection was lost"
        return f"MCP server {self.name!r} is gone: {why}"

    def _said(self) -> str:
        """Return the end of what the program wrote, for a message to the user."""
        said = " ".join(self.words.text.split())
        return f"; its last words: {said[-SAID_CHARS:]}" if said else ""


def _require_same(listed: Listed, definition: Definition) -> None:
    found = {one.name: one for one in listed.definitions}.get(definition.name)
    if found is None:
        raise ToolChangedError(f"the server no longer has the tool {definition.name!r}", is_gone=True)
    if found.digest != definition.digest:
        raise ToolChangedError(f"the server has changed what {definition.name!r} is", is_gone=False)


async def _listed(client: Client) -> Listed:
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="refresh")
        tools += page.tools
        cursor = page.next_cursor
        if not cursor or len(tools) > MOST_TOOLS:
            break
    info = client.server_info
    return Listed(
        definitions=tuple(map(_definition, tools[:MOST_TOOLS])),
        protocol=client.protocol_version,
        version=bounded(clean(f"{info.name} {info.version or ''}").strip(), 100) if info else "",
    )


def _definition(tool: Tool) -> Definition:
    said = tool.annotations
    hints = Hints()
    if said is not None:
        hints = Hints(
            reads_only=said.read_only_hint,
            is_destructive=said.destructive_hint,
            is_idempotent=said.idempotent_hint,
            reaches_out=said.open_world_hint,
        )
    return Definition(
        name=clean(tool.name),
        description=clean(tool.description or tool.title or ""),
        parameters=tool.input_schema,
        returns=tool.output_schema or {},
        hints=hints,
    )


async def _first(*waiting: Awaitable[Any]) -> None:
    tasks = [asyncio.ensure_future(one) for one in waiting]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _progress(progress: float, total: float | None, message: str | None) -> str:
    of = f"{progress:g}/{total:g}" if total else f"{progress:g}"
    said = " ".join(clean(message or "").split())[:200]
    return f"{of} {said}".strip()


def _reason(error: BaseException) -> str:
    """Return why a connection failed, out of the groups that task groups make of it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {message_of(error)}"


def _retrieve(task: "asyncio.Future[Any]") -> None:
    """Retrieve the exception of a task that somebody else has learned about, so that asyncio does not warn."""
    if not task.cancelled():
        task.exception()
