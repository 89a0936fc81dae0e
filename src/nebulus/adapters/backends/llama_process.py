"""The embedded server's process, seen from its parent: started, waited for, stopped.

Invariant: whatever happens to the waiting task, no process is left behind. `subprocess.Popen` is used because
a cancelled `asyncio.create_subprocess_exec` may never return (seen with Python 3.11).
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from nebulus.adapters.backends.child_settings import READY, ChildSettings

POLL_S = 0.01
STOP_GRACE_S = 2.0

_OUR_CODE = str(Path(__file__).parents[3])
"""The child runs the very code that its parent runs, installed or not."""


class LlamaProcess:
    """One child. Its standard input is its lifeline: the child ends when the pipe does."""

    def __init__(self, settings: ChildSettings) -> None:
        command = [
            sys.executable,
            "-P",  # never from the current folder: it may be the model's workspace
            "-m",
            "nebulus.adapters.backends.llama_child",
            msgspec.json.encode(settings).decode(),
        ]
        paths = filter(None, (_OUR_CODE, os.environ.get("PYTHONPATH")))
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    async def ready_or_exit(self, limit_s: float) -> int:
        """Return 0 when the child serves, else its exit code. A child that is not waited for is killed.

        Raises:
            TimeoutError: neither came within `limit_s` seconds.
        """
        assert self._process.stdout is not None
        loop = asyncio.get_running_loop()
        said: asyncio.Future[bytes] = loop.create_future()
        pipe = self._process.stdout.fileno()

        def take() -> None:
            loop.remove_reader(pipe)
            said.set_result(os.read(pipe, len(READY)))

        loop.add_reader(pipe, take)
        try:
            line = await asyncio.wait_for(said, limit_s)
        except BaseException:
            loop.remove_reader(pipe)
            self._kill()
            raise
        return 0 if line == READY else self._kill()

    async def stop(self) -> None:
        """Close its lifeline and wait for its end; kill it if it lingers. May be called twice."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            for _ in range(round(STOP_GRACE_S / POLL_S)):
                if not self.is_alive:
                    break
                await asyncio.sleep(POLL_S)
        finally:
            self._kill()

    def _kill(self) -> int:
        """End it now, close its pipes, and return its exit code."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            return self._process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
