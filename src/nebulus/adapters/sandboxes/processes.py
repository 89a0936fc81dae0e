"""Running a process with an end: its time, its output and its children are bounded."""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from nebulus.adapters.sandboxes.growth import Growth
from nebulus.ports.guard import CommandResult

_PIECE_BYTES = 1 << 16
_LAST_WORDS_S = 1.0
_LOOK_S = 0.2
"""How often it is looked whether a command adds too much."""
_OBEYS_S = 5.0
"""How long a launcher may take to end what it started, once it is told to."""


class KeptOutput:
    """The beginning and the end of an output, half of the limit each; what lies between is dropped."""

    def __init__(self, limit_bytes: int) -> None:
        self._half = limit_bytes // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        room = self._half - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        excess = len(self._tail) - self._half
        if excess > 0:
            del self._tail[:excess]
            self._dropped += excess

    @property
    def is_cut(self) -> bool:
        """Whether something was dropped."""
        return self._dropped > 0

    def text(self) -> str:
        """Return what was kept, as text; what is not UTF-8 is replaced."""
        gap = f"\n[... {self._dropped} bytes left out ...]\n".encode() if self._dropped else b""
        return bytes(self._head + gap + self._tail).decode(errors="replace")


@contextmanager
def readable_by_child(content: bytes) -> Iterator[int]:
    """Yield a descriptor from which a child can read `content`."""
    handle = os.memfd_create("content")
    try:
        os.write(handle, content)
        os.lseek(handle, 0, os.SEEK_SET)
        yield handle
    finally:
        os.close(handle)


async def run_bounded(
    argv: Sequence[str],
    *,
    timeout_s: float,
    output_bytes: int,
    pass_fds: Sequence[int] = (),
    is_launcher: bool = False,
    growth: Growth | None = None,
) -> CommandResult:
    """Run `argv` with an empty environment and no input, to its end or to `timeout_s`; then nothing is left.

    It is stopped as well where `growth` says that it adds too much, which its output says in the end.
    `is_launcher`: the process ends all that it started when its stdin is closed, and is given time for that.
    Call it from the event loop's own thread: a contained process dies with the thread that started it.

    Raises:
        OSError: it can't be started.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE if is_launcher else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={},
        start_new_session=True,
        pass_fds=pass_fds,
    )
    kept = KeptOutput(output_bytes)
    is_timeout, excess = False, ""
    tasks = [asyncio.create_task(_to_end(process, kept))]
    if growth is not None:
        tasks.append(asyncio.create_task(_too_much(growth)))
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        is_timeout = True
    finally:
        excess = await _stop(tasks)
        await _end(process, kept)
    if growth is not None:
        excess = excess or await asyncio.to_thread(growth.excess)
    code = process.returncode if process.returncode is not None else -signal.SIGKILL
    output = kept.text() + (f"\n[stopped: {excess}]" if excess else "")
    return CommandResult(exit_code=code, output=output, is_timeout=is_timeout, is_cut=kept.is_cut)


async def _to_end(process: asyncio.subprocess.Process, kept: KeptOutput) -> str:
    await _drain(process, kept)
    await process.wait()
    return ""


async def _too_much(growth: Growth) -> str:
    while True:
        await asyncio.sleep(_LOOK_S)
        excess = await asyncio.to_thread(growth.excess)
        if excess:
            return excess


async def _stop(tasks: Sequence[asyncio.Task[str]]) -> str:
    """Stop what still waits, and return what was too much, "" if nothing was."""
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    return next((said for said in ended if isinstance(said, str) and said), "")


async def _drain(process: asyncio.subprocess.Process, kept: KeptOutput) -> None:
    if process.stdout is None:
        return
    while piece := await process.stdout.read(_PIECE_BYTES):
        kept.add(piece)


async def _end(process: asyncio.subprocess.Process, kept: KeptOutput) -> None:
    """Kill what is left of the group, wait for its leader, and read the rest of its output."""
    if process.stdin is not None:
        process.stdin.close()
        with suppress(TimeoutError):  # Then it is killed, and what it started is left to end by itself.
            async with asyncio.timeout(_OBEYS_S):
                await process.wait()
    with suppress(ProcessLookupError):  # It ended by itself.
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
    with suppress(TimeoutError):  # A process outside the group keeps the output open: we stop reading.
        async with asyncio.timeout(_LAST_WORDS_S):
            await _drain(process, kept)
