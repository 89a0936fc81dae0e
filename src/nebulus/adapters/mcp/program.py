"""The program of a server: started in a process group of its own, spoken to over its standard input and output.

Invariants: it gets no variable that its settings don't name; no message is longer than `MESSAGE_BYTES`; what it writes
to stderr is kept, bounded, and shown to nobody unasked; when the connection ends, so does the whole group.
"""

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from msgspec import Struct

from nebulus.core.errors import ConfigError

MESSAGE_BYTES = 16 << 20
"""The longest message that is read."""
WORDS_BYTES = 16_384
"""How much is kept of what a server wrote to stderr, and to stdout outside the protocol."""
INHERITED = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")
"""The variables that every program needs to work at all; none of them is a secret."""
_END_S = 2.0
"""How long a program may take to end by itself, and again after SIGTERM."""
_KILLED_S = 20.0
"""How long the system may take to report the end of a program that was killed."""


class Program(Struct, frozen=True, kw_only=True):
    """What is started: `env` is its whole environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path


class ProgramState:
    """What is known of a program: the end of what it wrote beside the protocol, and how its process ended."""

    def __init__(self, hide: Callable[[str], str] = str) -> None:
        """Take what removes the secrets from a text."""
        self._hide = hide
        self._parts: deque[bytes] = deque()
        self._size = 0
        self.ended = ""
        """How the process ended; "" while it runs."""
        self.over = asyncio.Event()
        self.is_unwanted = False
        """Whether it is to end at once, because nobody wants what it is doing."""

    def begin(self) -> None:
        """Note that a process runs again."""
        self.ended, self.over, self.is_unwanted = "", asyncio.Event(), False

    def end(self, how: str) -> None:
        """Note how the process ended; what was noted first is kept."""
        self.ended = self.ended or how
        self.over.set()

    def add(self, data: bytes) -> None:
        """Keep `data`, and drop what was kept before as far as it is too much."""
        self._parts.append(data[-WORDS_BYTES:])
        self._size += len(self._parts[-1])
        while self._size > WORDS_BYTES and len(self._parts) > 1:
            self._size -= len(self._parts.popleft())

    @property
    def text(self) -> str:
        """What is kept, as text without secrets."""
        return self._hide(b"".join(self._parts).decode("utf-8", "replace").strip())


@asynccontextmanager
async def running(program: Program, words: ProgramState) -> AsyncIterator[tuple[Any, Any]]:
    """Start `program` and yield the streams of its messages, as the SDK expects of a transport.

    Raises:
        ConfigError: it can't be started.
    """
    process = await _started(program)
    words.begin()
    arriving, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write_stream, leaving = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.ensure_future(_read_messages(process, arriving, words)),
        asyncio.ensure_future(_write_messages(process, leaving)),
        asyncio.ensure_future(_keep_words(process, words)),
    ]
    try:
        yield read_stream, write_stream
    finally:
        await _to_its_end(asyncio.ensure_future(_end(process, words)), process)
        _kill(process, signal.SIGKILL)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stream in (arriving, read_stream, write_stream, leaving):
            stream.close()
        process._transport.close()  # type: ignore[attr-defined]  # a grandchild may hold a pipe open


async def _to_its_end(ending: "asyncio.Task[None]", process: asyncio.subprocess.Process) -> None:
    """Wait until the program has ended; whoever can't wait any longer makes that quicker, and not less certain."""
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            _kill(process, signal.SIGKILL)


async def _started(program: Program) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    try:
        return await asyncio.create_subprocess_exec(
            *program.argv,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            cwd=program.folder,
            env=dict(program.env),
            limit=MESSAGE_BYTES,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or str(error)
        raise ConfigError(
            f"{program.argv[0]!r} can't be started: {reason}", fix="is it installed?"
        ) from error


async def _read_messages(process: asyncio.subprocess.Process, arriving: Any, words: ProgramState) -> None:
    """Hand on every message until the program closes its output, or writes one that is too long."""
    assert process.stdout is not None
    try:
        with arriving:
            while line := await process.stdout.readline():
                try:
                    message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    words.add(line)  # something that a library printed; the protocol goes on
                    continue
                await arriving.send(SessionMessage(message))
    except ValueError:
        words.end(f"it wrote a message of more than {MESSAGE_BYTES:,} bytes, and was ended")
        _kill(process, signal.SIGKILL)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, ConnectionError):
        pass  # The session has gone, so nobody waits for messages.
    finally:
        words.end(await _how_it_ended(process))


async def _write_messages(process: asyncio.subprocess.Process, leaving: Any) -> None:
    assert process.stdin is not None
    try:
        with leaving:
            async for message in leaving:
                process.stdin.write(
                    message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
                )
                await process.stdin.drain()
    except (ConnectionError, OSError):
        pass  # The program has closed its input; the end of its output says what became of it.


async def _keep_words(process: asyncio.subprocess.Process, words: ProgramState) -> None:
    assert process.stderr is not None
    while data := await process.stderr.read(WORDS_BYTES):
        words.add(data)


async def _how_it_ended(process: asyncio.subprocess.Process) -> str:
    try:
        code = await asyncio.wait_for(asyncio.shield(process.wait()), timeout=0.5)
    except TimeoutError:
        return "it closed its output"
    return f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"


async def _end(process: asyncio.subprocess.Process, words: ProgramState) -> None:
    """Close the program's input and wait; then ask its group to end. Source: MCP 2025-11-25, lifecycle, shutdown."""
    assert process.stdin is not None
    process.stdin.close()
    if words.is_unwanted:
        _kill(process, signal.SIGTERM)
    for number, patience_s in (
        (signal.SIGTERM, _END_S),
        (signal.SIGKILL, _END_S),
        (signal.SIGKILL, _KILLED_S),
    ):
        try:
            await asyncio.wait_for(process.wait(), timeout=patience_s)
        except TimeoutError:
            _kill(process, number)
        else:
            break
    words.end("it was ended")


def _kill(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # The group has gone, which is what was wanted.
        os.killpg(process.pid, number)
