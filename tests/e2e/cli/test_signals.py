"""Signals that end a command take the way of Ctrl-C, in every setting that a shell or a service gives it."""

import subprocess
import sys

import pytest

from nebulus.cli.exits import Exit, exit_of_signal

ENDED = """
import asyncio, os, signal, sys
if "ignored" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
if "nohup" in sys.argv:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
from nebulus.cli import signals
signals.install()
async def work():
    try:
        await asyncio.sleep(0)
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        await asyncio.sleep(0.2)
        print("went on")
    finally:
        print("in order")
try:
    asyncio.run(work())
except KeyboardInterrupt:
    print(signals.received())
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("SIGTERM",), "in order 15"),
        (("SIGHUP",), "in order 1"),
        (("SIGINT",), "in order 0"),
        (("SIGTERM", "ignored"), "in order 15"),
        (("SIGHUP", "nohup"), "went on in order"),
    ],
)
def test_what_was_begun_is_ended_in_order(arguments: tuple[str, ...], said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ENDED, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.stdout.split() == said.split(), ended.stderr


def test_each_signal_has_the_code_that_shells_give_it() -> None:
    assert [exit_of_signal(number) for number in (0, 1, 2, 15)] == [
        Exit.INTERRUPTED,
        Exit.HUNG_UP,
        Exit.INTERRUPTED,
        Exit.TERMINATED,
    ]
