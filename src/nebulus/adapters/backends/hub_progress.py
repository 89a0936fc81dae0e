"""How a download shows itself on stderr: a bar on a terminal, else a line every ten seconds."""

import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from tqdm import tqdm

from nebulus.adapters.backends.hub_files import size_text

EVERY_S = 10.0


class FetchProgress(Protocol):
    """Who is told of a download."""

    def begin(self, what: str, *, total_bytes: int, done_bytes: int) -> None:
        """Say what is fetched, from where to where; `done_bytes` of it are here already."""

    def advance(self, count_bytes: int) -> None:
        """Count bytes that came; a negative number takes back bytes that must be fetched again."""

    def say(self, text: str) -> None:
        """Report a fact about the download in one line."""

    def end(self) -> None:
        """Say that it is over, in whatever way."""


class NoProgress:
    """Says nothing."""

    def begin(self, what: str, *, total_bytes: int, done_bytes: int) -> None:
        """Say nothing."""

    def advance(self, count_bytes: int) -> None:
        """Say nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def end(self) -> None:
        """Say nothing."""


class StderrProgress:
    """A bar where stderr is a terminal, else lines."""

    def __init__(self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._bar: tqdm | None = None
        self._total = self._done = self._arrived = 0
        self._began = 0.0
        self._ended = threading.Event()

    def begin(self, what: str, *, total_bytes: int, done_bytes: int) -> None:
        """Write one line that says what is fetched, and open the bar."""
        self._total, self._done, self._arrived = total_bytes, done_bytes, 0
        self._began = self._clock()
        self._ended = threading.Event()
        self._line(what)
        if self._stream.isatty():
            self._bar = tqdm(
                total=total_bytes, initial=done_bytes, unit="B", unit_scale=True, file=self._stream
            )
        else:
            threading.Thread(target=self._keep_saying, args=(self._ended,), daemon=True).start()

    def advance(self, count_bytes: int) -> None:
        """Move the bar, or count what the next line says."""
        self._done += count_bytes
        self._arrived += max(0, count_bytes)
        if self._bar is not None:
            self._bar.update(count_bytes)

    def end(self) -> None:
        """Close the bar, or write no more lines."""
        self._ended.set()
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def line(self) -> str:
        """Return how far it is, and how fast."""
        rate = self._arrived / max(1e-9, self._clock() - self._began)
        percent = 100 * self._done // max(1, self._total)
        return f"{size_text(self._done)} of {size_text(self._total)} ({percent} %), {size_text(int(rate))}/s"

    def _keep_saying(self, ended: threading.Event) -> None:
        """Write a line every ten seconds, also while nothing comes: bytes are counted 10 MB at a time."""
        while not ended.wait(EVERY_S):
            self._line(self.line())

    def say(self, text: str) -> None:
        """Write one line."""
        self._line(text)

    def _line(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()
