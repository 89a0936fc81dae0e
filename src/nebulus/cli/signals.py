"""Signals that end a command end it like Ctrl-C: what is under way is put down, and the user is told.

Invariant: SIGTERM and SIGHUP take the way of SIGINT, so that everything that was begun is ended in order; one that
was ignored when we began (nohup) stays ignored.
"""

import signal
from types import FrameType

_received: list[int] = []
"""The signals that came, in order."""


def install() -> None:
    """Let SIGTERM and SIGHUP end this process in order. Called once, by the main thread."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def received() -> int:
    """Return the signal that ends the command, 0 if none came (Ctrl-C is none of these)."""
    return _received[0] if _received else 0


def _end(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    interrupt = signal.getsignal(signal.SIGINT)
    if not callable(interrupt):  # Ignored, as in a background job of a script.
        raise KeyboardInterrupt
    interrupt(number, frame)
