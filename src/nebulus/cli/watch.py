"""Live progress: an observer that follows the machine and hands lines to a face, a terminal or plain text."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.text import Text

from nebulus.cli.marks import IN_PROGRESS, MARKS
from nebulus.cli.narrate import Said, narrate
from nebulus.cli.words import counted, one_line
from nebulus.core.commands import AskModel, AskPerson, Command, RunChecks, RunTool, Wait
from nebulus.core.errors import IllegalEventError
from nebulus.core.journal import Record
from nebulus.loop.machine import feed
from nebulus.loop.progress import Machine, Setup, new_machine


class Face(Protocol):
    """Where progress is shown."""

    def begin(self, machine: Machine, past: list[Said]) -> None:
        """What is recorded so far: the goal alone, or all that an earlier process did."""
        ...

    def doing(self, what: str, machine: Machine) -> None:
        """This is under way now."""
        ...

    def wrote(self, piece: str) -> None:
        """The model wrote this piece."""
        ...

    def said(self, lines: tuple[Said, ...], machine: Machine) -> None:
        """This happened."""
        ...

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Stand still while somebody is asked."""
        ...


class Watcher:
    """Follows one run with a machine of its own. Until `follow` it sees nothing, and it never raises."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._machine: Machine | None = None
        self._past: list[Said] = []
        self._is_live = False

    def follow(self, setup: Setup) -> None:
        """Follow the run that begins or is taken up next."""
        self._machine, self._past, self._is_live = new_machine(setup), [], False

    def on_command(self, command: Command) -> None:
        """Show what is under way; the first command ends the replay of the past."""
        if self._machine is None:
            return
        if not self._is_live:
            self._is_live = True
            self._face.begin(self._machine, self._past)
        self._face.doing(_doing(command), self._machine)

    def on_text(self, piece: str) -> None:
        """Show that the model writes."""
        if self._machine is not None:
            self._face.wrote(piece)

    def on_record(self, record: Record) -> None:
        """Show what happened."""
        if self._machine is None:
            return
        try:
            after = feed(self._machine, record.event)
        except (IllegalEventError, LookupError, StopIteration):
            self._machine = None  # The run has another setup than ours; it says so itself, if that matters.
            return
        lines = narrate(self._machine, record.event, after)
        self._machine = after
        if self._is_live:
            self._face.said(lines, after)
        else:
            self._past += lines


class PlainFace:
    """One line after the other on stderr: for pipes, logs and people who like it quiet."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._step = 0

    def begin(self, machine: Machine, past: list[Said]) -> None:
        """Print the goal, or how far an earlier process came."""
        if machine.position > 1:
            done, steps = machine.state.done_count, len(machine.state.plan.steps)
            self._print("↻", f"taken up again: {done} of {counted(steps, 'step')} done already", "bold")
        else:
            for line in past:
                self._line(line)
        self._head(machine)

    def doing(self, what: str, machine: Machine) -> None:
        """Print nothing: what came of it will be printed."""

    def wrote(self, piece: str) -> None:
        """Print nothing."""

    def said(self, lines: tuple[Said, ...], machine: Machine) -> None:
        """Print what happened, and the next step where one begins."""
        for line in lines:
            if line.kind in IN_PROGRESS:
                self._line(line)
        self._head(machine)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Do nothing: lines stand still by themselves."""
        yield

    def _head(self, machine: Machine) -> None:
        number = machine.active
        if number and number != self._step:
            self._step = number
            step = machine.state.plan.steps[number - 1]
            self._print(f"[{number}/{len(machine.state.plan.steps)}]", one_line(step.text), "bold")

    def _line(self, line: Said) -> None:
        mark, style = MARKS[line.kind]
        self._print(f"  {mark}", line.text + (f"  ({line.cost})" if line.cost else ""), style)

    def _print(self, mark: str, text: str, style: str) -> None:
        self._console.print(Text(f"{mark} {text}", style=style), soft_wrap=True)


class NoFace:
    """Shows nothing."""

    def begin(self, machine: Machine, past: list[Said]) -> None:
        """Show nothing."""

    def doing(self, what: str, machine: Machine) -> None:
        """Show nothing."""

    def wrote(self, piece: str) -> None:
        """Show nothing."""

    def said(self, lines: tuple[Said, ...], machine: Machine) -> None:
        """Show nothing."""

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Do nothing."""
        yield


def is_terminal() -> bool:
    """Whether somebody sits there: they see stderr and can type."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _doing(command: Command) -> str:
    match command:
        case AskModel():
            return f"asking {command.tier}"
        case RunTool(call=call):
            return f"running {call.tool}"
        case AskPerson():
            return "waiting for a person"
        case RunChecks():
            return f"looking at {counted(len(command.checks), 'check')}"
        case Wait():
            return f"waiting {command.seconds:g} s: {one_line(command.why, 80)}"
        case _:
            return "recording"
