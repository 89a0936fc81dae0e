"""Live progress: an observer that follows one run and hands what happens to a face: a terminal, or plain text."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console
from rich.text import Text

from nebulus.core.commands import AskModel, AskPerson, Command, EvaluateChecks, RunTool, Wait
from nebulus.core.errors import IllegalEventError
from nebulus.core.journal import Record
from nebulus.core.text import counted
from nebulus.loop.machine import Machine
from nebulus.loop.pending import commands
from nebulus.report.line_kinds import ReportLine
from nebulus.report.lines import Narrator
from nebulus.report.marks import MARKS, VERBOSE
from nebulus.report.text import format_seconds, one_line


class UnderWay(Struct, frozen=True):
    """A command that is being performed, and since when: seconds on a clock that never goes back."""

    command: Command
    since_s: float
    progress: str = ""
    """How far it is, where a tool says so."""


class Face(Protocol):
    """Where progress is shown."""

    def begin(self, machine: Machine, past: Sequence[ReportLine]) -> None:
        """Show what is recorded so far: the goal alone, or all that an earlier process did."""
        ...

    def doing(self, under_way: Sequence[UnderWay], machine: Machine) -> None:
        """Show all that is under way now."""
        ...

    def wrote(self, piece: str) -> None:
        """Show that a model wrote this piece."""
        ...

    def happened(self, lines: Sequence[ReportLine], machine: Machine) -> None:
        """Show what happened."""
        ...

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Change nothing on the screen while somebody is asked."""
        ...


class Watcher:
    """Follows one run from its first record. It never raises: what it can't follow, it does not show."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._narrator = Narrator()
        self._past: list[ReportLine] = []
        self._under_way: list[UnderWay] = []
        self._is_live, self._is_lost = False, False

    def on_command(self, command: Command) -> None:
        """Show what is under way; the first command ends the replay of the past."""
        if self._is_lost:
            return
        if not self._is_live:
            self._is_live = True
            self._face.begin(self._narrator.machine, self._past)
        self._under_way.append(UnderWay(command, time.monotonic()))
        self._face.doing(self._under_way, self._narrator.machine)

    def on_text(self, piece: str) -> None:
        """Show that a model writes."""
        self._face.wrote(piece)

    def on_progress(self, tool: str, progress: str) -> None:
        """Show how far a tool is."""
        if self._is_lost or not self._is_live:
            return
        self._under_way = [
            replace(one, progress=progress)
            if isinstance(one.command, RunTool) and one.command.call.tool == tool
            else one
            for one in self._under_way
        ]
        self._face.doing(self._under_way, self._narrator.machine)

    def on_record(self, record: Record) -> None:
        """Show what happened."""
        if self._is_lost:
            return
        try:
            lines = self._narrator.tell(record.event)
        except (IllegalEventError, LookupError):
            self._is_lost = True  # the run itself says what is wrong with its records, if that matters
            return
        machine = self._narrator.machine
        wanted = commands(machine)
        self._under_way = [one for one in self._under_way if one.command in wanted]
        if self._is_live:
            self._face.happened(lines, machine)
            self._face.doing(self._under_way, machine)
        else:
            self._past += lines


class PlainFace:
    """Prints one line after the other on stderr: for pipes and logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun: set[int] = set()

    def begin(self, machine: Machine, past: Sequence[ReportLine]) -> None:
        """Print the goal, or how far an earlier process came."""
        self._begun.clear()
        if is_resumed(machine):
            done, steps = machine.state.done_count, len(machine.state.plan.steps)
            self._print("↻", f"resumed: {done} of {counted(steps, 'step')} done already", "bold")
        else:
            self._lines(past, machine)
        self._heads(machine)

    def doing(self, under_way: Sequence[UnderWay], machine: Machine) -> None:
        """Print nothing: what comes of it will be printed."""

    def wrote(self, piece: str) -> None:
        """Print nothing."""

    def happened(self, lines: Sequence[ReportLine], machine: Machine) -> None:
        """Print what happened, and each step that begins."""
        self._lines(lines, machine)
        self._heads(machine)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Do nothing: lines that were printed don't change."""
        yield

    def _heads(self, machine: Machine) -> None:
        for number in steps_under_way(machine):
            if number not in self._begun:
                self._begun.add(number)
                text = one_line(machine.state.step(number).text)
                self._print(f"[{number}/{len(machine.state.plan.steps)}]", text, "bold")

    def _lines(self, lines: Sequence[ReportLine], machine: Machine) -> None:
        for line in lines:
            if line.kind not in VERBOSE:
                mark, style = MARKS[line.kind]
                self._print(f"  {mark}", text_of(line, machine), style)

    def _print(self, mark: str, text: str, style: str) -> None:
        self._console.print(Text(f"{mark} {text}", style=style), soft_wrap=True)


class NoFace:
    """Shows nothing."""

    def begin(self, machine: Machine, past: Sequence[ReportLine]) -> None:
        """Show nothing."""

    def doing(self, under_way: Sequence[UnderWay], machine: Machine) -> None:
        """Show nothing."""

    def wrote(self, piece: str) -> None:
        """Show nothing."""

    def happened(self, lines: Sequence[ReportLine], machine: Machine) -> None:
        """Show nothing."""

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Do nothing."""
        yield


def is_terminal() -> bool:
    """Whether somebody is there: they see stderr and can type."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def is_resumed(machine: Machine) -> bool:
    """Whether an earlier process did something of this run."""
    return machine.spent.model_calls > 0 or machine.state.done_count > 0


def steps_under_way(machine: Machine) -> tuple[int, ...]:
    """Return the numbers of the steps that are under way."""
    return tuple(task.step for task in machine.tasks if task.step)


def text_of(line: ReportLine, machine: Machine) -> str:
    """Return a line with its cost; with its step, where several are under way."""
    step = f"step {line.step}: " if line.step and len(steps_under_way(machine)) > 1 else ""
    return f"{step}{line.text}{f'  ({line.cost})' if line.cost else ''}"


def describe(command: Command, machine: Machine) -> str:
    """Return what a command that is under way does; with its step, where several are under way."""
    return f"{_what(command)}{_where(command, machine)}"


def _what(command: Command) -> str:
    match command:
        case AskModel():
            return f"asking {command.tier}"
        case RunTool(call=call):
            return f"running {call.tool}"
        case AskPerson():
            return "waiting for a person"
        case EvaluateChecks():
            return f"evaluating {counted(len(command.checks), 'check')}"
        case Wait():
            return f"waiting {format_seconds(command.seconds)}: {one_line(command.why, 80)}"
        case _:
            return "recording"


def _where(command: Command, machine: Machine) -> str:
    if len(steps_under_way(machine)) < 2:
        return ""
    match command:
        case AskModel(step=step) | RunTool(step=step) | EvaluateChecks(step=step) | Wait(step=step) if step:
            return f" for step {step}"
        case AskPerson(question=question) if question.step:
            return f" for step {question.step}"
        case _:
            return ""
