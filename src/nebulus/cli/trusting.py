"""Trust on first use: the user is asked at the terminal, or told which command to type."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from nebulus.adapters.trust.ledger import TrustLedger
from nebulus.app.trust import Doubt, trust
from nebulus.cli.watch import is_terminal
from nebulus.core.errors import ConfigError
from nebulus.report.text import one_line, safe


def require_trust(doubts: Sequence[Doubt], ledger: TrustLedger, *, asks: bool, command: str) -> None:
    """Let the user settle `doubts`; what is confirmed is remembered. `command` confirms all of them at once.

    Raises:
        ConfigError: one is not confirmed, or nobody is there to be asked.
    """
    for doubt in doubts:
        said = doubt.sentence()
        if not asks or not is_terminal():
            raise ConfigError(f"{said}", fix=f"if you wrote it, `{command}` confirms it")
        with _stoppable():
            is_yes = typer.confirm(f"{one_line(said, 500)}. Is that your will?", default=False, err=True)
        if not is_yes:
            raise ConfigError(f"{said}", fix="you said no, and nothing was begun")
        trust([doubt], ledger)


def confirmed_lines(doubts: Sequence[Doubt]) -> list[str]:
    """Return what was confirmed, a line each."""
    return [f"confirmed: {safe(doubt.sentence().partition(', ')[0])}" for doubt in doubts]


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let Ctrl-C end a question, also inside an event loop, which would only take note of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
